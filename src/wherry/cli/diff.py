"""wherry diff."""

from __future__ import annotations

import os

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "CONTAINER",
    "Inspect changes to files or directories on a container's filesystem",
    least=1,
    most=1,
    examples=["wherry diff api", "wherry diff api | grep '^A /tmp/'"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """One line for each path: A added, C changed, D deleted."""
    if not args.rest[0].strip():
        from wherry.errors import InputError

        raise InputError("Container name cannot be empty")
    for change in engine.containers.changes(args.rest[0]):
        out.line(f"{change.kind} {os.fsdecode(change.path)}")
    return 0
