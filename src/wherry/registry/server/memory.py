"""What the server keeps of memory: little while it rests, and one large document's worth at its busiest."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LARGE_BYTES", "Turns", "less_memory"]

LARGE_BYTES = 64 << 10
# M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
_MALLOC = ((-8, 2), (-3, 128 << 10), (-1, 256 << 10))
_libc = ctypes.CDLL(None)


class Turns:
    """Documents of megabytes become ten times as much when they are decoded: one at a time, once all of it is here.

    What a turn held is given back to the system before the next one begins. So whoever takes one keeps nothing large
    of it behind: neither bytes nor what was decoded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, size: int) -> Iterator[None]:
        """For a document of `size` bytes; small ones wait for nobody."""
        if size <= LARGE_BYTES:
            yield
            return
        with self._lock:
            try:
                yield
            finally:
                _give_back()


def less_memory() -> None:
    """Two heaps for all threads instead of one each, and large pieces (a manifest's JSON) given back when freed.

    Else the C library keeps what each thread ever needed at most.
    """
    if hasattr(_libc, "mallopt"):  # not in every C library
        for option, value in _MALLOC:
            _libc.mallopt(option, value)


def _give_back() -> None:
    """Free pages in the middle of the heaps too: one small piece above them keeps them from going by themselves."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
