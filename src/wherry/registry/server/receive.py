"""From a request's body into an upload's file, hashed on the way: the bytes are seen once."""

from __future__ import annotations

import errno
import hashlib
import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.fs.atomic import write_all
from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import Layout
from wherry.registry.server.sessions import Session
from wherry.web.server import Request

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Buffers", "append", "disk_full", "rehash"]

_BUFFER_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FLUSH_BYTES = 32 << 20
_SPARE_BYTES = 16 << 20


class Buffers:
    """A few large buffers for all threads: held only while there is something to receive, never while waiting."""

    def __init__(self, count: int = 8) -> None:
        self._free: queue.LifoQueue[memoryview | None] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(None)

    @contextmanager
    def lend(self) -> Iterator[memoryview]:
        view = self._free.get()
        try:
            yield view if view is not None else (view := memoryview(bytearray(_BUFFER_BYTES)))
        finally:
            self._free.put(view)


def append(session: Session, fd: int, request: Request, buffers: Buffers, hasher: _Hash | None) -> None:
    """Add the body to the file and to `hasher`. What came before a fault stays: `session.offset` says how much.

    Raises: Fault (507), PeerGone, BadRequest, OSError.
    """
    body = request.body
    flushed = session.offset
    while not body.ended:
        body.wait()
        with buffers.lend() as view:
            while count := body.readinto(view):
                piece = view[:count]
                _write(session, fd, piece)
                if hasher is not None:
                    hasher.update(piece)
                session.offset += count
                if count < 4096:
                    break  # a trickle: somebody else may need the buffer
            else:
                return
        if session.offset - flushed > _FLUSH_BYTES:
            # The disk works while we receive, so that the sync at the end has little left to do
            flushed = session.offset
            start_writing(fd)


def _write(session: Session, fd: int, piece: memoryview) -> None:
    try:
        write_all(fd, piece)
    except OSError as fault:
        os.ftruncate(fd, session.offset)
        os.lseek(fd, session.offset, os.SEEK_SET)
        raise disk_full(fault) or fault from None


def start_writing(fd: int) -> None:
    """Ask for what is dirty to be written, without waiting for it."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def disk_full(fault: OSError) -> Fault | None:
    """The answer when a disk or a quota is full; None for other faults."""
    if fault.errno in _FULL:
        return Fault(507, "DENIED", "the registry's disk is full")
    return None


def check_room(layout: Layout, request: Request) -> None:
    """Refuse at once what can't fit. Raises: Fault (507)."""
    length = request.body.length or 0
    if length > _SPARE_BYTES and length > layout.free_bytes():
        raise Fault(507, "DENIED", "the registry's disk has no room for the blob")


def rehash(fd: int, algorithm: str, size: int, buffers: Buffers) -> _Hash:
    """The hash of the file's first `size` bytes: after a restart, or when the digest is of another algorithm."""
    hasher = hashlib.new(algorithm)
    at = 0
    with buffers.lend() as view:
        while at < size:
            count = os.preadv(fd, [view[: min(len(view), size - at)]], at)
            if not count:
                raise OSError("upload is shorter than it was")
            hasher.update(view[:count])
            at += count
    return hasher
