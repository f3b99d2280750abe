"""Points of metrics on the disk, written so that a kill -9 takes none of them.

A file (docs/adr/0271-points-in-a-mapped-file.md): 64 bytes of header (`WHRYPTS1`, the header's and a record's size as
u32), then records of 32 bytes, little-endian: step (i64), time (f64, seconds since 1970), value (f64), 0 (u32), and
the number of the metric's name, from 1 (u32). That comes last: a record with 0 there was never finished. Names stand in
a file beside it, one JSON string a line, written before the first record that uses them.

The file is mapped: what log() stored is in the page cache when it returns, with no call to the kernel, no buffer of
ours and no thread. It outlives the process; only a power cut may take what the kernel had not yet written back.
"""

from __future__ import annotations

import os
from struct import Struct
from struct import error as struct_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

__all__ = ["HEADER", "HEADER_BYTES", "MAGIC", "RECORD", "RECORD_BYTES", "Writer"]

MAGIC = b"WHRYPTS1"
HEADER = Struct("<8sII")
HEADER_BYTES = 64
RECORD = Struct("<qddII")
RECORD_BYTES = RECORD.size
_FIRST_BYTES, _WINDOW_BYTES = 64 << 10, 1 << 20
_FLUSH_S = 1.0
_NEVER = float("inf")


class Writer:
    """One thread's file. `add` costs about a microsecond a value; memory is one window of at most 1 MiB.

    When the disk is full, points are dropped and counted: training goes on (`fault` says why, once).
    """

    __slots__ = (
        "__weakref__", "_buffer", "_dropped", "_due", "_end", "_fd", "_ids", "_names_fd", "_pos", "_size", "_start",
        "_step", "fault", "path",
    )  # fmt: skip

    def __init__(self, path: str) -> None:
        """Raises: OSError when the file can't be made."""
        self.path, self.fault = path, ""
        self._ids: dict[str, int] = {}
        self._step = -1
        self._dropped = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._names_fd = -1
        self._buffer: Any = None
        self._start = self._pos = self._end = self._size = 0
        self._due = _NEVER
        self._open(0, _FIRST_BYTES)

    def add(self, values: Mapping[str, Any], step: int | None, now: float) -> None:
        """Raises: TypeError (a value is no number, a step no integer)."""
        if step is None:
            step = self._step + 1
        ids = self._ids
        for name, value in values.items():
            ident = ids.get(name) or self._name(name)
            pos = self._pos
            if pos >= self._end:
                self._roll()
                pos = self._pos
                if self._buffer is None:
                    self._dropped += 1
                    continue
            try:
                RECORD.pack_into(self._buffer, pos, step, now, value, 0, ident)
            except (struct_error, TypeError, ValueError, OverflowError):
                # Rare, so that only they pay: 3.0 as a step, 0-d arrays, or a mistake
                RECORD.pack_into(self._buffer, pos, _whole(step), now, _number(name, value), 0, ident)
            self._pos = pos + 32
        self._step = step
        if now > self._due:
            self._flush(now)

    def close(self) -> None:
        """The file holds its points and nothing else then. Idempotent."""
        if self._fd < 0:
            return
        self._leave()
        try:
            os.ftruncate(self._fd, self._start + self._pos if self._size else 0)
        except OSError:
            pass  # a reader passes over the zeros
        self.forget()

    def __del__(self) -> None:
        if getattr(self, "_names_fd", None) is not None:  # a thread ended, or the run was never finished
            self.close()

    def forget(self) -> None:
        """Close our copies of the fds, as in a child after fork: the file goes on belonging to the parent."""
        for fd in (self._fd, self._names_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._names_fd = -1
        self._buffer = None
        self._end = 0

    @property
    def dropped(self) -> int:
        """Points that found no room on the disk."""
        return self._dropped

    def _name(self, name: str) -> int:
        if not isinstance(name, str) or not name or len(name) > 250:
            raise TypeError(f"a metric's name is a text of 1 to 250 letters, not {name!r}")
        import json

        try:
            if self._names_fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._names_fd = os.open(self.path[:-4] + ".names", flags, 0o666)
            os.write(self._names_fd, (json.dumps(name) + "\n").encode())
        except OSError as fault:
            self.fault = self.fault or str(fault)
        self._ids[name] = ident = len(self._ids) + 1
        return ident

    def _roll(self) -> None:
        if self._fd < 0 or self._buffer is None:
            return
        start = self._start + self._end
        self._leave()
        self._open(start, _WINDOW_BYTES)

    def _open(self, start: int, size: int) -> None:
        """The next window. Its blocks are reserved first: a store into a hole on a full disk would be a SIGBUS."""
        try:
            os.posix_fallocate(self._fd, start, size)
        except OSError as fault:
            self.fault = self.fault or f"cannot write metrics: {fault.strerror}"
            self._buffer, self._end = None, 0
            return
        self._size = start + size
        self._start, self._pos, self._end = start, 0, size
        try:
            from mmap import mmap

            self._buffer = mmap(self._fd, size, offset=start)
        except (OSError, ValueError):  # a file system that maps nothing: ours is the buffer, flushed each second
            self._buffer = bytearray(size)
            self._due = 0.0
        if not start:
            HEADER.pack_into(self._buffer, 0, MAGIC, HEADER_BYTES, RECORD_BYTES)
            self._pos = HEADER_BYTES

    def _flush(self, now: float) -> None:
        if isinstance(self._buffer, bytearray):
            try:
                os.pwrite(self._fd, memoryview(self._buffer)[: self._pos], self._start)
            except OSError as fault:
                self.fault = self.fault or f"cannot write metrics: {fault.strerror}"
            self._due = now + _FLUSH_S

    def _leave(self) -> None:
        if isinstance(self._buffer, bytearray):
            self._flush(0.0)
        elif self._buffer is not None:
            self._buffer.close()
        self._buffer = None


def _whole(step: Any) -> int:
    if isinstance(step, float) and not step.is_integer():
        raise TypeError(f"a step is a whole number, not {step!r}")
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"a step is a whole number, not {step!r}") from None
    if not -(1 << 63) <= whole < 1 << 63:
        raise TypeError("a step has 64 bits; %d has more" % whole)
    return whole


def _number(name: str, value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"metric {name} is a number, not {value[:40]!r}; a text is a param() or a tag()")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError) as fault:
        raise TypeError(f"metric {name} is a number, not {type(value).__name__}: {fault}") from None
