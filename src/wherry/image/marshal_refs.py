"""Compiled Python (.pyc) whose bytes depend on the code alone.

CPython marks an object of a .pyc as "may be referred to later" when its reference count says so, and that depends on
what else the compiling process holds: on what it imported and compiled before, and on addresses in memory. It writes a
frozenset in the order of its hash table, and None's hash was its address up to Python 3.11. It says of "{" that it is
interned when other code happened to make it so. None of this changes what is loaded. Here a mark is kept only where
something refers to it, references are numbered anew, the elements of a set are sorted, and single characters that can't
be names are not interned (there is one object for each anyway). Equal frozensets become one, as the compiler has them:
its last step makes a copy for each function when one of the strings in it was interned before. Pure.

Spec: CPython's Python/marshal.c and PEP 552 (the header).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

__all__ = ["HEADER_BYTES", "settled"]

HEADER_BYTES = 16
_FLAG_REF = 0x80
_MOST_WORK = 10_000_000
_LARGEST_ELEMENT = 1 << 17
_FROZENSET = ord(">")
_NOT_INTERNED = {ord("Z"): ord("z"), ord("t"): ord("u")}
_NAME_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
# Magic number → whether the code object is that of 3.11 and newer. Alphas and betas of a version are in its range
_MAGICS = (
    (range(3413, 3414), False),  # 3.8
    (range(3420, 3426), False),
    (range(3430, 3440), False),
    (range(3495, 3500), True),  # 3.11
    (range(3531, 3550), True),
    (range(3570, 3600), True),
    (range(3625, 3640), True),  # 3.14
)
_TEXT, _CONTAINER = -1, -2
_SIZES = [0] * 128
"""By kind: the whole size in bytes of what has a fixed one; else what sort of object it is."""
for _letters, _size in (("NFTS.0", 1), ("ir", 5), ("Ig", 9), ("y", 17), ("ZsaAutl", _TEXT), ("(<>[:c", _CONTAINER)):
    for _letter in _letters.encode():
        _SIZES[_letter] = _size


class _Stream(NamedTuple):
    """`marked` holds where each marked object starts, in the order of their numbers; `references` where each "r" is;
    `sets` where a set's first element starts, and how many it has; `single` where an interned character is.
    """

    end: int
    marked: list[int]
    references: list[int]
    sets: list[tuple[int, int]]
    single: list[int]


def settled(data: bytes) -> bytes | None:
    """The file with the same code, or None when it is as it should be, or is nothing that we know."""
    if len(data) <= HEADER_BYTES or data[2:4] != b"\r\n":
        return None
    magic = int.from_bytes(data[:2], "little")
    layout = next((is_new for numbers, is_new in _MAGICS if magic in numbers), None)
    if layout is None:
        return None
    try:
        stream = _scan(data, HEADER_BYTES, layout)
        if stream.end != len(data):
            return None
        changed = bytearray(data)
        for at in stream.single:
            changed[at] = changed[at] & _FLAG_REF | _NOT_INTERNED[changed[at] & ~_FLAG_REF]
        looks_at_sets = _is_little(stream)
        if stream.sets and looks_at_sets:
            stream = _sort_sets(changed, stream, layout)
        _number(changed, stream)
        if len(stream.sets) > 1 and looks_at_sets:
            changed = _share_sets(changed, layout)
    except (IndexError, ValueError, RecursionError):
        return None
    return None if changed == data else bytes(changed)


def _scan(data: bytes | bytearray, at: int, is_new: bool) -> _Stream:
    """One object and all in it, in one flat loop: an installation of the usual packages has millions of them.

    Raises: IndexError, ValueError for what is no such stream.
    """
    stream = _Stream(at, [], [], [], [])
    marked, references, sizes = stream.marked, stream.references, _SIZES
    outer: list[int] = []  # how many objects are left in each container around; negative: a number stands before them
    left = 1
    while True:
        kind = data[at]
        if kind > 127:
            marked.append(at)
            kind &= 127
        size = sizes[kind]
        if size > 0:
            if kind == 114:  # r
                references.append(at)
            at += size
        elif kind == 122:  # z: a short text
            at += 2 + data[at + 1]
        elif size == _TEXT:
            at = _text(data, at, kind, stream)
        else:
            at, count = _open(data, at, kind, is_new, stream)
            if count:
                outer.append(left)
                left = count
                if kind == 99:  # c: behind eight objects stands the number of the first line, then come the others
                    outer.append(-2 if is_new else -1)
                continue
        left -= 1
        while not left:
            if not outer:
                return stream._replace(end=at)
            left = outer.pop()
            if left < 0:
                at += 4
                left = -left
            else:
                left -= 1


def _text(data: bytes | bytearray, at: int, kind: int, stream: _Stream) -> int:
    """Where it ends."""
    if kind == 90:  # Z: a short text, interned
        if data[at + 1] == 1 and data[at + 2] not in _NAME_CHARACTERS:
            stream.single.append(at)
        return at + 2 + data[at + 1]
    if kind == 108:  # l: a long number, in pieces of two bytes
        return at + 5 + 2 * abs(int.from_bytes(data[at + 1 : at + 5], "little", signed=True))
    size = int.from_bytes(data[at + 1 : at + 5], "little")
    # t is interned UTF-8. One character of Latin-1 has two bytes there, the first of them C2 or C3
    if kind == 116 and size == 2 and data[at + 5] in b"\xc2\xc3":
        stream.single.append(at)
    return at + 5 + size


def _open(data: bytes | bytearray, at: int, kind: int, is_new: bool, stream: _Stream) -> tuple[int, int]:
    """Where a container's first object is, and how many it has. Raises: ValueError."""
    if kind == 41:  # ): a short tuple
        return at + 2, data[at + 1]
    if kind == 99:  # c: code
        return at + (21 if is_new else 25), 8
    if kind == 58:  # ":": a slice
        return at + 1, 3
    if _SIZES[kind] != _CONTAINER:
        raise ValueError(f"no such object: {kind}")
    if kind in b"<>":
        stream.sets.append((at + 5, int.from_bytes(data[at + 1 : at + 5], "little")))
    return at + 5, int.from_bytes(data[at + 1 : at + 5], "little")


