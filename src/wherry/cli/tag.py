"""wherry tag."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    [],
    least=2,
    most=2,
    examples=["wherry tag shop/api shop/api:1.4"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Says nothing, as docker."""
    engine.images.tag(args.rest[0], args.rest[1])
    return 0
