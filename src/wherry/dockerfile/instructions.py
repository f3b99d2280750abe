"""The Dockerfile's instructions as frozen values.

Words stand as the author wrote them, variables unexpanded, since expansion needs the environment of the build at that
point. `expand(lex, env)` gives a copy with every word expanded that the language lets expand, and nothing else: RUN,
CMD and ENTRYPOINT text is left for the shell in the container. `span` is where it stands, `text` the logical line
(continuations joined, comments out), as history shows it.

Reference: https://github.com/moby/buildkit/blob/v0.17.0/frontend/dockerfile/docs/reference.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from wherry.dockerfile.copying import Add, Copy
from wherry.dockerfile.expander import expander
from wherry.dockerfile.heredoc import Heredoc
from wherry.dockerfile.mounts import Device, Mount, parse_mount
from wherry.dockerfile.shell import Lex
from wherry.dockerfile.span import Span
from wherry.oci.config import Healthcheck as HealthcheckConfig

__all__ = [
    "Add", "Arg", "ArgPair", "Cmd", "CommandLine", "Copy", "Entrypoint", "Env", "Expose", "From", "Healthcheck",
    "Instruction", "Label", "Maintainer", "OnBuild", "Pair", "Run", "Shell", "StopSignal", "User", "Volume", "Workdir",
]  # fmt: skip


class CommandLine(NamedTuple):
    """What RUN, CMD and ENTRYPOINT run.

    `is_shell` true: `args` is one line for the shell (or is empty). False: the JSON form, `args` is argv.
    `files` are the heredocs of the line, in order.
    """

    args: tuple[str, ...]
    is_shell: bool
    files: tuple[Heredoc, ...] = ()

    @property
    def script(self) -> Heredoc | None:
        """The one heredoc when it is a program of its own: nothing else on the line and "#!" first. Tabs are cut."""
        only = self._only()
        return only if only and only.content.startswith("#!") else None

    @property
    def line(self) -> str:
        """The text to hand to the shell (last argument after SHELL), heredocs included."""
        if only := self._only():
            return only.content
        whole = " ".join(self.args)
        return whole + "".join(f"\n{file.raw}{file.name}" for file in self.files)

    def _only(self) -> Heredoc | None:
        """`RUN <<EOF` alone: the content is the script, so that shells without heredocs can run it too."""
        if len(self.files) == 1 and len(self.args) == 1 and Heredoc.of_word(self.args[0]) is not None:
            return self.files[0]
        return None


class Pair(NamedTuple):
    """`key=value` of ENV and LABEL."""

    key: str
    value: str


class ArgPair(NamedTuple):
    """One name of ARG. `default` None: none was given ("" is a default). `doc` is the comment `# NAME ...` above it."""

    name: str
    default: str | None = None
    doc: str = ""


class From(NamedTuple):
    """FROM [--platform=P] IMAGE [AS NAME]. `name` is lowercase, "" when not given; `doc` the comment `# NAME ...`."""

    span: Span
    text: str
    image: str
    name: str = ""
    platform: str = ""
    doc: str = ""

    def expand(self, lex: Lex, env: Mapping[str, str]) -> From:
        """`env` holds the global ARGs and the platform's. Raises: DockerfileError."""
        word = expander(self.span, lex, env)
        return self._replace(image=word(self.image), platform=word(self.platform))


class Arg(NamedTuple):
    """ARG NAME[=DEFAULT] ... . Later names of one ARG see the earlier ones: expand by `expand_one`, in order."""

    span: Span
    text: str
    pairs: tuple[ArgPair, ...]

    def expand_one(self, pair: ArgPair, lex: Lex, env: Mapping[str, str]) -> ArgPair:
        """Raises: DockerfileError, also when a value is given anyway: expand only a default that is used."""
        return pair._replace(default=None if pair.default is None else expander(self.span, lex, env)(pair.default))

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Arg:
        """All of them, the earlier names seen by the later ones. Raises: DockerfileError."""
        scope = dict(env)
        done = []
        for pair in self.pairs:
            one = self.expand_one(pair, lex, scope)
            done.append(one)
            if one.default is not None:
                scope[one.name] = one.default
        return self._replace(pairs=tuple(done))


def _pairs(pairs: tuple[Pair, ...], word: Callable[[str], str]) -> tuple[Pair, ...]:
    return tuple(Pair(word(key), word(value)) for key, value in pairs)


class Env(NamedTuple):
    """ENV KEY=VALUE ... ; `is_legacy` for `ENV KEY the rest of the line`. All values see the environment before it."""

    span: Span
    text: str
    pairs: tuple[Pair, ...]
    is_legacy: bool = False

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Env:
        """Raises: DockerfileError."""
        return self._replace(pairs=_pairs(self.pairs, expander(self.span, lex, env)))


