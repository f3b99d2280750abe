"""The outputs of an attached command, caught in memory while it runs."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Event, Thread

from wherry.api.finished import Finished
from wherry.runtime.attach import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["capture"]

_CHUNK = 1 << 16
_AGAIN_S = 0.05


class _Reader(Thread):
    """Reads one pipe to its end."""

    def __init__(self) -> None:
        super().__init__(name="capture", daemon=True)
        self._read_fd, self.write_fd = os.pipe()
        self._chunks: list[bytes] = []

    def run(self) -> None:
        while chunk := os.read(self._read_fd, _CHUNK):
            self._chunks.append(chunk)

    def finish(self) -> bytes:
        os.close(self.write_fd)
        if self.ident:  # else interrupted before its start
            self.join()
        os.close(self._read_fd)
        return b"".join(self._chunks)


class _Deadline(Thread):
    """Calls `end` when it is too late, and again until all is over: what it is to end may not have begun yet."""

    def __init__(self, timeout_s: float, end: Callable[[], None]) -> None:
        super().__init__(name="deadline", daemon=True)
        self._timeout_s, self._end = timeout_s, end
        self.over, self.is_late = Event(), False

    def run(self) -> None:
        if self.over.wait(self._timeout_s):
            return
        self.is_late = True
        while not self.over.is_set():
            with suppress(Exception):  # not there yet, or gone just now
                self._end()
            self.over.wait(_AGAIN_S)


def capture(
    work: Callable[[Streams], int | None],
    data: bytes | None,
    timeout_s: float | None,
    end: Callable[[], None],
) -> tuple[Finished, bool]:
    """Run `work` with streams of ours; (how it ended, whether it took too long). `data` None joins no standard input.

    After `timeout_s`, `end` is called until `work` returns. Raises: what `work` raises.
    """
    readers = [_Reader(), _Reader()]
    stdin, feeder = -1, None
    deadline = _Deadline(timeout_s, end) if timeout_s is not None else None
    code: int | None = None
    try:
        for reader in readers:
            reader.start()
        if data is not None:
            stdin, feeder = _feed(data)
        if deadline:
            deadline.start()
        code = work(Streams(stdin, readers[0].write_fd, readers[1].write_fd, signals=False))
    finally:
        if deadline and deadline.ident:
            deadline.over.set()
            deadline.join()
        if stdin >= 0:
            os.close(stdin)
        if feeder:
            feeder.join()
        outputs = [reader.finish() for reader in readers]
    return Finished(code or 0, *outputs), deadline is not None and deadline.is_late


def _feed(data: bytes) -> tuple[int, Thread]:
    read_fd, write_fd = os.pipe()

    def write() -> None:
        from wherry.fs.atomic import write_all

        # A command that does not read all of it is no fault
        with suppress(BrokenPipeError):
            write_all(write_fd, data)
        os.close(write_fd)

    thread = Thread(target=write, name="feed", daemon=True)
    thread.start()
    return read_fd, thread
