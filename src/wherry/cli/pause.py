"""wherry pause."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "CONTAINER [CONTAINER...]",
    "Pause all processes within one or more containers",
    least=1,
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each

    return each(args.rest, engine.containers.pause, out)
