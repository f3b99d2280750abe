"""The files that a build would be sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.dockerfile.ignore import Matcher

__all__ = ["listing"]


def listing(folder: str, ignore: Matcher | None, most: int) -> tuple[str, ...]:
    """Paths below `folder`, sorted, without what `ignore` excludes; at most `most`. A folder that can't be read is
    empty."""
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        below = "" if root == folder else f"{os.path.relpath(root, folder)}/"
        folders[:] = sorted(name for name in folders if ignore is None or not ignore.prunes(below + name))
        found += [below + name for name in files if ignore is None or not ignore.excludes(below + name)]
        if len(found) >= most:
            break
    return tuple(sorted(found[:most]))
