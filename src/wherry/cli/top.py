"""wherry top."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    least=1,
    most=None,
    interspersed=False,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    header, *rows = engine.containers.top(args.rest[0], args.rest[1:])
    out.table(header, [[*row, *[""] * (len(header) - len(row))] for row in rows])
    return 0
