"""The two forms of a log: docker's json-file, and the frames of `local` (monitor_log_local.py).

A form knows how to read its records in order, to find the first that is not older than a moment, and to find where the
last N lines begin: both without reading what lies before.
"""

from __future__ import annotations

import time

from wherry import lean_json as json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    from wherry.runtime.log_source import Source
else:
    from wherry.lean import NamedTuple

__all__ = ["Frames", "JsonLines", "Record", "stamp_of"]

_CHUNK, _PIECE = 1 << 16, 1 << 12
_LINE_MAX = 1 << 21
_HEAD, _BLOCK = 13, 1 << 18
_STAMP = len("2026-01-01T00:00:00.000000000Z")
_END_BYTES = len('","stream":"stdout","time":"2026-01-01T00:00:00.000000000Z"}')


class Record(NamedTuple):
    """`stamp` sorts as its time. `data` has its line feed, when the container wrote one. `end` is where the next is."""

    stamp: str
    stream: str
    data: bytes
    attrs: dict[str, str]
    end: int


_NO_ATTRS: dict[str, str] = {}


class _Seconds:
    """The text of the second before, which is mostly this one's, too."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def stamp(self, ns: int) -> str:
        second, rest = divmod(ns, 1_000_000_000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest:09d}Z"


def stamp_of(ns: int) -> str:
    """As logs have it: text order is time order."""
    return _Seconds().stamp(ns)


def _whole_stamp(text: str) -> str:
    """docker leaves out zeros at the end of the fraction: texts of one length only sort as times."""
    if len(text) == _STAMP:
        return text
    second, _, rest = text.rstrip("Z").partition(".")
    return f"{second}.{rest:0<9.9}Z"


class JsonLines:
    """{"log", "stream", "attrs", "time"}, one object a line. Lines that are none are left out."""

    def read(self, source: Source, offset: int) -> Iterator[Record]:
        """The whole lines from `offset` to the present end."""
        rest, at = b"", offset
        while data := source.pread(_CHUNK, at + len(rest)):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                at += len(line) + 1
                record = _json_record(line, at)
                if record is not None:
                    yield record

    def since(self, source: Source, stamp: str) -> int:
        """Where the first record stands that is not older than `stamp`; log2 of the size is read in small pieces."""
        low, high = 0, source.size()
        while low < high:
            middle = (low + high) // 2
            begin, record = self._first_behind(source, middle, high)
            if record is None or record.stamp >= stamp:
                high = middle
            else:
                low = max(record.end, middle + 1) if begin >= middle else record.end
        # `low` may be in the middle of the line before
        return self._line_start(source, low)

    def _line_start(self, source: Source, offset: int) -> int:
        """`offset`, or where the line behind it begins."""
        if offset == 0:
            return 0
        at, size = offset - 1, source.size()
        while at < size:
            data = source.pread(_PIECE, at)
            found = data.find(b"\n")
            if found >= 0:
                return at + found + 1
            if not data:
                break
            at += len(data)
        return size

    def _first_behind(self, source: Source, offset: int, high: int) -> tuple[int, Record | None]:
        """The first good record that begins at `offset` or behind it, before `high`."""
        begin = self._line_start(source, offset)
        data, at = b"", begin
        while at < high:
            more = source.pread(_PIECE, begin + len(data))
            data += more
            while (end := data.find(b"\n", at - begin)) >= 0:
                record = _json_record(data[at - begin : end], begin + end + 1)
                if record is not None:
                    return at, record
                at = begin + end + 1
                if at >= high:
                    return at, None
            if not more or len(data) > _LINE_MAX:
                return at, None
        return at, None

    def tail(self, source: Source, count: int) -> tuple[int, int]:
        """(where to begin, how many lines there are from there on): at least `count`, or all. Read backwards."""
        if source.packed:
            return 0, self._count(source)
        # The line feed that ends the last line begins no other
        at = self._last_end(source) - 1
        found, step = 0, _PIECE
        while at > 0:
            begin = max(0, at - step)
            data = source.pread(at - begin, begin)
            lines = data.count(b"\n")
            if found + lines >= count:
                place = len(data)
                for _ in range(count - found):
                    place = data.rfind(b"\n", 0, place)
                return begin + place + 1, count
            found, at, step = found + lines, begin, min(_CHUNK, step * 2)
        return 0, found + (1 if at == 0 else 0)

    def _count(self, source: Source) -> int:
        at = found = 0
        while data := source.pread(_CHUNK, at):
            at, found = at + len(data), found + data.count(b"\n")
        return found

    def _last_end(self, source: Source) -> int:
        """Behind the last line that is whole; 0 when there is none."""
        at = source.size()
        while at > 0:
            begin = max(0, at - _PIECE)
            found = source.pread(at - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
        return 0


def _json_record(line: bytes, end: int) -> Record | None:
    """None for what is no record."""
    # As monitor_log writes most lines: a third of the cost of reading any JSON
    at = len(line) - _END_BYTES
    if (
        line[:8] == b'{"log":"'
        and line[at : at + 15] == b'","stream":"std'
        and line[at + 18 : at + 28] == b'","time":"'
    ):
        text = line[8:at]
        data = text[:-2] + b"\n" if text[-2:] == b"\\n" else text
        if b"\\" not in data and b'"' not in text:
            return Record(line[at + 28 : -2].decode("ascii", "replace"), line[at + 12 : at + 18].decode(), data,
                          _NO_ATTRS, end)  # fmt: skip
    try:
        doc = json.loads(line)
        return Record(
            _whole_stamp(doc["time"]), doc["stream"], doc["log"].encode("utf-8", "replace"),
            doc.get("attrs") or _NO_ATTRS, end,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Frames:
    """See monitor_log_local.py."""

    def __init__(self) -> None:
        self._seconds = _Seconds()

    def read(self, source: Source, offset: int) -> Iterator[Record]:
        """The whole frames from `offset`, which is a frame's begin, to the present end, line by line."""
        for at, data in self._frames(source, offset):
            yield from self._records(data, at)

    def _records(self, frame: bytes, at: int) -> Iterator[Record]:
        stamp = self._seconds.stamp(int.from_bytes(frame[5:13], "little"))
        stream, end = "stderr" if frame[4] else "stdout", at + len(frame)
        for line in _lines(frame[_HEAD:]):
            yield Record(stamp, stream, line, _NO_ATTRS, end)

    def _frames(self, source: Source, offset: int) -> Iterator[tuple[int, bytes]]:
        """(its place, head and data) of whole frames from `offset` to the present end."""
        at = offset
        while True:
            block = at - at % _BLOCK
            data = source.pread(block + _BLOCK - at, at)
            place = 0
            while place + _HEAD <= len(data):
                length = int.from_bytes(data[place : place + 4], "little")
                if not length or place + _HEAD + length > len(data):
                    break
                yield at + place, data[place : place + _HEAD + length]
                place += _HEAD + length
            if len(data) < block + _BLOCK - at:
                return
            at = block + _BLOCK

    def since(self, source: Source, stamp: str) -> int:
        """The frame; found over the blocks' borders, each of which is read at its head only."""
        low, high = 0, source.size() // _BLOCK
        while low < high:
            middle = (low + high + 1) // 2
            head = source.pread(_HEAD, middle * _BLOCK)
            if len(head) < _HEAD or self._seconds.stamp(int.from_bytes(head[5:13], "little")) >= stamp:
                high = middle - 1
            else:
                low = middle
        for at, frame in self._frames(source, low * _BLOCK):
            if self._seconds.stamp(int.from_bytes(frame[5:13], "little")) >= stamp:
                return at
        return source.size()

    def tail(self, source: Source, count: int) -> tuple[int, int]:
        """(the frame to begin with, how many lines there are from there on): at least `count`, or all."""
        if source.packed:
            return 0, sum(len(_lines(frame[_HEAD:])) for _, frame in self._frames(source, 0))
        block = max(0, source.size() - 1) // _BLOCK
        found = 0
        while block >= 0:
            places = []
            for at, frame in self._frames(source, block * _BLOCK):
                if at >= (block + 1) * _BLOCK:
                    break
                places.append((at, len(_lines(frame[_HEAD:]))))
            for at, lines in reversed(places):
                found += lines
                if found >= count:
                    return at, found
            block -= 1
        return 0, found


def _lines(data: bytes) -> list[bytes]:
    """At line feeds only, and with them; `splitlines` cuts at returns, too."""
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])