class Label(NamedTuple):
    """LABEL KEY=VALUE ..."""

    span: Span
    text: str
    pairs: tuple[Pair, ...]
    is_legacy: bool = False

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Label:
        """Raises: DockerfileError."""
        return self._replace(pairs=_pairs(self.pairs, expander(self.span, lex, env)))


class Maintainer(NamedTuple):
    """MAINTAINER NAME (deprecated). Nothing expands."""

    span: Span
    text: str
    name: str

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Maintainer:
        return self


class Run(NamedTuple):
    """RUN [--mount=...] [--network=...] [--security=...] [--device=...] COMMAND.

    `mounts` before `expand`: `from_stage` is right (it never expands), values with variables stand at their default.
    `mount_flags` are the CSV texts as written. `network` is default, none, host or "", `security` sandbox, insecure
    or "".
    """

    span: Span
    text: str
    command: CommandLine
    mounts: tuple[Mount, ...] = ()
    mount_flags: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[Device, ...] = ()

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Run:
        """Only the values of --mount. Raises: DockerfileError."""
        if not self.mount_flags:
            return self
        word = expander(self.span, lex, env)
        return self._replace(mounts=tuple(parse_mount(flag, self.span.at(flag), word) for flag in self.mount_flags))


class Cmd(NamedTuple):
    """CMD ["argv", ...] or CMD a shell line. Empty `args`: the image has no command."""

    span: Span
    text: str
    command: CommandLine

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Cmd:
        return self


class Entrypoint(NamedTuple):
    """ENTRYPOINT ["argv", ...] or ENTRYPOINT a shell line. Empty `args`: takes the base image's away."""

    span: Span
    text: str
    command: CommandLine

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Entrypoint:
        return self


class Workdir(NamedTuple):
    """WORKDIR PATH; relative to the one before when it does not begin with a slash."""

    span: Span
    text: str
    path: str

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Workdir:
        """Raises: DockerfileError."""
        return self._replace(path=expander(self.span, lex, env)(self.path))


class User(NamedTuple):
    """USER NAME[:GROUP], names or numbers."""

    span: Span
    text: str
    user: str

    def expand(self, lex: Lex, env: Mapping[str, str]) -> User:
        """Raises: DockerfileError."""
        return self._replace(user=expander(self.span, lex, env)(self.user))


class Expose(NamedTuple):
    """EXPOSE PORT[-PORT][/PROTOCOL] ... . After `expand`, `ports` is "8000/tcp", one a port, sorted, once each."""

    span: Span
    text: str
    ports: tuple[str, ...]

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Expose:
        """Variables may hold several ports ("80 443"). Raises: DockerfileError."""
        from wherry.dockerfile.ports import expose

        words = [word for port in self.ports for word in expander(self.span, lex, env).words(port)]
        return self._replace(ports=expose(words, self.span))


class Volume(NamedTuple):
    """VOLUME ["/data", ...] or VOLUME /data ..."""

    span: Span
    text: str
    paths: tuple[str, ...]

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Volume:
        """Raises: DockerfileError."""
        return self._replace(paths=tuple(map(expander(self.span, lex, env), self.paths)))


class Shell(NamedTuple):
    """SHELL ["/bin/bash", "-c"]: what shell lines are handed to from here on. Nothing expands."""

    span: Span
    text: str
    args: tuple[str, ...]

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Shell:
        return self


class StopSignal(NamedTuple):
    """STOPSIGNAL SIGINT or a number."""

    span: Span
    text: str
    signal: str

    def expand(self, lex: Lex, env: Mapping[str, str]) -> StopSignal:
        """Raises: DockerfileError, also for a signal that Linux does not have."""
        from wherry.dockerfile.ports import check_signal

        return self._replace(signal=check_signal(expander(self.span, lex, env)(self.signal), self.span))


class Healthcheck(NamedTuple):
    """HEALTHCHECK NONE | [--interval=...] CMD ... . `health` is what the image config stores. Nothing expands."""

    span: Span
    text: str
    health: HealthcheckConfig

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Healthcheck:
        return self


class OnBuild(NamedTuple):
    """ONBUILD INSTRUCTION. `trigger` is its text with heredocs, as the image config stores it; nothing expands now."""

    span: Span
    text: str
    trigger: str
    instruction: Instruction

    def expand(self, lex: Lex, env: Mapping[str, str]) -> OnBuild:
        return self


Instruction: TypeAlias = (
    "Add | Arg | Cmd | Copy | Entrypoint | Env | Expose | Healthcheck | Label | Maintainer | OnBuild | Run | Shell "
    "| StopSignal | User | Volume | Workdir"
)
