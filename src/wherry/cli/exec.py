"""wherry exec."""

from __future__ import annotations

from wherry.cli.flags import Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.runtime.launch import Monitor

VERB = Verb(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    [
        Flag("detach", "Detached mode: run command in the background", short="d"),
        Flag("detach-keys", "Override the key sequence for detaching a container", kind="string"),
        Flag("env", "Set environment variables", short="e", kind="list"),
        Flag("env-file", "Read in a file of environment variables", kind="list"),
        Flag("interactive", "Keep STDIN open even if not attached", short="i"),
        Flag("privileged", "Give extended privileges to the command"),
        Flag("tty", "Allocate a pseudo-TTY", short="t"),
        Flag("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', short="u", kind="string"),
        Flag("workdir", "Working directory inside the container", short="w", kind="string"),
    ],
    least=2,
    most=None,
    interspersed=False,
    examples=("wherry exec -it api bash", "wherry exec -u 1000 -w /app api python -V"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The command's own exit code; 126 and 127 when it can't be started, 1 when the container does not run."""
    # First of all, so that it is ready when the plan is
    monitor = engine.containers.spawn_monitor("monitor_exec")
    try:
        return _run(engine, args, out, monitor)
    except BaseException:
        monitor.abandon()
        raise


def _run(engine: Engine, args: Args, out: Output, monitor: Monitor) -> int:
    from wherry.cli.container_streams import joined
    from wherry.runtime.exec_options import ExecOptions
    from wherry.runtime.parse_names import key_value_file

    name, *command = args.rest
    caller, cwd = engine.settings.env, engine.settings.cwd
    entries: list[str] = []
    for path in args.all("env-file"):
        from wherry.cli.run_options import read_file  # brings the parsers of all flags of run

        entries += key_value_file(read_file(cwd, path), path, caller)
    entries += [variable(text, caller) for text in args.all("env")]
    options = ExecOptions(
        tuple(command),
        env=tuple(entries),
        user=args.text("user"),
        workdir=args.text("workdir"),
        tty=args.on("tty"),
        stdin=args.on("interactive") and not args.on("detach"),
        detach=args.on("detach"),
        privileged=args.on("privileged"),
        detach_keys=args.text("detach-keys"),
    )
    if options.detach:
        engine.containers.exec(name, options, None, monitor)
        return 0
    streams = joined(out, stdin=options.stdin, tty=options.tty, signals=False, detach_keys=options.detach_keys)
    return engine.containers.exec(name, options, streams, monitor) or 0


def variable(text: str, caller: Mapping[str, str], verb: str = "exec") -> str:
    """One --env. Raises: FlagError in docker's words."""
    from wherry.errors import InputError
    from wherry.runtime.parse_names import env

    try:
        return env(text, caller)
    except InputError as fault:
        raise FlagError(
            f'invalid argument "{text}" for "-e, --env" flag: {fault.message}\nSee \'wherry {verb} --help\'.'
        ) from None
