"""wherry diff."""

from __future__ import annotations

import os

from wherry.cli.flags import Verb
from wherry.cli.render import clean

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
    # Differs from docker: on a terminal, names that would steer it are shown with � in the place of their escapes
    shown = clean if out.is_terminal else str
    for change in engine.containers.changes(args.rest[0]):
        out.line(f"{change.kind} {shown(os.fsdecode(change.path))}")
    return 0
