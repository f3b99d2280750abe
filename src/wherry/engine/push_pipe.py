"""Bytes that a function writes, as a stream to read: a layer is packed and compressed while it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import Self

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from wherry.image.tar.pack import Write

__all__ = ["Pipe"]

_DEPTH = 4
"""Chunks in flight: a chunk is 1 MiB at most, as the packer and the compressors write them."""


class _Gone(Exception):
    """The reader closed: unwinds the producer."""


class Pipe:
    """Runs `produce(write)` in a thread and reads what it writes, from byte `skip` on. Close it, or use `with`.

    What `produce` raises comes out of `read`. The last chunk is kept back until `produce` has returned, so that a
    producer which checks a digest at its end never lets a wrong stream end as if it were whole.
    """

    def __init__(self, produce: Callable[[Write], None], *, skip: int = 0) -> None:
        self._produce, self._skip = produce, skip
        self._queue: Queue[bytes | BaseException | None] = Queue(_DEPTH)
        self._held = b""
        self._closed = self._ended = False
        self._current = memoryview(b"")
        self._thread = threading.Thread(target=self._run, name="push-pipe", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            self._produce(self._write)
        except _Gone:
            return
        except BaseException as fault:  # handed to the reader, whose thread it belongs to
            end = fault
        if end is None and self._held:
            self._put(self._held)
        self._put(end)

    def _write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._skip:
            dropped = min(self._skip, len(chunk))
            self._skip -= dropped
            chunk = memoryview(chunk)[dropped:]
        if not chunk:
            return
        if self._closed:
            raise _Gone
        held, self._held = self._held, chunk if isinstance(chunk, bytes) else bytes(chunk)
        if held:
            self._put(held)
            if self._closed:
                raise _Gone

    def _put(self, item: bytes | BaseException | None) -> None:
        self._queue.put(item)

    def _fill(self) -> bool:
        """Whether there is something in `_current`."""
        while not self._current and not self._ended:
            item = self._queue.get()
            if isinstance(item, bytes):
                self._current = memoryview(item)
                continue
            self._ended = True
            if item is not None:
                raise item
        return bool(self._current)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (a chunk when negative), b"" at the end. Raises: what the producer raised."""
        if not self._fill():
            return b""
        whole = self._current.obj
        if (size < 0 or size >= len(self._current)) and isinstance(whole, bytes) and len(whole) == len(self._current):
            self._current = memoryview(b"")
            return whole
        part = bytes(self._current[: size if size >= 0 else None])
        self._current = self._current[len(part) :]
        return part

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """As `read`, into `buffer`; fills it as far as one chunk goes."""
        if not self._fill():
            return 0
        count = min(len(buffer), len(self._current))
        buffer[:count] = self._current[:count]
        self._current = self._current[count:]
        return count

    def close(self) -> None:
        """Stop the producer, wait for it. Idempotent."""
        self._closed = True
        while self._thread.is_alive():
            # The producer may wait for room: take what it has, until it sees that nobody reads
            while not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(0.01)
