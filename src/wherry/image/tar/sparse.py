"""Files with holes: the four ways in which GNU tar says where the data is.

A map is a tuple of (offset, length) pairs in bytes, ascending, all within the file.
Spec: GNU tar's manual, "Storing Sparse Files".
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.errors import InvalidSpec
from wherry.image.tar import pax
from wherry.image.tar.header import BLOCK, number
from wherry.image.tar.stream import Source

__all__ = ["Map", "checked", "from_gnu", "from_records", "from_stream"]

Map = tuple[tuple[int, int], ...]
_MOST = 1 << 20


def checked(pairs: Sequence[tuple[int, int]], size: int, stored: int) -> Map:
    """The map, when it says where each of the `stored` bytes goes in a file of `size`. Raises: InvalidSpec."""
    end = total = 0
    for offset, length in pairs:
        if offset < end or length < 0 or offset + length > size:
            raise InvalidSpec("tar: the map of a sparse file overlaps or leaves the file")
        end = offset + length
        total += length
    if total != stored:
        raise InvalidSpec(f"tar: a sparse file's map tells of {total} bytes, but {stored} are there")
    return tuple(pair for pair in pairs if pair[1])


def _pairs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    if len(numbers) % 2 or len(numbers) > 2 * _MOST:
        raise InvalidSpec("tar: the map of a sparse file is broken")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def from_gnu(block: bytes, source: Source) -> tuple[list[tuple[int, int]], int]:
    """The pairs and the file's size, of an old GNU header and the blocks that follow it. Raises: InvalidSpec."""
    pairs: list[tuple[int, int]] = []
    start, count, flag = 386, 4, block[482]
    size = number(block, 483, 495, "size")
    while True:
        for at in range(start, start + 24 * count, 24):
            if block[at] == 0:
                break
            pairs.append((number(block, at, at + 12, "offset"), number(block, at + 12, at + 24, "size")))
        if not flag:
            return pairs, size
        if len(pairs) > _MOST:
            raise InvalidSpec("tar: the map of a sparse file is too long")
        block = source.take(BLOCK, "a sparse file's map")
        start, count, flag = 0, 21, block[504]


def from_records(records: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]] | None:
    """The pairs of PAX formats 0.0 and 0.1; None when the records hold none. Raises: InvalidSpec."""
    last = dict(records)
    if (text := last.get(b"GNU.sparse.map")) is not None:
        if text.count(b",") > 2 * _MOST:
            raise InvalidSpec("tar: the map of a sparse file is too long")
        return _pairs([pax.integer(part, "GNU.sparse.map") for part in text.split(b",")] if text else [])
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
    if b"GNU.sparse.numblocks" not in last:
        return None
    numbers: list[int] = []
    for key, value in records:
        if key in keys:
            if key != keys[len(numbers) % 2]:
                raise InvalidSpec("tar: the map of a sparse file is broken")
            numbers.append(pax.integer(value, "sparse map"))
    return _pairs(numbers)


def from_stream(source: Source, stored: int) -> tuple[list[tuple[int, int]], int]:
    """PAX format 1.0: the map stands before the data, in decimal lines. The pairs, and how many bytes it took.

    Raises: InvalidSpec.
    """
    text = b""
    lines: list[bytes] = []
    used = 0
    while not lines or len(lines) <= 2 * _count(lines[0]):
        if used + BLOCK > stored:
            raise InvalidSpec("tar: the map of a sparse file is broken")
        text += source.take(BLOCK, "a sparse file's map")
        used += BLOCK
        *more, text = text.split(b"\n")
        lines += more
    numbers = [pax.integer(line, "sparse map") for line in lines[1 : 2 * _count(lines[0]) + 1]]
    return _pairs(numbers), used


def _count(line: bytes) -> int:
    count = pax.integer(line, "sparse map")
    if count > _MOST:
        raise InvalidSpec("tar: the map of a sparse file is too long")
    return count
