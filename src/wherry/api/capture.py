"""The outputs of an attached command, caught in memory while it runs."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Thread, Timer

from wherry.api.finished import Finished
from wherry.runtime.attach import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["capture"]

_CHUNK = 1 << 16


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
        self.join()
        os.close(self._read_fd)
        return b"".join(self._chunks)


def capture(
    work: Callable[[Streams], int | None],
    data: bytes | None,
    timeout_s: float | None,
    end: Callable[[], None],
) -> tuple[Finished, bool]:
    """Run `work` with streams of ours; (how it ended, whether it took too long). `data` None joins no standard input.

    After `timeout_s`, `end` is called, which must make `work` return. Raises: what `work` raises.
    """
    readers = [_Reader(), _Reader()]
    for reader in readers:
        reader.start()
    stdin, feeder = (-1, None) if data is None else _feed(data)
    late: list[bool] = []

    def too_late() -> None:
        late.append(True)
        with suppress(Exception):  # it may have ended just now
            end()

    timer = Timer(timeout_s, too_late) if timeout_s is not None else None
    code: int | None = None
    try:
        if timer:
            timer.start()
        code = work(Streams(stdin, readers[0].write_fd, readers[1].write_fd, signals=False))
    finally:
        if timer:
            timer.cancel()
            timer.join()
        if stdin >= 0:
            os.close(stdin)
        if feeder:
            feeder.join()
        outputs = [reader.finish() for reader in readers]
    return Finished(code or 0, *outputs), bool(late)


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
