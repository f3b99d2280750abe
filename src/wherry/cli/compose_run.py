"""wherry compose run."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.model import Project
    from wherry.compose.one_off import OneOff
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    "Run a one-off command on a service",
    [
        Flag("build", "Build image before starting container"),
        Flag("cap-add", "Add Linux capabilities", kind="list"),
        Flag("cap-drop", "Drop Linux capabilities", kind="list"),
        Flag("detach", "Run container in background and print container ID", short="d"),
        Flag("entrypoint", "Override the entrypoint of the image", kind="string"),
        Flag("env", "Set environment variables", short="e", kind="list", type_name="stringArray"),
        Flag("env-from-file", "Set environment variables from file", kind="list", type_name="stringArray"),
        Flag("interactive", "Keep STDIN open even if not attached", short="i", default=1),
        Flag("label", "Add or override a label", short="l", kind="list", type_name="stringArray"),
        Flag("name", "Assign a name to the container", kind="string"),
        Flag("no-TTY", "Disable pseudo-TTY allocation (default: auto-detected)", short="T"),
        Flag("no-deps", "Don't start linked services"),
        Flag("publish", "Publish a container's port(s) to the host", short="p", kind="list", type_name="stringArray"),
        Flag("pull", "Pull image before running: always, missing, never, build", kind="string", default="policy"),
        Flag("quiet", "Don't print anything", short="q"),
        Flag("quiet-build", "Suppress progress output from the build process"),
        Flag("quiet-pull", "Pull without printing progress information"),
        Flag("remove-orphans", "Remove containers for services not defined in the Compose file"),
        Flag("rm", "Automatically remove the container when it exits"),
        Flag("service-ports", "Run command with all service's ports enabled and mapped to the host", short="P"),
        Flag("tty", "Allocate a pseudo-TTY", short="t"),
        Flag("use-aliases", "Use the service's network aliases in the networks that the container connects to"),
        Flag("user", "Run as specified username or uid", short="u", kind="string"),
        Flag("volume", "Bind mount a volume", short="v", kind="list", type_name="stringArray"),
        Flag("workdir", "Working directory inside the container", short="w", kind="string"),
    ],
    least=1,
    most=None,
    interspersed=False,
    examples=(
        "wherry compose run --rm web python manage.py migrate",
        "wherry compose run --rm -e EPOCHS=3 train",
    ),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """The command's own exit code. What the service depends on is started first, as `up` does."""
    from wherry.cli.compose_work import interrupts
    from wherry.cli.container_streams import joined
    from wherry.compose import one_off
    from wherry.errors import CommandNotFound, NotExecutable

    context = ComposeContext(engine, args, out)
    project = context.project(args.rest[:1], with_dependencies=not args.on("no-deps"))
    wish = _wish(context, project, args)
    if context.is_dry:
        return _dry(context, project, wish)
    with interrupts() as found, context.progress(quiet=args.on("quiet")) as progress:
        project = one_off.prepare(engine, project, wish, progress, found.cancel)
        row = one_off.create(engine, project, wish, progress)
    try:
        if wish.detach:
            one_off.start(engine, row, None)
            out.line(row.id)
            return 0
        return one_off.start(engine, row, joined(out, stdin=wish.stdin, tty=wish.tty))
    except (CommandNotFound, NotExecutable) as fault:
        # As docker-compose; 126 and 127 are of commands that ran
        fault.exit_code = 1
        raise


def _dry(context: ComposeContext, project: Project, wish: OneOff) -> int:
    from wherry.compose.one_off import closure
    from wherry.compose.up import UpOptions, dry_run

    service = project.services[wish.service]
    others = closure(project, service) if wish.dependencies else {}
    if others:
        around = project.replace(services=others, disabled_services={service.name: service})
        context.out.write(dry_run(context.engine, around, UpOptions()).text())
    name = wish.name or f"{project.name}-{service.name}-run-*"
    context.out.line(f"run container {name}: {' '.join(wish.command or service.command or ())}".rstrip())
    return 0


def _wish(context: ComposeContext, project: Project, args: Args) -> OneOff:
    """Raises: InputError in docker's words."""
    from wherry.compose.image_plan import ImageOptions
    from wherry.compose.one_off import OneOff
    from wherry.errors import InputError
    from wherry.runtime import parse_mounts, parse_names, parse_ports

    service, *command = args.rest
    out, is_detached = context.out, args.on("detach")
    if args.on("service-ports") and args.all("publish"):
        raise InputError("--service-ports and --publish are incompatible")
    # Differs from docker: `compose run` with a pipe as its input has no terminal, instead of an error
    has_terminal = args.on("tty") or (out.is_terminal and out.in_is_terminal)
    pull = args.text("pull")
    return OneOff(
        service,
        tuple(command),
        entrypoint=_entrypoint(args),
        environment=_environment(context, project, args),
        labels=dict(parse_names.label(text) for text in args.all("label")),
        name=args.text("name"),
        user=args.text("user"),
        workdir=args.text("workdir"),
        cap_add=args.all("cap-add"),
        cap_drop=args.all("cap-drop"),
        ports=tuple(port for text in args.all("publish") for port in parse_ports.publish(text)),
        volumes=tuple(parse_mounts.volume(text, context.engine.settings.cwd) for text in args.all("volume")),
        service_ports=args.on("service-ports"),
        use_aliases=args.on("use-aliases"),
        remove=args.on("rm"),
        tty=has_terminal and not args.on("no-TTY") and not is_detached,
        stdin=args.on("interactive") and not is_detached,
        detach=is_detached,
        dependencies=not args.on("no-deps"),
        remove_orphans=args.on("remove-orphans"),
        quiet_pull=args.on("quiet-pull") or args.on("quiet"),
        quiet_build=args.on("quiet-build"),
        image=ImageOptions(pull="" if pull == "policy" else pull, build=args.on("build")),
    )


def _entrypoint(args: Args) -> tuple[str, ...] | None:
    """Split as a shell would. Raises: InputError."""
    import shlex

    from wherry.errors import InputError

    if not args.given("entrypoint"):
        return None
    try:
        return tuple(shlex.split(args.text("entrypoint")))
    except ValueError as fault:
        raise InputError(f"--entrypoint {args.text('entrypoint')!r}: {fault}") from None


def _environment(context: ComposeContext, project: Project, args: Args) -> dict[str, str | None]:
    """A name alone takes its value from where the files' variables come from, the shell and .env; without one there, it
    stays what the service says."""
    found: dict[str, str | None] = {}
    entries: list[str] = []
    for path in args.all("env-from-file"):
        from wherry.cli.run_options import read_file
        from wherry.runtime.parse_names import key_value_file

        entries += key_value_file(read_file(context.engine.settings.cwd, path), path, project.environment)
    for text in (*entries, *args.all("env")):
        name, equals, value = text.partition("=")
        if equals or name in project.environment:
            found[name] = value if equals else project.environment[name]
    return found
