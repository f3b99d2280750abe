"""wherry compose: what its commands have in common. The options before the command, and the project that they mean.

A command's module, `cli/compose_NAME.py`, has `VERB = compose_verb(...)` and the usual `run(engine, args, out)`, whose
first line is `context = ComposeContext(engine, args, out)`. `args.outer` holds what stood before the command.
"""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.compose_progress import Renderer
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.load import LoadRequest
    from wherry.compose.model import Project
    from wherry.engine import Engine

__all__ = ["GROUP", "ComposeContext", "check_services", "compose_verb"]

# docker-compose's, for a flag or a command that there is not
_SYNTAX_EXIT = 16

GROUP = Verb(
    "[OPTIONS] COMMAND",
    "Define and run multi-container applications",
    [
        Flag("all-resources", "Include all resources, even those not used by services"),
        Flag("ansi", 'When to print ANSI control characters ("never"|"always"|"auto")', kind="string", default="auto"),
        Flag("compatibility", "Accepted, with a warning: names are joined by -, as without it"),
        Flag("dry-run", "Say what would be done, and do nothing"),
        Flag("env-file", "An alternate environment file", kind="list", type_name="stringArray"),
        Flag("file", "Compose configuration files", short="f", kind="list", type_name="stringArray"),
        Flag("help", "Print usage", short="h"),
        Flag("no-ansi", "Deprecated: --ansi never"),
        Flag("parallel", "Control max parallelism, -1 for unlimited", kind="int", default=-1),
        Flag("profile", "Specify a profile to enable", kind="list", type_name="stringArray"),
        Flag("progress", "Type of progress output (auto, tty, plain, json, quiet)", kind="string", default="auto"),
        Flag("project-directory", "An alternate working directory (default: the folder of the first Compose file)",
             kind="string"),
        Flag("project-name", "Project name", short="p", kind="string"),
        Flag("verbose", "Deprecated: accepted, and without effect"),
        Flag("version", "Show the version", short="v"),
        Flag("workdir", "Deprecated: --project-directory", kind="string"),
    ],
    most=None,
    interspersed=False,
)  # fmt: skip
GROUP.flag_exit = _SYNTAX_EXIT

_PROGRESS = ("auto", "tty", "plain", "json", "quiet")
_ANSI = ("auto", "never", "always")


def compose_verb(
    usage: str, summary: str, flags: Sequence[Flag] = (), *, least: int = 0, most: int | None = 0,
    interspersed: bool = True, examples: Sequence[str] = (),
) -> Verb:  # fmt: skip
    """A Verb with what each command of docker-compose has: --dry-run, and its exit code for a wrong flag."""
    dry = Flag("dry-run", "Say what would be done, and do nothing")
    verb = Verb(
        usage, summary, (*flags, dry), least=least, most=most, interspersed=interspersed, examples=examples
    )  # fmt: skip
    verb.flag_exit = _SYNTAX_EXIT
    return verb


