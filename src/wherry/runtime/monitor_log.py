"""The container's log as the monitor writes it: what every driver offers, and docker's json-file.

A driver has `add(stream, data)`, `flush()` at the end of each run of the container, `is_full()` (the container must
wait) and `on_room`, which it calls when that is over. The other drivers are modules of their own, which only a monitor
loads that needs them: `monitor_log_local`, `monitor_log_remote` (syslog, journald) and `monitor_log_ring`.

The plan: driver, path, max_bytes (0 without end), max_files, attrs {name: text}, squeezer (argv of the compressor of
older files, or empty), ring_bytes (0: the container waits for its log), remote (null or what monitor_log_remote needs).
"""

from __future__ import annotations

import os
import stat
import time
from _codecs import register_error

from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.runtime.monitor_streams import Loop

LINE_MAX = 16384
# A clock is set right by steps smaller than this all day long; stamps stand still meanwhile
_STEADY_NS = 1_000_000_000
_WAIT_NS = 1_000_000_000
_TORN_MAX = 1 << 20
_ESCAPES = [(b"\\", b"\\\\"), (b'"', b'\\"'), (b"\t", b"\\t"), (b"\r", b"\\r")]
_ESCAPES += [(bytes([code]), b"\\u%04x" % code) for code in range(32) if code not in b"\t\n\r"]
_SPECIAL = b"".join(plain for plain, _ in _ESCAPES)


def _each_byte(fault: Any) -> tuple[str, int]:
    """docker's way with what is no UTF-8: one U+FFFD for each byte, where Python has one for each sequence."""
    return "\ufffd" * (fault.end - fault.start), fault.end


register_error("wherry", _each_byte)


class Clock:
    """Times that only go back when the clock was set back by more than a second; `went_back` says that it was."""

    def __init__(self) -> None:
        self.last_ns, self.went_back = 0, False
        self._second, self._prefix = 0, ""

    def now(self) -> int:
        now = time.time_ns()
        if now < self.last_ns:
            if self.last_ns - now < _STEADY_NS:
                return self.last_ns
            self.went_back = True
        self.last_ns = now
        return now

    def stamp(self) -> str:
        second, rest = divmod(self.now(), 1_000_000_000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest:09d}Z"