def _number(data: bytearray, stream: _Stream) -> None:
    """Take off the marks that nothing refers to, and give the others their new numbers."""
    numbers = [int.from_bytes(data[at + 1 : at + 5], "little") for at in stream.references]
    used = set(numbers)
    for number, at in enumerate(stream.marked):
        if number not in used:
            data[at] &= ~_FLAG_REF
    places = sorted((stream.marked[number], number) for number in used)
    fresh = {number: new.to_bytes(4, "little") for new, (_, number) in enumerate(places)}
    for at, number in zip(stream.references, numbers, strict=True):
        data[at + 1 : at + 5] = fresh[number]


def _is_little(stream: _Stream) -> bool:
    """Whether its sets are worked on in no time. A step may write anything, and large tables keep their order."""
    work = sum(count for _, count in stream.sets) + len(stream.sets)
    return work * (work + len(stream.marked) + len(stream.references)) <= _MOST_WORK


def _sort_sets(data: bytearray, stream: _Stream, is_new: bool) -> _Stream:
    """Inner sets first. The bytes of an element move whole; positions in the stream follow them. Raises: ValueError."""
    for start, count in reversed(stream.sets):
        bounds = [start]
        for _ in range(count):
            bounds.append(_scan(data, bounds[-1], is_new).end)
        parts = list(pairwise(bounds))
        if _refer_to_each_other(data, stream, parts):
            continue
        order = sorted(parts, key=lambda part: _content(data, stream, part, is_new))
        if order == parts:
            continue
        moves: list[tuple[int, int, int]] = []
        at = start
        for first, end in order:
            moves.append((first, end, at - first))
            at += end - first
        data[start:at] = b"".join(bytes(data[first:end]) for first, end in order)
        stream = stream._replace(
            marked=[_moved(one, moves) if start <= one < at else one for one in stream.marked],
            references=[_moved(one, moves) if start <= one < at else one for one in stream.references],
        )
    return stream


def _share_sets(data: bytearray, is_new: bool) -> bytearray:
    """A frozenset that is there already becomes a reference to it. `data` is numbered as it should be.

    One that holds what others refer to stays: the object would go with it.
    """
    stream = _scan(data, HEADER_BYTES, is_new)
    targets = {at: _target(data, stream, at) for at in stream.references}
    known: dict[bytes, tuple[int, int]] = {}
    cuts: list[tuple[int, int]] = []
    for start, count in stream.sets:
        begin = start - 5
        if not count or data[begin] & ~_FLAG_REF != _FROZENSET or (cuts and begin < cuts[-1][1]):
            continue
        end = _scan(data, begin, is_new).end
        first, first_end = known.setdefault(_content(data, stream, (begin, end), is_new), (begin, end))
        if begin < first_end or any(begin < to < end and not begin <= at < end for at, to in targets.items()):
            continue
        cuts.append((begin, end))
        targets = {at: first if to == begin else to for at, to in targets.items() if not begin <= at < end}
        targets[begin] = first
    return _rewritten(data, stream, targets, cuts) if cuts else data


def _rewritten(data: bytearray, stream: _Stream, targets: dict[int, int], cuts: list[tuple[int, int]]) -> bytearray:
    """With a reference in the place of each cut. `targets`: where a reference is → where what it means is."""
    numbers = {to: number for number, to in enumerate(sorted(set(targets.values())))}
    for at in stream.marked:
        data[at] &= ~_FLAG_REF
    for at in numbers:
        data[at] |= _FLAG_REF
    ends = dict(cuts)
    found = bytearray()
    done = 0
    for at, to in sorted(targets.items()):
        found += data[done:at] + b"r" + numbers[to].to_bytes(4, "little")
        done = ends.get(at, at + 5)
    return found + data[done:]


def _moved(at: int, moves: list[tuple[int, int, int]]) -> int:
    return next(at + by for first, end, by in moves if first <= at < end)


def _target(data: bytearray, stream: _Stream, at: int) -> int:
    """Where the object is that the reference at `at` means."""
    return stream.marked[int.from_bytes(data[at + 1 : at + 5], "little")]


def _refer_to_each_other(data: bytearray, stream: _Stream, parts: list[tuple[int, int]]) -> bool:
    """Then their order is not free: what is referred to must come first."""
    start, end = parts[0][0] if parts else 0, parts[-1][1] if parts else 0
    for at in stream.references:
        if start <= at < end and start <= (target := _target(data, stream, at)) < end:
            within = next(part for part in parts if part[0] <= at < part[1])
            if not within[0] <= target < within[1]:
                return True
    return False


def _content(data: bytearray, stream: _Stream, part: tuple[int, int], is_new: bool) -> bytes:
    """An element as bytes that do not depend on marks and numbers: what it refers to stands in their place."""
    at, end = part
    marked = {one for one in stream.marked if at <= one < end}
    inner = [one for one in stream.references if at <= one < end]
    found = bytearray()
    for one in [*inner, end]:
        found += bytes(byte & ~_FLAG_REF if at + i in marked else byte for i, byte in enumerate(data[at:one]))
        if one < end:
            target = _target(data, stream, one)
            found += _content(data, stream, (target, _scan(data, target, is_new).end), is_new)
            at = one + 5
        if len(found) > _LARGEST_ELEMENT:
            raise ValueError("an element too large to compare")
    return bytes(found)
