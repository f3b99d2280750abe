"""An overlay's upper folder as a layer folder."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DiffStat", "normalise"]


class DiffStat(NamedTuple):
    """`entries` counts all below the root, whiteouts too (0: the step changed nothing); `size` is the files' bytes."""

    entries: int
    size: int


def normalise(folder: str, *, clamp_ns: int) -> DiffStat:
    """In place: every time becomes `clamp_ns`, overlay's private attributes but "opaque" and all sockets go.

    Idempotent. Raises: OSError.
    """
    raise NotImplementedError
