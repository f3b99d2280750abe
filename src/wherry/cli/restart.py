"""wherry restart."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    [
        Flag("time", "Seconds to wait before killing the container", short="t", kind="int"),
        Flag("timeout", "Seconds to wait before killing the container", kind="int"),
        Flag("signal", "Signal to send to the container", short="s", kind="string"),
    ],
    least=1,
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each

    seconds = args.number("time") if args.given("time") else args.number("timeout")
    return each(args.rest, lambda name: engine.containers.restart(name, seconds, args.text("signal")), out)
