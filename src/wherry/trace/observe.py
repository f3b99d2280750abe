"""What a step asked of the layers below it: which path of which layer, and what about it. See docs/dev/tracing.md."""

from __future__ import annotations

from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "ALL_KINDS",
    "CONTENT",
    "LINK",
    "LIST",
    "MAX_LAYERS",
    "MAX_LOOKS",
    "MAX_PATH_BYTES",
    "NODE",
    "TREE",
    "XATTRS",
    "Look",
    "PathSet",
]

NODE, CONTENT, LINK, LIST, XATTRS, TREE = 1, 2, 4, 8, 16, 32
"""Is it there, and its type, mode, owner, size, times | a file's bytes | a link's target | a folder's names and their
types | extended attributes | all that is below (no step asks that: it stands for many looks, build.collapse)."""
ALL_KINDS = NODE | CONTENT | LINK | LIST | XATTRS | TREE

MAX_LOOKS = 100_000
MAX_LAYERS = 512
MAX_PATH_BYTES = 4000
_MAX_NAME_BYTES = 255
_FORMAT = 1
_WHOLE = 1


class Look(NamedTuple):
    """`layer` counts the traced layers, base first; `path` is relative to its root, b"" the root itself; `kinds` is a
    bit mask."""

    layer: int
    path: bytes
    kinds: int


class PathSet(NamedTuple):
    """`looks` is sorted and has each (layer, path) once.

    `is_whole`: it was too much to tell (more than MAX_LOOKS, or a path above MAX_PATH_BYTES); the set then stands for
    the layers themselves, and `looks` is empty. There is nothing to be gained from keeping such a set.
    """

    looks: tuple[Look, ...] = ()
    is_whole: bool = False

    @staticmethod
    def of(seen: Iterable[tuple[int, bytes, int]]) -> PathSet:
        """Sorts. Each (layer, path) comes once; too many give a whole set."""
        looks = tuple(sorted(Look(*one) for one in seen))
        if len(looks) > MAX_LOOKS or any(len(one.path) > MAX_PATH_BYTES for one in looks):
            return PathSet(is_whole=True)
        return PathSet(looks)

    def pack(self) -> bytes:
        """One byte string for each set, and another one for another set."""
        out = bytearray((_FORMAT, _WHOLE if self.is_whole else 0))
        _put(out, len(self.looks))
        before = b""
        for layer, path, kinds in self.looks:
            shared = _common(before, path)
            for number in (layer, kinds, shared, len(path) - shared):
                _put(out, number)
            out += path[shared:]
            before = path
        return bytes(out)

    @staticmethod
    def unpack(data: bytes) -> PathSet:
        """Reads what `pack` wrote, and nothing else: it may come from an imported cache. Raises: InvalidSpec."""
        if data[:1] != bytes((_FORMAT,)) or len(data) < 3 or data[1] & ~_WHOLE:
            raise InvalidSpec("the path set of a cached step has an unknown format")
        reader = _Reader(data, 2)
        count = reader.number(MAX_LOOKS)
        found = PathSet(tuple(reader.looks(count)), bool(data[1] & _WHOLE))
        if reader.at != len(data) or (found.is_whole and found.looks):
            raise InvalidSpec("the path set of a cached step has something behind its end")
        if found.pack() != data:
            raise InvalidSpec("the path set of a cached step is not in its one form")
        return found


def _put(out: bytearray, number: int) -> None:
    """Seven bits in each byte, lowest first; the eighth says that more follow. Spec: LEB128."""
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _common(a: bytes, b: bytes) -> int:
    end = min(len(a), len(b))
    if a[:end] == b[:end]:
        return end
    low, high = 0, end  # halving: slices compare faster than single bytes
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at

    def number(self, most: int) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self._data) or shift > 28:
                raise InvalidSpec("the path set of a cached step is cut off")
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if value > most:
            raise InvalidSpec("the path set of a cached step holds too large a number")
        return value

    def looks(self, count: int) -> Iterable[Look]:
        before: tuple[int, bytes] = (-1, b"")
        for _ in range(count):
            layer, kinds = self.number(MAX_LAYERS - 1), self.number(ALL_KINDS)
            shared = self.number(len(before[1]))
            size = self.number(MAX_PATH_BYTES - shared)
            if size > len(self._data) - self.at:
                raise InvalidSpec("the path set of a cached step is cut off")
            path = before[1][:shared] + self._data[self.at : self.at + size]
            self.at += size
            if (layer, path) <= before or not kinds or not _is_path(path):
                raise InvalidSpec("the path set of a cached step holds a path that no step can look at")
            before = (layer, path)
            yield Look(layer, path, kinds)


def _is_path(path: bytes) -> bool:
    """Relative, no way up, no empty name."""
    if not path:
        return True
    return b"\0" not in path and all(
        name not in (b"", b".", b"..") and len(name) <= _MAX_NAME_BYTES for name in path.split(b"/")
    )
