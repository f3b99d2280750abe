"""A terminal that live views draw on."""

from __future__ import annotations

import os

__all__ = ["draw", "size"]


def size(fd: int) -> tuple[int, int]:
    """Columns and rows; 80 and 24 where nobody says."""
    try:
        found = os.get_terminal_size(fd)
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24


def draw(fd: int, text: str) -> bool:
    """Whether it could be written: a terminal that was closed is no reason to break off the work."""
    from wherry.fs.atomic import write_all

    try:
        write_all(fd, text.encode("utf-8", "replace"))
    except OSError:
        return False
    return True
