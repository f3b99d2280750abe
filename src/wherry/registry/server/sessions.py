"""Uploads that are under way: who may go on with which, how far it is, and when it is given up.

An id proves itself: it is random and carries the algorithm, the time and a keyed hash of all of that and of the
repository. So a session costs nothing before its first byte, outlives the server, and can't be guessed or moved.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import struct
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import ALGORITHMS, Layout

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["EXPIRY_S", "Session", "Sessions"]

EXPIRY_S = 24 * 3600
_BODY, _MAC = 18, 18
_ENDED_KEPT = 10_000
_MOST = 2000


class Session:
    """One upload. `offset` bytes of it are in the file; `hasher` has seen them, or is None: read them again."""

    __slots__ = ("algorithm", "hasher", "id", "is_ended", "lock", "offset", "touched_s")

    def __init__(self, id: str, algorithm: str, offset: int) -> None:
        self.id, self.algorithm, self.offset = id, algorithm, offset
        self.hasher: _Hash | None = hashlib.new(algorithm) if offset == 0 else None
        self.lock = threading.Lock()
        self.touched_s = 0.0
        self.is_ended = False


class Sessions:
    """The uploads of a layout. Raises (everywhere): Fault BLOB_UPLOAD_UNKNOWN for an id that is none."""

    def __init__(self, layout: Layout, now: Callable[[], float]) -> None:
        self._layout, self._now = layout, now
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def start(self, repository: str, algorithm: str = "sha256") -> str:
        """A new id."""
        body = struct.pack(">12sIH", secrets.token_bytes(12), int(self._now()), ALGORITHMS.index(algorithm))
        return urlsafe_b64encode(body + self._mac(repository, body)).decode()

    def find(self, repository: str, id: str) -> Session:
        """The session, held by nobody yet: take its lock."""
        algorithm = self._proven(repository, id)
        with self._lock:
            if id in self._ended:
                raise _unknown()
            session = self._open.get(id)
            if session is None:
                if len(self._open) >= _MOST:
                    raise Fault(
                        429, "TOOMANYREQUESTS", "too many uploads are under way", headers=[("Retry-After", "60")]
                    )
                session = self._open[id] = Session(id, algorithm, self._size(id))
            session.touched_s = self._now()
            return session

    def pause(self, session: Session) -> None:
        """Nobody works at it for now. One that has no bytes yet needs no memory either."""
        if session.offset == 0 and not session.is_ended:
            with self._lock:
                self._open.pop(session.id, None)

    def end(self, session: Session) -> None:
        """Finished or given up: its id means nothing any more."""
        session.is_ended = True
        with self._lock:
            self._open.pop(session.id, None)
            self._ended[session.id] = None
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
        with suppress(OSError):
            self._layout.remove_upload(session.id)

    def expire(self, age_s: float = EXPIRY_S) -> int:
        """Give up what has had no byte for so long. How many."""
        cutoff = self._now() - age_s
        gone = 0
        for name, touched_s in list(self._layout.uploads()):
            session = self._open.get(name)
            if touched_s > cutoff or (session is not None and session.touched_s > cutoff):
                continue
            if session is None:
                with suppress(OSError):
                    self._layout.remove_upload(name)
                    gone += 1
            elif session.lock.acquire(blocking=False):
                try:
                    self.end(session)
                    gone += 1
                finally:
                    session.lock.release()
        return gone

    def _size(self, id: str) -> int:
        with suppress(OSError):
            return os.stat(id, dir_fd=self._layout.uploads_fd, follow_symlinks=False).st_size
        return 0

    def _proven(self, repository: str, id: str) -> str:
        """The algorithm, when the id was made here, for this repository, and not too long ago."""
        try:
            raw = urlsafe_b64decode(id.encode("ascii"))
        except ValueError:
            raise _unknown() from None
        body, mac = raw[:_BODY], raw[_BODY:]
        # The text is the file's name: only the one that was given out will do
        if len(mac) != _MAC or urlsafe_b64encode(raw).decode() != id:
            raise _unknown()
        if not hmac.compare_digest(mac, self._mac(repository, body)):
            raise _unknown()
        _, made_s, algorithm = struct.unpack(">12sIH", body)
        if made_s < self._now() - 7 * EXPIRY_S:
            raise _unknown()
        return ALGORITHMS[algorithm]

    def _mac(self, repository: str, body: bytes) -> bytes:
        return hashlib.blake2b(body + repository.encode(), key=self._layout.key, digest_size=_MAC).digest()


def _unknown() -> Fault:
    return Fault(404, "BLOB_UPLOAD_UNKNOWN", "no such upload in this repository")
