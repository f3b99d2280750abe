"""The endpoints of uploads: POST, PATCH, PUT, GET, DELETE.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import ALGORITHMS
from wherry.registry.server.receive import Buffers, append, check_room, disk_full, rehash
from wherry.registry.server.route import check_repository, digest_of
from wherry.registry.server.sessions import Session, Sessions
from wherry.registry.server.storage import Storage
from wherry.web.server import BadRequest, Request, Responder

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Uploads"]

_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?")


class Uploads:
    """`may_pull(request, repository)` is the guard's word on the source of a mount. `patience_s` is how long a request
    waits for another one at the same upload.
    """

    def __init__(self, storage: Storage, may_pull: Callable[[Request, str], bool], patience_s: float = 1.0) -> None:
        self._patience_s = patience_s
        self._storage, self._may_pull = storage, may_pull
        self._layout = storage.layout
        self.sessions = Sessions(storage.layout, storage.now)
        self.buffers = Buffers()

    def start(self, request: Request, responder: Responder, repository: str) -> None:
        """POST: a session, a whole blob (`digest`), or a mount (`mount`, `from`)."""
        if mount := request.param("mount"):
            digest = digest_of(mount)
            if self._mounted(request, repository, digest):
                _created(responder, repository, digest)
                return
        if given := request.param("digest"):
            self._whole(request, responder, repository, digest_of(given))
            return
        algorithm = request.param("digest-algorithm", "sha256")
        if algorithm not in ALGORITHMS:
            raise Fault(400, "DIGEST_INVALID", "digests are made with sha256 or sha512")
        self._accepted(responder, 202, repository, self.sessions.start(repository, algorithm), 0)

    def patch(self, request: Request, responder: Responder, repository: str, id: str) -> None:
        """PATCH: the next chunk (with Content-Range), or a stream (without)."""
        with self._held(repository, id) as session:
            end = self._check_range(request, repository, session)
            check_room(self._layout, request)
            self._receive(session, request, end)
            offset = session.offset
        # Answered once it is let go: a client goes on at once, over another connection
        self._accepted(responder, 202, repository, id, offset)

    def put(self, request: Request, responder: Responder, repository: str, id: str) -> None:
        """PUT: the last chunk, if any, and the digest of it all."""
        with self._held(repository, id) as session:
            digest = digest_of(request.param("digest"))
            end = self._check_range(request, repository, session)
            check_room(self._layout, request)
            if session.offset == 0:
                session.algorithm, session.hasher = digest.algorithm, hashlib.new(digest.algorithm)
            self._receive(session, request, end)
            self._finish(session, digest, repository)
        _created(responder, repository, digest)

    def status(self, responder: Responder, repository: str, id: str) -> None:
        """GET: how far it is."""
        session = self.sessions.find(repository, id)
        offset = session.offset
        if not session.lock.locked():
            self.sessions.pause(session)
        self._accepted(responder, 204, repository, id, offset)

    def cancel(self, responder: Responder, repository: str, id: str) -> None:
        """DELETE."""
        with self._held(repository, id) as session:
            self.sessions.end(session)
        responder.send(204)

    # -- steps

    @contextmanager
    def _held(self, repository: str, id: str) -> Iterator[Session]:
        """One request at a time works at a session: a second one is refused. A short wait is for what a broken
        connection left behind.
        """
        session = self.sessions.find(repository, id)
        if not session.lock.acquire(timeout=self._patience_s):
            raise Fault(409, "BLOB_UPLOAD_INVALID", "another request works at this upload")
        try:
            if session.is_ended:
                raise Fault(404, "BLOB_UPLOAD_UNKNOWN", "no such upload in this repository")
            yield session
        finally:
            session.touched_s = self._storage.now()
            self.sessions.pause(session)
            session.lock.release()

    def _mounted(self, request: Request, repository: str, digest: Digest) -> bool:
        source = request.param("from")
        if source:
            # Whoever may not read the source must not learn what is in it: as if it were not there
            check_repository(source.split("/"))
            return self._may_pull(request, source) and self._storage.mount(digest, source, repository)
        if self._storage.find_blob(repository, digest) is not None:
            return True
        holders = (one for one in self._storage.holders(digest) if self._may_pull(request, one))
        return any(self._storage.mount(digest, one, repository) for one in holders)

    def _whole(self, request: Request, responder: Responder, repository: str, digest: Digest) -> None:
        check_room(self._layout, request)
        session = Session(self.sessions.start(repository, digest.algorithm), digest.algorithm, 0)
        try:
            self._receive(session, request, None)
            self._finish(session, digest, repository)
        finally:
            self._layout.remove_upload(session.id)
        _created(responder, repository, digest)

    def _check_range(self, request: Request, repository: str, session: Session) -> int | None:
        """Where the chunk ends (exclusive), by its Content-Range; None without one. Raises: Fault (416)."""
        stated = request.headers.get("content-range")
        if stated is None:
            return None
        found = _RANGE.fullmatch(stated)
        start, last = (int(found[1]), int(found[2])) if found else (-1, -1)
        length = request.body.length
        # An empty last chunk has no range; some clients write one of a byte less
        if start != session.offset or last < start - 1:
            raise Fault(
                416, "BLOB_UPLOAD_INVALID", "the chunk does not follow what is there",
                headers=[("Location", _where(repository, session.id)), ("Range", _extent(session.offset))],
            )  # fmt: skip
        if length is not None and length != last - start + 1:
            raise Fault(400, "SIZE_INVALID", "Content-Range and Content-Length differ")
        return last + 1

    def _receive(self, session: Session, request: Request, end: int | None) -> None:
        if request.body.ended:
            return
        start, before = session.offset, session.hasher.copy() if session.hasher and session.offset and end else None
        try:
            fd = self._layout.new_upload(session.id) if start == 0 else self._layout.open_upload(session.id)
        except FileExistsError:
            self._layout.remove_upload(session.id)  # bytes of a request that failed before it counted them
            fd = self._layout.new_upload(session.id)
        try:
            os.ftruncate(fd, start)
            os.lseek(fd, start, os.SEEK_SET)
            try:
                append(session, fd, request, self.buffers, session.hasher)
            except BadRequest:
                self._take_back(session, fd, start, before)
                raise
            if end is not None and session.offset != end:
                self._take_back(session, fd, start, before)
                raise Fault(400, "SIZE_INVALID", "the chunk is not as long as its Content-Range says")
        finally:
            os.close(fd)

    def _take_back(self, session: Session, fd: int, start: int, before: _Hash | None) -> None:
        os.ftruncate(fd, start)
        session.offset = start
        session.hasher = before or (hashlib.new(session.algorithm) if start == 0 else None)

    def _finish(self, session: Session, digest: Digest, repository: str) -> None:
        """Check the digest, make it last, publish. The session is over either way. Raises: Fault."""
        if session.offset == 0:
            # A PATCH of no bytes may have made it
            with suppress(FileExistsError):
                os.close(self._layout.new_upload(session.id))
        try:
            fd = self._layout.open_upload(session.id)
            try:
                hasher = session.hasher
                if hasher is None or session.algorithm != digest.algorithm:
                    hasher = rehash(fd, digest.algorithm, session.offset, self.buffers)
                if hasher.hexdigest() != digest.hex:
                    raise Fault(400, "DIGEST_INVALID", "the bytes do not have this digest")
                os.fdatasync(fd)
            finally:
                os.close(fd)
            self._storage.publish(session.id, digest, session.offset, repository)
        except OSError as fault:
            raise disk_full(fault) or fault from None
        finally:
            self.sessions.end(session)

    def _accepted(self, responder: Responder, status: int, repository: str, id: str, offset: int) -> None:
        responder.send(
            status,
            (
                ("Location", _where(repository, id)),
                # Of nothing too: docker's client reads a PATCH's answer so, and the spec has no other form
                ("Range", _extent(offset)),
                ("Docker-Upload-UUID", id),
            ),
        )


def _where(repository: str, id: str) -> str:
    return f"/v2/{repository}/blobs/uploads/{id}"


def _extent(offset: int) -> str:
    return f"0-{max(offset - 1, 0)}"


def _created(responder: Responder, repository: str, digest: Digest) -> None:
    responder.send(201, (("Location", f"/v2/{repository}/blobs/{digest}"), ("Docker-Content-Digest", digest)))
