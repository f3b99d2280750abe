"""wherry compose exec and attach: one container of a service."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

_INDEX = Flag("index", "Index of the container if service has multiple replicas", kind="int", default=0)

VERB = {
    "compose exec": compose_verb(
        "[OPTIONS] SERVICE COMMAND [ARGS...]",
        "Execute a command in a running container",
        [
            Flag("detach", "Detached mode: run command in the background", short="d"),
            Flag("env", "Set environment variables", short="e", kind="list", type_name="stringArray"),
            _INDEX,
            Flag("interactive", "Keep STDIN open even if not attached", short="i", default=1),
            Flag("no-TTY", "Disable pseudo-TTY allocation: by default there is one when a terminal is attached",
                 short="T"),
            Flag("privileged", "Give extended privileges to the process"),
            Flag("tty", "Allocate a pseudo-TTY", short="t"),
            Flag("user", "Run the command as this user", short="u", kind="string"),
            Flag("workdir", "Path to workdir directory for this command", short="w", kind="string"),
        ],
        least=2, most=None, interspersed=False,
        examples=("wherry compose exec db psql -U app", "wherry compose exec -T web python -V"),
    ),
    "compose attach": compose_verb(
        "[OPTIONS] SERVICE",
        "Attach local standard streams to a service's running container",
        [
            Flag("detach-keys", "Override the key sequence for detaching from a container", kind="string"),
            _INDEX,
            Flag("no-stdin", "Do not attach STDIN"),
            Flag("sig-proxy", "Proxy all received signals to the process", default=1),
        ],
        least=1, most=1,
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    from wherry.compose.choose import one_of
    from wherry.compose.observe import observe

    context = ComposeContext(engine, args, out)
    id = one_of(observe(engine, context.name()), args.rest[0], index=args.number("index") or 0).id
    return _exec(engine, id, args, out) if name == "compose exec" else _attach(engine, id, args, out)


def _exec(engine: Engine, id: str, args: Args, out: Output) -> int:
    """The command's own exit code. As docker-compose: 126 for one that can't be started, missing or not."""
    from wherry.cli.container_streams import joined
    from wherry.cli.exec import variable
    from wherry.errors import CommandNotFound
    from wherry.runtime.exec_options import ExecOptions

    # Differs from docker: `compose exec` with a pipe as its input has no terminal, instead of an error
    has_terminal = args.on("tty") or (out.is_terminal and out.in_is_terminal)
    is_detached = args.on("detach")
    options = ExecOptions(
        tuple(args.rest[1:]),
        env=tuple(variable(text, engine.settings.env, "compose exec") for text in args.all("env")),
        user=args.text("user"),
        workdir=args.text("workdir"),
        tty=has_terminal and not args.on("no-TTY") and not is_detached,
        stdin=args.on("interactive") and not is_detached,
        detach=is_detached,
        privileged=args.on("privileged"),
    )
    try:
        if is_detached:
            engine.containers.exec(id, options)
            return 0
        return (
            engine.containers.exec(id, options, joined(out, stdin=options.stdin, tty=options.tty, signals=False)) or 0
        )
    except CommandNotFound as fault:
        fault.exit_code = 126
        raise


def _attach(engine: Engine, id: str, args: Args, out: Output) -> int:
    """The exit code is the container's; 0 when the user detached."""
    from wherry.cli.container_streams import joined

    options = engine.containers.find(id).options()
    streams = joined(
        out,
        stdin=options.stdin and not args.on("no-stdin"),
        tty=options.tty,
        signals=args.on("sig-proxy"),
        detach_keys=args.text("detach-keys"),
    )
    return engine.containers.attach(id, streams) or 0
