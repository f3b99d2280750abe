"""A path set that is too large made smaller: whole folders stand for the many looks in them. Pure.

That can only make it say more than the step asked: a miss where a hit would have been right, never the other way.
"""

from __future__ import annotations

from bisect import bisect_left

from wherry.trace.observe import NODE, TREE, Look, PathSet

__all__ = ["MOST_LOOKS", "collapse"]

MOST_LOOKS = 5000
_Key = tuple[int, bytes]


def collapse(paths: PathSet, most: int = MOST_LOOKS) -> PathSet:
    """At most `most` looks; folders with the most of them go first. Whole when nothing but whole layers is left."""
    looks = {(layer, path): kinds for layer, path, kinds in paths.looks}
    while len(looks) > most:
        folded = _fold(looks, most)
        if len(folded) == len(looks) and folded == looks:
            return PathSet(is_whole=True)
        looks = folded
    if looks and len(paths.looks) > most and all(not path and kinds & TREE for (_, path), kinds in looks.items()):
        return PathSet(is_whole=True)
    return PathSet(tuple(Look(layer, path, looks[layer, path]) for layer, path in sorted(looks)), paths.is_whole)


def _fold(looks: dict[_Key, int], most: int) -> dict[_Key, int]:
    """One round: folders that directly hold the most looks, until it is small enough or each had its turn."""
    keys = sorted(looks)
    counts: dict[_Key, int] = {}
    for layer, path in keys:
        if path:
            above = (layer, path.rpartition(b"/")[0])
            counts[above] = counts.get(above, 0) + 1
    left = dict(looks)
    # A layer's root only when nothing else is left to fold
    if any(folder for _, folder in counts):
        counts = {key: count for key, count in counts.items() if key[1]}
    for layer, folder in sorted(counts, key=lambda key: (-counts[key], key)):
        if len(left) <= most:
            break
        if any(TREE & left.get((layer, above), 0) for above in _above(folder)):
            continue
        # All below stands together in this order: b"0" is the letter behind b"/"
        start = bisect_left(keys, (layer, folder + b"/")) if folder else bisect_left(keys, (layer, b"\0"))
        end = bisect_left(keys, (layer, folder + b"0")) if folder else bisect_left(keys, (layer + 1, b""))
        for key in keys[start:end]:
            left.pop(key, None)
        left[layer, folder] = left.get((layer, folder), 0) | NODE | TREE
    return left


def _above(folder: bytes) -> list[bytes]:
    """The folder and all above it, the root last."""
    found = [folder]
    while folder:
        folder = folder.rpartition(b"/")[0]
        found.append(folder)
    return found
