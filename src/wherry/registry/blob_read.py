"""Blobs, verified while they arrive.

A large blob begins as one stream. As soon as a piece of it came slowly, the rest is fetched in bounded parts side by
side: a single connection to a far store is held back by its window. On a fast link one stream is quicker and cheaper.
"""

from __future__ import annotations

import hashlib
from collections import deque

from wherry.cancel import Cancel
from wherry.errors import IntegrityError
from wherry.registry.blob_stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from concurrent.futures import Future, ThreadPoolExecutor
    from hashlib import _Hash as Hash
    from typing import NamedTuple, Self

    from wherry.oci.descriptor import Descriptor
    from wherry.registry.blob_stream import Fetch
    from wherry.registry.retry import Retry
else:
    from wherry.lean import NamedTuple

__all__ = ["BlobReader", "Parallel"]


class Parallel(NamedTuple):
    """When a blob is fetched in parts, and in how many at a time."""

    from_bytes: int = 64 << 20
    """Also how much of one stream is judged at a time."""
    first_bytes: int = 16 << 20
    """Fetched as one stream, to see how fast that is."""
    below_bytes_per_s: float = 80e6
    part_bytes: int = 8 << 20
    parts: int = 4


PARALLEL = Parallel()


class BlobReader:
    """A stream of exactly the descriptor's bytes.

    The last byte is handed out only after size and digest proved right; who stops before the end knows nothing of the
    bytes. Broken connections are resumed. One thread at a time.
    """

    def __init__(
        self,
        fetch: Fetch,
        blob: Descriptor,
        retry: Retry,
        cancel: Cancel | None = None,
        parallel: Parallel = PARALLEL,
        budget: threading.Semaphore | None = None,
    ) -> None:
        """`budget` counts the parts that all readers of a client may hold beyond one each."""
        self._fetch = fetch
        self._blob = blob
        self._retry = retry
        self._cancel = cancel
        self._parallel = parallel
        self._budget = budget
        self._hash = hashlib.new(blob.digest.algorithm)
        self._at = self._started = 0
        self._is_verified = False
        first = parallel.first_bytes if blob.size >= parallel.from_bytes else blob.size
        self._stream: Stream | _Parts = Stream(fetch, blob, (0, first), retry, cancel)

    def go_on(self, at: int, hashed: Hash) -> None:
        """Begin behind the `at` bytes that the caller has of an earlier try, as `hashed`. Before the first read."""
        first = self._parallel.first_bytes if self._blob.size - at >= self._parallel.from_bytes else self._blob.size
        self._at = self._started = at
        self._hash = hashed
        self._stream = Stream(
            self._fetch, self._blob, (at, min(at + first, self._blob.size)), self._retry, self._cancel
        )

    def readinto(self, buffer: memoryview | bytearray, /) -> int:
        """Fill as much of `buffer` as there is at once; 0 at the end. Raises: IntegrityError, Unreachable."""
        if self._cancel:
            self._cancel.check()
        count = 0
        with memoryview(buffer) as view:
            if view and self._at < self._blob.size:
                count = self._stream.readinto(view) or self._next().readinto(view)
                self._hash.update(view[:count])
                self._at += count
        if self._at == self._blob.size and not self._is_verified:
            self._verify()
        return count

    def _verify(self) -> None:
        actual = f"{self._blob.digest.algorithm}:{self._hash.hexdigest()}"
        if actual != self._blob.digest:
            raise IntegrityError(f"blob {self._blob.digest.short}", expected=self._blob.digest, actual=actual)
        self._is_verified = True

    def _next(self) -> Stream | _Parts:
        """After a piece of one stream: another, or parts from now on when that one came slowly."""
        done, rule = self._stream, self._parallel
        if not isinstance(done, Stream):
            return done
        start, self._started = self._started, self._at
        if self._at - start < rule.below_bytes_per_s * done.waited_s and rule.parts > 1:
            self._stream = _Parts(self._fetch, self._blob, self._at, self)
        else:
            span = (self._at, min(self._at + rule.from_bytes, self._blob.size))
            self._stream = Stream(self._fetch, self._blob, span, self._retry, self._cancel)
        return self._stream

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, fewer only at the end (all of them when negative); b"" at the end."""
        left = self._blob.size - self._at if size < 0 else min(size, self._blob.size - self._at)
        data = bytearray(left)
        got = 0
        while True:
            count = self.readinto(memoryview(data)[got:])
            got += count
            if not count or got == left:
                return bytes(data) if got == left else bytes(data[:got])

    @property
    def is_verified(self) -> bool:
        """Whether all was read and is right."""
        return self._is_verified

    def readable(self) -> bool:
        """For io.BufferedReader and its like."""
        return True

    def close(self) -> None:
        """Idempotent."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Stop(Cancel):
    """Set by the reader's close, or with the operation's own."""

    def __init__(self, outer: Cancel | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        if self._outer and self._outer.is_set():
            self.set(self._outer.reason)
        return super().is_set()


class _Parts:
    """The rest of a blob in parts: a window of them is in the air, and they are handed out in order."""

    def __init__(self, fetch: Fetch, blob: Descriptor, start: int, reader: BlobReader) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._fetch = fetch
        self._blob = blob
        self._start = start
        self._rule = reader._parallel
        self._retry = reader._retry
        self._budget = reader._budget
        self._stop = _Stop(reader._cancel)
        self._pool: ThreadPoolExecutor = ThreadPoolExecutor(self._rule.parts, "wherry-part")
        self._window: deque[tuple[Future[memoryview], bool]] = deque()
        self._part = memoryview(b"")

    def readinto(self, view: memoryview) -> int:
        while not self._part:
            self._fill()
            if not self._window:
                return 0
            future, has_permit = self._window.popleft()
            try:
                self._part = future.result()
            finally:
                if has_permit and self._budget:
                    self._budget.release()
        count = min(len(view), len(self._part))
        view[:count] = self._part[:count]
        self._part = self._part[count:]
        return count

    def _fill(self) -> None:
        while self._start < self._blob.size and len(self._window) < self._rule.parts:
            # One part always may; more only while all readers together stay within their memory
            has_permit = bool(self._window) and self._budget is not None
            if has_permit and self._budget and not self._budget.acquire(blocking=False):
                return
            span = (self._start, min(self._start + self._rule.part_bytes, self._blob.size))
            self._start = span[1]
            self._window.append((self._pool.submit(self._load, span), has_permit))

    def _load(self, span: tuple[int, int]) -> memoryview:
        stream = Stream(self._fetch, self._blob, span, self._retry, self._stop)
        data = memoryview(bytearray(span[1] - span[0]))
        got = 0
        try:
            while got < len(data):
                got += stream.readinto(data[got:])
        finally:
            stream.close()
        return data

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for _, has_permit in self._window:
            if has_permit and self._budget:
                self._budget.release()
        self._window.clear()
        self._part = memoryview(b"")
