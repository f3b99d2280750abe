"""wherry rename."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb("CONTAINER NEW_NAME", "Rename a container", least=2, most=2, examples=("wherry rename web web-old",))


def run(engine: Engine, args: Args, out: Output) -> int:
    """Says why in one line, and then which, as docker."""
    from wherry.errors import WherryError

    old, new = args.rest
    try:
        engine.containers.rename(old, new)
    except WherryError as fault:
        out.error(f"wherry: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
        if new.removeprefix("/"):
            out.error(f"Error: failed to rename container named {old}")
        return 1
    return 0