class ComposeContext:
    """What one command line means: the project it is about, how to show progress, how much at once.

    Raises InputError when an option before the command has a value that it can't have.
    """

    def __init__(self, engine: Engine, args: Args, out: Output) -> None:
        self.engine, self.args, self.out = engine, args, out
        self.outer = args.outer if args.outer is not None else _no_options()
        self.env = engine.settings.env
        self._warned: set[str] = set()
        self.is_dry = self.outer.on("dry-run") or args.on("dry-run")
        self.progress_mode = self._one_of("progress", "COMPOSE_PROGRESS", _PROGRESS)
        self.ansi = "never" if self.outer.on("no-ansi") else self._one_of("ansi", "COMPOSE_ANSI", _ANSI)

    @property
    def parallel(self) -> int:
        """How many operations at once; -1: as many as there are. Raises: InputError."""
        number = self.outer.number("parallel")
        text = self.env.get("COMPOSE_PARALLEL_LIMIT", "")
        if not self.outer.given("parallel") and text:
            if not text.removeprefix("-").isdecimal():
                raise InputError(f"COMPOSE_PARALLEL_LIMIT must be an integer (found: {text!r})")
            number = int(text)
        return number if number is not None and number > 0 else -1

    @property
    def has_colour(self) -> bool:
        """Whether standard output gets colours."""
        return self.ansi == "always" or (self.ansi == "auto" and self.out.color)

    def project(self, services: Sequence[str] = (), *, with_dependencies: bool = True) -> Project:
        """The project of the files. `services` are those that the command line names; their profiles are enabled.
        Not `with_dependencies`, nothing else is active.

        Raises: what compose.load raises; NotFound for a service that there is not.
        """
        from wherry.compose.load import load

        if self._is_compatible():
            # Differs from docker: `compose --compatibility` does not join names by _, as docker-compose 1 did
            self.warn("--compatibility has no effect: names are joined by -")
        request = self.request(services).replace(with_dependencies=with_dependencies)
        return load(request, stdin=self.stdin, warn=self.warn)

    def confirm(self, question: str) -> bool:
        """Ask; the end of standard input, and anything but a yes, means no."""
        self.out.write(f"{question} [yN] ")
        self.out.flush()
        answer = self.out.read_line()
        if not self.out.in_is_terminal:
            self.out.line()
        return answer.strip().lower() in {"y", "yes", "t", "true", "1"}

    def warn(self, text: str) -> None:
        """What is wrong with the files, but not fatal: each once."""
        if text not in self._warned:
            self._warned.add(text)
            self.out.error(f"wherry: warning: {text}")

    def stdin(self) -> bytes:
        """The file `-`, whole."""
        with open(os.dup(self.out.in_fd), "rb", buffering=0) as stream:
            return stream.read()

    def project_or_name(self, services: Sequence[str] = ()) -> tuple[Project | None, str]:
        """The project, or its name alone where labels suffice: with -p and no -f, files are not looked for.

        Raises: as `project`.
        """
        from wherry.errors import WherryError

        given = self.outer.text("project-name")
        if given and not self.outer.all("file") and not self.env.get("COMPOSE_FILE"):
            return None, given
        try:
            project = self._with_models(services)
        except WherryError:
            if name := self.env.get("COMPOSE_PROJECT_NAME", ""):
                return None, name
            raise
        return project, project.name

    def _with_models(self, services: Sequence[str]) -> Project:
        """The project with the services that serve its models: `logs model-llm` and `down` know them too."""
        from wherry.errors import NotFound

        try:
            project = self.project(services)
        except NotFound:
            whole = self.project()
            if not whole.models:
                raise
            project = implied(whole)
            if not project.services.keys() >= set(services):
                raise
            return project
        return implied(project)

    def name(self) -> str:
        """The project's name, for what labels know. Files are read only when nothing else says it.

        Differs from docker: of the files no more than their `name` counts, so that `exec` and `ps` work when they are
        broken. Raises: ComposeError.
        """
        given = self.outer.text("project-name") or self.env.get("COMPOSE_PROJECT_NAME", "")
        if given:
            return given
        if not any(self.outer.given(name) for name in ("project-directory", "workdir", "env-file")):
            from wherry.compose.quick_name import quick_name

            if name := quick_name(self.engine.settings.cwd, self.env, self.outer.all("file")):
                return name
        from wherry.compose.quick_name import name_of_files

        return name_of_files(self.request(), stdin=self.stdin, warn=self.warn)

    def progress(self, title: str = "Running", *, quiet: bool = False) -> Renderer:
        """Who shows what happens; a context manager, closed before anything else is printed. `title` heads
        the live view."""
        from wherry.cli.compose_progress import renderer

        mode = "quiet" if quiet else self.progress_mode
        return renderer(self.out, mode, self.ansi, self.env, is_dry=self.is_dry, title=title)

    def _one_of(self, flag: str, variable: str, known: Sequence[str]) -> str:
        text = self.outer.text(flag)
        if not self.outer.given(flag):
            text = self.env.get(variable) or text
        if text not in known:
            raise InputError(f'unsupported --{flag} value "{text}"', hint=f"one of {', '.join(known)}")
        return text

    def request(self, services: Sequence[str] = ()) -> LoadRequest:
        """What `project` loads."""
        from wherry.compose.load import LoadRequest

        outer = self.outer
        return LoadRequest(
            current_dir=self.engine.settings.cwd,
            environment=self.env,
            files=outer.all("file"),
            project_name=outer.text("project-name"),
            project_directory=outer.text("project-directory") or outer.text("workdir"),
            env_files=outer.all("env-file"),
            profiles=outer.all("profile"),
            services=tuple(services),
            all_resources=outer.on("all-resources"),
            compatibility=self._is_compatible(),
        )

    def _is_compatible(self) -> bool:
        if self.outer.given("compatibility"):
            return self.outer.on("compatibility")
        return self.env.get("COMPOSE_COMPATIBILITY", "").lower() in {"1", "t", "true"}


def implied(project: Project) -> Project:
    """As `compose.models.implied`, which only a project with models loads."""
    if not any(service.models for service in project.services.values()):
        return project
    from wherry.compose import models

    return models.implied(project)


def _no_options() -> Args:
    from wherry.cli.flags import parse

    return parse("wherry compose", GROUP, ())


def check_services(project: Project, names: Sequence[str]) -> None:
    """Raises: NotFound in docker-compose's words, with the nearest name."""
    from wherry.errors import NotFound, nearest

    known = [*project.services]
    for name in names:
        if name not in known:
            close = nearest(name, known)
            raise NotFound(f"no such service: {name}", hint=f"did you mean {close}?" if close else None)
