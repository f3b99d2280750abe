"""The files of one log: which there are, in which order, and their bytes at any place, compressed or not."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Source(Protocol):
        """One file. `packed`: compressed. `steady`: its times are in order."""

        steady: bool
        packed: bool

        def names(self) -> set[str]:
            """By which `chain` may know it: it may be compressed by now."""

        def size(self) -> int: ...
        def pread(self, count: int, offset: int) -> bytes: ...
        def close(self) -> None: ...
        def freeze(self) -> None:
            """What is written to it from now on is not there."""


__all__ = ["PlainFile", "SqueezedFile", "all_sources", "chain", "following", "open_place"]

_MOST_FILES = 1000
_TRIES = 20


class PlainFile:
    """A file as it is; it may grow."""

    packed = False

    def __init__(self, fd: int) -> None:
        self._fd, self._end = fd, -1
        self.steady = not os.fstat(fd).st_mode & stat.S_ISVTX

    def names(self) -> set[str]:
        found = os.fstat(self._fd)
        # While it is open no other file has its inode
        return {str(found.st_ino), f"{found.st_ino}-{found.st_mtime_ns}"}

    def size(self) -> int:
        return os.fstat(self._fd).st_size if self._end < 0 else self._end

    def pread(self, count: int, offset: int) -> bytes:
        return os.pread(self._fd, count if self._end < 0 else max(0, min(count, self._end - offset)), offset)

    def freeze(self) -> None:
        self._end = self.size()

    def close(self) -> None:
        os.close(self._fd)


class SqueezedFile:
    """A .gz of monitor_log_squeeze: to be read forwards, since every step back unpacks it anew."""

    packed = True

    def __init__(self, path: str, name: str) -> None:
        import gzip

        self._file = gzip.open(path)  # noqa: SIM115  # closed in close()
        # Searching by halves in it would unpack it over and over
        self.steady, self._name, self._size = False, name, -1

    def names(self) -> set[str]:
        return {self._name}

    def size(self) -> int:
        if self._size < 0:
            self._size = self._file.seek(0, os.SEEK_END)
        return self._size

    def pread(self, count: int, offset: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(count)

    def freeze(self) -> None:
        """Nobody writes to it."""

    def close(self) -> None:
        self._file.close()


def _packed_name(path: str) -> str:
    """What it was called when it was compressed (RFC 1952, FNAME); "" for no such file."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        return ""
    return head[10:].partition(b"\0")[0].decode("ascii", "replace") if head[:4] == b"\x1f\x8b\x08\x08" else ""


def _look(path: str) -> list[tuple[str, str]]:
    """(name, path) the newest first, without what comes and goes meanwhile."""
    found: list[tuple[str, str]] = []
    for number in range(_MOST_FILES):
        place = f"{path}.{number}" if number else path
        try:
            found.append((str(os.stat(place).st_ino), place))
        except FileNotFoundError:
            name = _packed_name(f"{place}.gz") if number else ""
            if name:
                found.append((name, f"{place}.gz"))
            elif number:
                break
    return found


def chain(path: str) -> list[tuple[str, str]]:
    """(name, path) of the files, the newest first; seen twice alike, since a rotation may be under way.

    The name is the inode, or what a compressed file is called inside: both stay when a file moves on.
    """
    before = _look(path)
    for _ in range(_TRIES):
        now = _look(path)
        if now == before:
            break
        before = now
    return before


def open_place(name: str, path: str) -> Source | None:
    """None when it is another file by now, or none."""
    if path.endswith(".gz"):
        try:
            return SqueezedFile(path, name) if _packed_name(path) == name else None
        except FileNotFoundError:
            return None
    try:
        source = PlainFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
    if name not in source.names():
        source.close()
        return None
    return source


def all_sources(path: str) -> list[Source]:
    """The oldest first, all open: whatever is rotated or removed from now on, they can be read."""
    for left in reversed(range(_TRIES)):
        places = chain(path)
        found = [source for source in (open_place(*place) for place in reversed(places)) if source is not None]
        if len(found) == len(places) or not left:
            return found
        for source in found:
            source.close()
    return []


def following(path: str, source: Source | None) -> Source | None:
    """The file behind `source`, if there is one; the oldest of all when that one is gone by now."""
    for _ in range(_TRIES):
        places = chain(path)
        known = source.names() if source else set()
        newer = places[: next((at for at, (name, _) in enumerate(places) if name in known), len(places))]
        if not newer:
            return None
        found = open_place(*newer[-1])
        if found is not None:
            return found
    return None
