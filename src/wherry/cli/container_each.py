"""Verbs that take several containers: each is done, faults are told one by one, and the exit code is 1 after any."""

from __future__ import annotations

from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.cli.render import Output

__all__ = ["each"]


def each(names: Sequence[str], act: Callable[[str], object], out: Output) -> int:
    """Prints each name as it was given when it is done (or the text that `act` returns; nothing for "")."""
    code = 0
    for name in names:
        try:
            said = act(name)
        except WherryError as fault:
            out.error(f"wherry: {fault}")
            if fault.hint:
                out.error(f"hint: {fault.hint}")
            code = 1
        else:
            if said != "":
                out.line(said if isinstance(said, str) else name)
            out.flush()
    return code
