"""Reading logs: from the end, from a moment on, and on and on, over rotated and compressed files."""

from __future__ import annotations

import time

from wherry.runtime.log_records import Frames, JsonLines, Record, stamp_of
from wherry.runtime.log_source import all_sources, following

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NamedTuple

    from wherry.runtime.log_source import Source
else:
    from wherry.lean import NamedTuple

__all__ = ["LogQuery", "batches", "read"]

_AT_ONCE = 512


class LogQuery(NamedTuple):
    """`tail` -1 is all lines. `since_ns` and `until_ns` are ns since the epoch, 0 for no bound."""

    follow: bool = False
    tail: int = -1
    since_ns: int = 0
    until_ns: int = 0
    timestamps: bool = False
    details: bool = False


def read(path: str, query: LogQuery, wait: Callable[[], bool]) -> Iterator[tuple[str, bytes]]:
    """The lines of `batches`, one by one."""
    for batch in batches(path, query, wait):
        yield from batch


def batches(path: str, query: LogQuery, wait: Callable[[], bool]) -> Iterator[list[tuple[str, bytes]]]:
    """("stdout" or "stderr", what was written, with its line feed), the oldest first, as many as there are at once.

    `path` is the newest file: a container.log is docker's json-file, any other has the frames of `local`. With
    `follow`, `wait` is called when there is nothing new: it takes a moment and says whether more may come. Lines that
    are not whole or not JSON are left out. As docker: `tail` counts first, and bounds of time then leave lines out.
    """
    reader = _Reader(path, query)
    try:
        yield from _parcels(reader.old(), query)
        while query.follow and not reader.is_over(time.time_ns()):
            more = wait()
            yield from _parcels(reader.new(), query)
            if not more:
                return
    finally:
        reader.close()


def _parcels(records: Iterator[Record], query: LogQuery) -> Iterator[list[tuple[str, bytes]]]:
    batch: list[tuple[str, bytes]] = []
    is_plain = not query.details and not query.timestamps
    for record in records:
        batch.append((record.stream, record.data if is_plain else shown(record, query)))
        if len(batch) >= _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def shown(record: Record, query: LogQuery) -> bytes:
    """The line with what --timestamps and --details put before it."""
    data = record.data
    if query.details:
        data = _details(record.attrs) + b" " + data
    return f"{record.stamp} ".encode() + data if query.timestamps else data


def _details(attrs: dict[str, str]) -> bytes:
    if not attrs:
        return b""
    from urllib.parse import quote_plus

    return ",".join(f"{quote_plus(key)}={quote_plus(attrs[key])}" for key in sorted(attrs)).encode()


class _Reader:
    """Where in the log we are: by open file and inode, so that a file that is rotated meanwhile is read to its end."""

    def __init__(self, path: str, query: LogQuery) -> None:
        self._path, self._query = path, query
        self._form: JsonLines | Frames = JsonLines() if path.endswith("container.log") else Frames()
        self._since = stamp_of(query.since_ns) if query.since_ns else ""
        self._until = stamp_of(query.until_ns) if query.until_ns else ""
        self._sources: list[Source] = []
        self._at: Source | None = None
        self._offset = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether nothing can come any more that `until` lets through."""
        return 0 < self._query.until_ns < now_ns

    def old(self) -> Iterator[Record]:
        """What is there."""
        self._sources = all_sources(self._path)
        if self._sources and not self._query.follow:
            # Reading may be slower than a container that goes on writing
            self._sources[-1].freeze()
        starts, skip = self._starts()
        for source, offset in starts:
            self._go_to(source, offset)
            for record in self._rest():
                if skip:
                    skip -= 1
                elif self._fits(record):
                    yield record
        if self._query.follow:
            yield from self.new()

    def _starts(self) -> tuple[list[tuple[Source, int]], int]:
        """(each file and where to begin in it, the oldest first; how many lines to leave out then)."""
        if self._query.tail < 0:
            return [(source, self._begin(source)) for source in self._sources], 0
        found: list[tuple[Source, int]] = []
        missing = self._query.tail
        if missing == 0:
            return [(source, source.size()) for source in self._sources[-1:]], 0
        for source in reversed(self._sources):
            offset, lines = self._form.tail(source, missing)
            found.insert(0, (source, offset))
            missing -= lines
            if missing <= 0:
                break
        return found, max(0, -missing)

    def _begin(self, source: Source) -> int:
        return self._form.since(source, self._since) if self._since and source.steady else 0

    def _go_to(self, source: Source, offset: int) -> None:
        """What is behind us is let go: an open file that was removed since keeps its place on the disk."""
        while self._sources and self._sources[0] is not source:
            self._sources.pop(0).close()
        self._sources = self._sources or [source]
        self._at, self._offset = source, offset

    def _rest(self) -> Iterator[Record]:
        """From where we are to the file's present end."""
        if self._at is None:
            return
        for record in self._form.read(self._at, self._offset):
            self._offset = record.end
            if self._until and self._at.steady and record.stamp > self._until and not self._query.follow:
                # In a file whose times are in order nothing that fits comes behind
                return
            yield record

    def new(self) -> Iterator[Record]:
        """What came since, in this file and those behind it."""
        while True:
            for record in self._rest():
                if self._fits(record):
                    yield record
            behind = following(self._path, self._at)
            if behind is None:
                return
            # It may have grown between the last read and its renaming
            for record in self._rest():
                if self._fits(record):
                    yield record
            self._go_to(behind, 0)

    def _fits(self, record: Record) -> bool:
        return (not self._since or record.stamp >= self._since) and (not self._until or record.stamp <= self._until)

    def close(self) -> None:
        for source in self._sources:
            source.close()
        self._sources, self._at = [], None
