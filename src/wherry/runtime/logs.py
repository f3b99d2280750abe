"""Reading logs in docker's json-file format: {"log", "stream", "time"}, one object a line, over rotated files."""

from __future__ import annotations

import json
import os
import time
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LogQuery", "read"]

_CHUNK = 1 << 16
_MOST_FILES = 1000


class LogQuery(NamedTuple):
    """`tail` -1 is all lines. `since_ns` and `until_ns` are ns since the epoch, 0 for no bound."""

    follow: bool = False
    tail: int = -1
    since_ns: int = 0
    until_ns: int = 0
    timestamps: bool = False


class _Bounds(NamedTuple):
    since: str
    until: str


def read(path: str, query: LogQuery, wait: Callable[[], bool]) -> Iterator[tuple[str, bytes]]:
    """("stdout" or "stderr", what was written, with its line feed), the oldest first.

    `path` is the newest file; older ones are `path`.1, .2, ... With `follow`, `wait` is called when there is nothing
    new: it takes a moment and says whether more may come. Lines that are not whole or not JSON are left out.
    """
    bounds = _Bounds(_stamp(query.since_ns), _stamp(query.until_ns))
    reader = _Reader(path)
    try:
        lines = reader.old_lines() if query.tail < 0 else iter(_last(query.tail, reader))
        for line in lines:
            entry = _entry(line, query, bounds)
            if entry is not None:
                yield entry
        while query.follow and not _is_over(bounds):
            more = wait()
            for line in reader.old_lines():
                entry = _entry(line, query, bounds)
                if entry is not None:
                    yield entry
            if not more:
                return
    finally:
        reader.close()


def _is_over(bounds: _Bounds) -> bool:
    return bool(bounds.until) and _stamp(time.time_ns()) > bounds.until


def _stamp(ns: int) -> str:
    """As the log writes times, so that text order is time order; "" for 0."""
    if not ns:
        return ""
    second, rest = divmod(ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{rest:09d}Z"


def _entry(line: bytes, query: LogQuery, bounds: _Bounds) -> tuple[str, bytes] | None:
    try:
        doc = json.loads(line)
        stamp, text, stream = doc["time"], doc["log"], doc["stream"]
    except (ValueError, KeyError, TypeError):
        return None
    if (bounds.since and stamp < bounds.since) or (bounds.until and stamp > bounds.until):
        return None
    data = text.encode("utf-8", "replace")
    return stream, f"{stamp} ".encode() + data if query.timestamps else data


class _Reader:
    """Follows one log through its rotations: by inode, so that a file that was renamed meanwhile is read to its end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""

    def files(self) -> list[str]:
        """The newest first."""
        found = [self._path]
        while len(found) < _MOST_FILES and os.path.exists(f"{self._path}.{len(found)}"):
            found.append(f"{self._path}.{len(found)}")
        return found

    def _open(self, path: str) -> bool:
        self.close()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _next(self) -> bool:
        """Go on to the file that follows the one that is open (the oldest at first). False at the newest."""
        files = self.files()
        if self._fd < 0:
            return any(self._open(path) for path in reversed(files))
        mine = os.fstat(self._fd).st_ino
        inodes = [_inode(path) for path in files]
        if mine == inodes[0] or not any(inodes):
            return False
        place = inodes.index(mine) - 1 if mine in inodes else len(files) - 1
        return self._open(files[place])

    def old_lines(self) -> Iterator[bytes]:
        """All whole lines from here to the present end."""
        if self._fd < 0 and not self._next():
            return
        while True:
            while data := os.read(self._fd, _CHUNK):
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from lines
            # It may have grown between the last read and its renaming: one more read before leaving it
            if not self._is_left() or not (data := os.read(self._fd, _CHUNK)):
                if not self._next():
                    return
                self._rest = b""
            else:
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from lines

    def _is_left(self) -> bool:
        return os.fstat(self._fd).st_ino != _inode(self._path)

    def seek_end(self) -> None:
        """Skip what is there: its tail was read in another way."""
        if self._open(self._path):
            os.lseek(self._fd, 0, os.SEEK_END)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._rest = -1, b""


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _last(count: int, reader: _Reader) -> list[bytes]:
    """The last `count` lines, read from the end backwards; `reader` then stands behind them."""
    reader.seek_end()
    found: list[bytes] = []
    for name in reader.files():
        if len(found) >= count:
            break
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            found = _tail(fd, count - len(found)) + found
        finally:
            os.close(fd)
    return found


def _tail(fd: int, count: int) -> list[bytes]:
    data, at = b"", os.fstat(fd).st_size
    while at > 0 and data.count(b"\n") <= count:
        step = min(_CHUNK, at)
        at -= step
        data = os.pread(fd, step, at) + data
    lines = data.split(b"\n")[:-1]
    return lines[-count:] if count else []