class LogFile:
    """One log of limited size: the newest file is `path`, older ones are `path`.1, .2 ... or .1.gz.

    A write that fails (a full disk) drops its lines and counts them: the next one that succeeds says so in the log, and
    the link `path`-dropped has the sum as its target, since a link needs no block of the disk.
    """

    def __init__(self, plan: dict[str, Any], loop: Loop | None) -> None:
        self._path, self._max_bytes, self._max_files = plan["path"], plan["max_bytes"], max(1, plan["max_files"])
        self._squeezer: Any = None
        if plan["squeezer"]:
            from wherry.runtime.monitor_log_squeeze import Squeezer

            self._squeezer = Squeezer(plan["squeezer"], self._path, self._max_files, loop)
        self._rest = {"stdout": b"", "stderr": b""}
        self._clock = Clock()
        self.on_room: Callable[[], None] = lambda: None
        self._unsaid, self._why, self._told, self._told_at = 0, "", -1, 0
        self.dropped = _number(f"{self._path}-dropped")
        self._fd, self._size = -1, 0
        self._open()

    def is_full(self) -> bool:
        """A file takes what the disk takes: `add` returns when it is written."""
        return False

    def begin(self) -> None:
        """A run of the container begins."""

    def lost(self, lines: int) -> None:
        """Lines were dropped before they came here."""
        self._unsaid, self._why = self._unsaid + lines, "the buffer of its log driver was full"
        self.dropped += lines
        self._tell()

    def give_up(self, lines: int) -> None:
        """The disk does not answer: this many lines are lost."""
        self.dropped += lines

    def _open(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            found = os.fstat(fd)
            self._fd, self._size = fd, found.st_size
            self._clock.went_back = False
            if found.st_size:
                # Not `last_ns` alone: the file is older than this process, and so may its clock be
                self._clock.last_ns = max(self._clock.last_ns, found.st_mtime_ns)
                self._mend()
        except OSError:
            self._fd, self._size = -1, 0

    def _mend(self) -> None:
        """Cut off what a dead machine left of a record."""
        whole = self._whole(self._fd, self._size)
        if whole != self._size:
            os.ftruncate(self._fd, whole)
            self._size = whole

    def _whole(self, fd: int, size: int) -> int:
        """How many bytes of the file are whole records."""
        raise NotImplementedError

    def _records(self, stream: str, data: bytes) -> bytes:
        """`data` as records: whole lines, or (at most LINE_MAX bytes of) one line without its end."""
        raise NotImplementedError

    def _fit(self, data: bytes, room: int) -> int:
        """How much of `data`, which are records, goes into `room` bytes; 0 when not even one does."""
        raise NotImplementedError

    def add(self, stream: str, data: bytes) -> None:
        if rest := self._rest[stream]:
            data = rest + data
        end = data.rfind(b"\n") + 1
        if len(data) - end >= LINE_MAX or not _is_short(data, end):
            end = self._add_long(stream, data)
        elif end:
            self._write(stream, data[:end])
        self._rest[stream] = data[end:]

    def _add_long(self, stream: str, data: bytes) -> int:
        """Some line is longer than a record may be: cut as docker does. Returns where the unfinished rest begins."""
        at = begin = 0
        while True:
            end = data.find(b"\n", at, at + LINE_MAX) + 1
            if end:
                at = end
                continue
            if at > begin:
                self._write(stream, data[begin:at])
                begin = at
            if len(data) - at < LINE_MAX:
                return at
            at = _cut(data, at + LINE_MAX)
            self._write(stream, data[begin:at])
            begin = at

    def flush(self) -> None:
        """The container ended: what has no line feed yet, and what is to be said of lost lines."""
        for stream, data in self._rest.items():
            self._rest[stream] = b""
            if data:
                self._write(stream, data)
        if self._unsaid:
            self._write("", b"")
            self._tell(at_once=True)
        if self._squeezer:
            self._squeezer.stop()

    def _write(self, stream: str, data: bytes) -> None:
        rows = self._records(stream, data) if data else b""
        if self._unsaid:
            note = f"[wherry: {self._unsaid} lines were not logged: {self._why}]\n"
            if self._append(self._records("stderr", note.encode())):
                self._unsaid = 0
        if rows and not self._append(rows):
            lines = data.count(b"\n") or 1
            self._unsaid, self._why = self._unsaid + lines, "the disk was full"
            self.dropped += lines
            self._tell()

    def _tell(self, *, at_once: bool = False) -> None:
        """At most once a second, unless `at_once`."""
        now = time.monotonic_ns()
        if self.dropped == self._told or (self._told >= 0 and now - self._told_at < _WAIT_NS and not at_once):
            return
        self._told, self._told_at = self.dropped, now
        tell_dropped(self._path, self.dropped)

    def _append(self, data: bytes) -> bool:
        """Whether all of it is on the disk."""
        while self._max_bytes > 0 and self._size + len(data) > self._max_bytes:
            head = self._fit(data, self._max_bytes - self._size)
            if not head and not self._size:
                break
            if head and not self._put(data[:head]):
                return False
            data = data[head:]
            if not data:
                return True
            self._rotate()
            if self._size:
                return False
        return self._put(data)

    def _put(self, data: bytes) -> bool:
        try:
            if self._fd < 0:
                self._open()
            if self._clock.went_back:
                self._mark()
            done = os.write(self._fd, data)
            if done < len(data):
                # A part of a record would spoil the file for every reader
                os.ftruncate(self._fd, self._size)
                return False
        except OSError:
            return False
        self._size += done
        return True

    def _mark(self) -> None:
        """The sticky bit on a log says: its times are not in order, there is no searching in it by halves."""
        os.fchmod(self._fd, stat.S_IMODE(os.fstat(self._fd).st_mode) | stat.S_ISVTX)
        self._clock.went_back = False

    def _rotate(self) -> None:
        try:
            if self._max_files == 1:
                # Another file, not this one cut to nothing: who follows it finds its end, and then the new one
                os.close(os.open(f"{self._path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640))
                os.rename(f"{self._path}.new", self._path)
            else:
                if self._squeezer:
                    self._squeezer.settle()
                shift(self._path, self._max_files)
        except OSError:
            return
        os.close(self._fd)
        self._open()
        if self._squeezer:
            self._squeezer.begin()


def _is_short(data: bytes, end: int) -> bool:
    """Whether no line before `end` is longer than a record."""
    at = 0
    while end - at > LINE_MAX:
        at = data.rfind(b"\n", at, at + LINE_MAX) + 1
        if not at:
            return False
    return True


def _cut(data: bytes, end: int) -> int:
    """`end`, or up to three bytes before it."""
    # Differs from docker: a character of a very long line that lies across the border of two records stays whole
    for back in (1, 2, 3):
        byte = data[end - back]
        if byte >= 0xC0:
            return end - back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else end
        if byte < 0x80:
            break
    return end


def shift(path: str, max_files: int) -> None:
    """`path` becomes `path`.1, and so on, compressed or not; the oldest goes. Raises: OSError."""
    for end in ("", ".gz"):
        kernel.unlink(f"{path}.{max_files - 1}{end}")
        for number in range(max_files - 1, 1, -1):
            try:
                os.rename(f"{path}.{number - 1}{end}", f"{path}.{number}{end}")
            except FileNotFoundError:
                continue
    os.rename(path, f"{path}.1")


def _number(path: str) -> int:
    try:
        text = os.readlink(path)
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def tell_dropped(path: str, count: int) -> None:
    try:
        kernel.unlink(f"{path}-dropped.new")
        os.symlink(str(count), f"{path}-dropped.new")
        os.rename(f"{path}-dropped.new", f"{path}-dropped")
    except OSError:
        # The folder itself can't take a name: the sum stays in memory, and is tried again
        return


class JsonFile(LogFile):
    """docker's json-file: an object a line."""

    def __init__(self, plan: dict[str, Any], loop: Loop | None) -> None:
        attrs = f',"attrs":{kernel.encode(plan["attrs"])}' if plan["attrs"] else ""
        self._ends = {name: f'","stream":"{name}"{attrs},"time":"'.encode() for name in ("stdout", "stderr")}
        super().__init__(plan, loop)

    def _whole(self, fd: int, size: int) -> int:
        if os.pread(fd, 1, size - 1) == b"\n":
            return size
        begin = max(0, size - _TORN_MAX)
        return begin + os.pread(fd, size - begin, begin).rfind(b"\n") + 1

    def _fit(self, data: bytes, room: int) -> int:
        return data.rfind(b"\n", 0, room) + 1 if room > 0 else 0

    def _records(self, stream: str, data: bytes) -> bytes:
        end = b'%s%s"}\n' % (self._ends[stream], self._clock.stamp().encode())
        data = _escaped(data)
        if data[-1:] != b"\n":
            return b'{"log":"%s%s' % (data.replace(b"\n", b'\\n%s{"log":"' % end), end)
        # All lines in one go, by C: what stands between two of them is the same for all that came together
        return b'{"log":"%s\\n%s' % (data[:-1].replace(b"\n", b'\\n%s{"log":"' % end), end)


def _escaped(data: bytes) -> bytes:
    """UTF-8 as it stands in a string of JSON, but for the line feeds."""
    if not data.isascii():
        try:
            str(data, "utf-8")
        except UnicodeDecodeError:
            data = str(data, "utf-8", "wherry").encode()
    # One pass over bytes that need nothing, as most do, is four times as fast as json's quoting
    if len(data.translate(None, _SPECIAL)) != len(data):
        for plain, quoted in _ESCAPES:
            if plain in data:
                data = data.replace(plain, quoted)
    return data


def open_log(plan: dict[str, Any] | None, loop: Loop, host_netns: int, *, strict: bool) -> Any:
    """The driver that the plan names, or None. `host_netns` is where a syslog server is reached.

    `strict` False is for a container that runs already: a server that is away is no reason to have no monitor.
    Raises: OSError when it can't begin, with `strict`.
    """
    if plan is None:
        return None
    if plan["remote"]:
        from wherry.runtime.monitor_log_remote import Remote

        return Remote(plan, loop, host_netns, strict=strict)
    if plan["ring_bytes"]:
        from wherry.runtime.monitor_log_ring import Ring

        return Ring(lambda: open_file(plan, None), plan["ring_bytes"], loop, host_netns, waits=False)
    return open_file(plan, loop)


def open_file(plan: dict[str, Any], loop: Loop | None) -> LogFile:
    if plan["driver"] == "json-file":
        return JsonFile(plan, loop)
    from wherry.runtime.monitor_log_local import Blocks

    return Blocks(plan, loop)
