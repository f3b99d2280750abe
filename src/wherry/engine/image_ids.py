"""Which images names mean, by rows alone: for those who ask at each command and mostly have nothing to do.

`engine.images` loads what reads and makes images, 4 ms of a command.
"""

from __future__ import annotations

from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wherry.engine import Engine

__all__ = ["look_up"]


def look_up(engine: Engine, names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """(id, when it came here in ns since the epoch) of each name that is here; ids and their prefixes are names, too.

    Raises: Conflict when a prefix fits several, InvalidReference.
    """
    from wherry.oci.reference import Reference

    found: dict[str, tuple[str, int]] = {}
    for name in dict.fromkeys(names):
        bare = name.removeprefix("sha256:")
        row = None
        # What could be an id is asked of who knows which comes first
        if not bare or bare.strip("0123456789abcdef"):
            row = engine.db.read().execute(
                "SELECT image.id, added_ns FROM reference JOIN image ON image.id = image_id"
                " WHERE name = ? AND is_deleted = 0",
                (str(Reference.parse(name)),),
            ).fetchone()  # fmt: skip
        if row is None:
            row = _resolved(engine, name)
        if row is not None:
            found[name] = row
    return found


def _resolved(engine: Engine, name: str) -> tuple[str, int] | None:
    try:
        record = engine.images.resolve(name)
    except NotFound:
        return None
    return str(record.id), record.added_ns
