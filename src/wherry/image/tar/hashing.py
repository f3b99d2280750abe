"""sha256 in a thread of its own: it releases the GIL, so reading and hashing share two processors."""

from __future__ import annotations

import hashlib
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

__all__ = ["BufferHash", "ChunkHash"]


class ChunkHash:
    """Hashes bytes objects in order. `close` (or `with`) joins the thread; `hexdigest` waits for all that was put.

    The thread starts with the second chunk: most small layers never need it. At most `depth` chunks wait.
    """

    def __init__(self, depth: int = 8) -> None:
        self._sha = hashlib.sha256()
        self._first: bytes | None = None
        self._todo: SimpleQueue[bytes | None] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(depth):
            self._free.put(None)
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while (chunk := self._todo.get()) is not None:
            self._sha.update(chunk)
            self._free.put(None)

    def update(self, chunk: bytes) -> None:
        if self._thread is None:
            if self._first is None:
                self._first = chunk
                return
            self._thread = Thread(target=self._work, name="sha256", daemon=True)
            self._thread.start()
            self._todo.put(self._first)
        self._free.get()
        self._todo.put(chunk)

    def hexdigest(self) -> str:
        """Of everything; nothing may follow."""
        if self._thread is None and self._first is not None:
            self._sha.update(self._first)
        self.close()
        return self._sha.hexdigest()

    def close(self) -> None:
        """Idempotent."""
        self._first = None
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
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
