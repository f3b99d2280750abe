"""wherry attach."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    [
        Flag("detach-keys", "Override the key sequence for detaching a container", kind="string"),
        Flag("no-stdin", "Do not attach STDIN"),
        Flag("sig-proxy", "Proxy all received signals to the process", default=1),
    ],
    least=1,
    most=1,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The exit code is the container's; 0 when the user detached."""
    from wherry.cli.container_streams import joined

    options = engine.containers.find(args.rest[0]).options()
    stdin = options.stdin and not args.on("no-stdin")
    streams = joined(
        out, stdin=stdin, tty=options.tty, signals=args.on("sig-proxy"), detach_keys=args.text("detach-keys")
    )
    return engine.containers.attach(args.rest[0], streams) or 0
