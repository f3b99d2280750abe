"""wherry rename."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb("CONTAINER NEW_NAME", "Rename a container", least=2, most=2)


def run(engine: Engine, args: Args, out: Output) -> int:
    engine.containers.rename(args.rest[0], args.rest[1])
    return 0
