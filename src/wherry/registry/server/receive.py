"""From a request's body into an upload's file, hashed on the way: the bytes are seen once."""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from wherry.fs.atomic import write_all
from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import Layout
from wherry.registry.server.sessions import Session
from wherry.web.server import Request

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Buffers", "Spooled", "append", "check_room", "disk_full", "rehash", "spooled"]

_BUFFER_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FLUSH_BYTES = 32 << 20
_SPARE_BYTES = 16 << 20
_BESIDE_BYTES = 8 << 20
_SMALL_BYTES = 16 << 10
_PIECE_BYTES = 64 << 10


class Buffers:
    """A few large buffers for all threads: held only while there is something to receive, never while waiting."""

    def __init__(self, count: int = 4) -> None:
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
    if hasher is not None and (body.length or 0) >= _BESIDE_BYTES:
        _append_beside(session, fd, request, buffers, hasher)
        return
    flushed = session.offset
    while not body.ended:
        body.wait()
        with buffers.lend() as view:
            # Who stops in the middle lets the buffer go: somebody else may need it
            while body.is_ready() and (count := body.readinto(view)):
                _write(session, fd, view[:count])
                if hasher is not None:
                    hasher.update(view[:count])
                session.offset += count
        flushed = _flush(session, fd, flushed)


def _append_beside(session: Session, fd: int, request: Request, buffers: Buffers, hasher: _Hash) -> None:
    """A large body: one thread receives and writes while another hashes what came before."""
    body = request.body
    flushed = session.offset
    with HashThread(hasher) as beside:
        while not body.ended:
            body.wait()
            with buffers.lend() as whole:
                # Halves of one buffer: who waited for a second one while holding the first could wait for ever
                view, spare = whole[: _BUFFER_BYTES // 2], whole[_BUFFER_BYTES // 2 :]
                while body.is_ready() and (count := body.readinto(view)):
                    # It is through with the other buffer when it takes this one
                    beside.update(view[:count])
                    try:
                        _write(session, fd, view[:count])
                    except BaseException:
                        beside.settle()
                        session.hasher = None  # it has seen what the file does not have
                        raise
                    session.offset += count
                    view, spare = spare, view
                    flushed = _flush(session, fd, flushed)
                beside.settle()


class HashThread:
    """Hashes in a thread of its own. `update` waits for the previous piece, which must stay as it is until then."""

    def __init__(self, hasher: _Hash) -> None:
        self._hasher = hasher
        self._pieces: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._idle = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="hash", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.put(None)
        self._thread.join()

    def update(self, piece: memoryview) -> None:
        self._idle.acquire()
        self._pieces.put(piece)

    def settle(self) -> None:
        with self._idle:
            pass

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hasher.update(piece)
            self._idle.release()


def _flush(session: Session, fd: int, flushed: int) -> int:
    """The disk works while we receive, so that the sync at the end has little left to do."""
    if session.offset - flushed < _FLUSH_BYTES:
        return flushed
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return session.offset


def _write(session: Session, fd: int, piece: memoryview) -> None:
    try:
        write_all(fd, piece)
    except OSError as fault:
        os.ftruncate(fd, session.offset)
        os.lseek(fd, session.offset, os.SEEK_SET)
        raise disk_full(fault) or fault from None


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


class Spooled:
    """A body of `size` bytes, all of it here: in memory when it is small, else in a file without a name."""

    def __init__(self, data: bytes, fd: int, size: int) -> None:
        self._data, self._fd, self.size = data, fd, size

    def read(self) -> bytes:
        return self._data if self._fd < 0 else os.pread(self._fd, self.size, 0)

    def digest(self, algorithm: str) -> Digest:
        """Megabytes are not held for it. Raises: OSError."""
        hasher = hashlib.new(algorithm, self._data)
        at = 0
        while self._fd >= 0 and (piece := os.pread(self._fd, _PIECE_BYTES, at)):
            hasher.update(piece)
            at += len(piece)
        return Digest(f"{algorithm}:{hasher.hexdigest()}")

    def write_upload(self, layout: Layout, name: str) -> None:
        """As `Layout.write_upload`. Raises: OSError."""
        if self._fd < 0:
            layout.write_upload(name, self._data)
            return
        fd = layout.new_upload(name)
        try:
            at = 0
            while at < self.size:
                if not (count := os.sendfile(fd, self._fd, at, self.size - at)):
                    raise OSError("spooled file is shorter than it was")
                at += count
            os.fdatasync(fd)
        finally:
            os.close(fd)


@contextmanager
def spooled(layout: Layout, request: Request, buffers: Buffers, limit: int) -> Iterator[Spooled]:
    """The request's body, however slowly it comes: a hundred slow clients must not hold a hundred times megabytes.

    Raises: Fault (413, 507), PeerGone, BadRequest, OSError.
    """
    body = request.body
    if (body.length or 0) > limit:
        raise _too_large(limit)
    if body.length is not None and body.length <= _SMALL_BYTES:
        data = body.read(_SMALL_BYTES)
        yield Spooled(data, -1, len(data))
        return
    name = f"spool-{secrets.token_hex(12)}"
    fd = layout.new_upload(name)
    try:
        layout.remove_upload(name)
        size = 0
        while not body.ended:
            body.wait()
            with buffers.lend() as view:
                count = body.readinto(view) if body.is_ready() else 0
                write_all(fd, view[:count])
            size += count
            if size > limit:
                raise _too_large(limit)
        yield Spooled(b"", fd, size)
    finally:
        os.close(fd)


def _too_large(limit: int) -> Fault:
    return Fault(413, "SIZE_INVALID", f"a manifest is at most {limit} bytes")
