"""sha256 in a thread of its own: it releases the GIL, so reading and hashing share two processors."""

from __future__ import annotations

import hashlib
from queue import SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import Self

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.image.tar.stream import Reader

__all__ = ["BufferHash", "ReadAhead"]


class ReadAhead:
    """Reads, and with that decompresses, and hashes a stream in a thread, while the caller places what was read before.

    The first two chunks are read by the caller itself: most small layers need no thread. `close` (or `with`) ends it;
    a thread that waits for a pipe's other end is left behind after a second. `hexdigest` is of all that was read.
    """

    def __init__(self, stream: Reader, depth: int = 4) -> None:
        self._stream = stream
        self._sha = hashlib.sha256()
        self._ready: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._room = Semaphore(depth)
        self._thread: Thread | None = None
        self._stop = False
        self._reads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._sha.update(chunk)
        return chunk

    def _work(self, size: int) -> None:
        try:
            chunk = b"-"
            while chunk and not self._stop:
                chunk = self._next(size)
                self._ready.put(chunk)
                self._room.acquire()
        except BaseException as fault:
            self._ready.put(fault)

    def read(self, size: int, /) -> bytes:
        if self._reads < 2:
            self._reads += 1
            return self._next(size)
        if self._thread is None:
            self._thread = Thread(target=self._work, args=(size,), name="read-ahead", daemon=True)
            self._thread.start()
        chunk = self._ready.get()
        if isinstance(chunk, BaseException):
            raise chunk
        self._room.release()
        return chunk

    def hexdigest(self) -> str:
        """Once `read` gave b""."""
        return self._sha.hexdigest()

    def close(self) -> None:
        """Idempotent."""
        if self._thread is not None:
            self._stop = True
            self._room.release()
            self._thread.join(1)
            self._thread = None


class BufferHash:
    """Hashes buffers that are filled again after use: `swap` takes a full one and gives an empty one."""

    def __init__(self, size: int, count: int = 3) -> None:
        self._sha = hashlib.sha256()
        self._todo: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._size, self._unmade = size, count
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def first(self) -> memoryview:
        """The buffer to begin with."""
        return self._buffer()

    def _buffer(self) -> memoryview:
        if self._unmade:
            self._unmade -= 1
            return memoryview(bytearray(self._size))
        return self._free.get()

    def _work(self) -> None:
        while (filled := self._todo.get()) is not None:
            self._sha.update(filled)
            assert isinstance(filled.obj, bytearray)
            self._free.put(memoryview(filled.obj))

    def swap(self, filled: memoryview) -> memoryview:
        """A part of a buffer, from its start, to hash; gives a whole empty one."""
        if self._thread is None:
            if len(filled) < self._size:
                # The tar ended within the first buffer: a thread would only cost
                self._sha.update(filled)
                assert isinstance(filled.obj, bytearray)
                return memoryview(filled.obj)
            self._thread = Thread(target=self._work, name="sha256", daemon=True)
            self._thread.start()
        self._todo.put(filled)
        return self._buffer()

    def hexdigest(self) -> str:
        """Of everything; nothing may follow."""
        self.close()
        return self._sha.hexdigest()

    def close(self) -> None:
        """Idempotent."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None
