"""The endpoints of blobs: HEAD, GET (with ranges), DELETE.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs
"""

from __future__ import annotations

import os

from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault
from wherry.registry.server.hooks import Proxy
from wherry.registry.server.ranges import UNSATISFIABLE, wanted_range
from wherry.registry.server.route import digest_of
from wherry.registry.server.storage import Storage
from wherry.web.server import Request, Responder, Sent

__all__ = ["Blobs"]


class Blobs:
    def __init__(self, storage: Storage, proxy: Proxy | None) -> None:
        self._storage, self._proxy = storage, proxy

    def get(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        """Also HEAD."""
        digest = digest_of(reference)
        size = self._storage.find_blob(repository, digest)
        if size is None and self._proxy is not None:
            if self._proxy.blob(request, responder, repository, digest):
                return
            size = self._storage.find_blob(repository, digest)
        if size is None:
            raise Fault(404, "BLOB_UNKNOWN", "the repository has no such blob")
        self._send(request, responder, digest, size)

    def delete(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        self._storage.delete_blob(repository, digest_of(reference))
        responder.send(202)

    def _send(self, request: Request, responder: Responder, digest: Digest, size: int) -> None:
        etag = f'"{digest}"'
        fields = [
            ("Docker-Content-Digest", str(digest)),
            ("ETag", etag),
            ("Accept-Ranges", "bytes"),
            # The bytes are whatever somebody pushed: no browser may make a page of them
            ("Content-Type", "application/octet-stream"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
            ("Cache-Control", "private, max-age=31536000, immutable"),
        ]
        if etag in request.headers.get("if-none-match", ""):
            responder.send(304, fields)
            return
        part = wanted_range(request.headers, size, etag)
        if part == UNSATISFIABLE:
            headers = [("Content-Range", f"bytes */{size}"), ("Accept-Ranges", "bytes")]
            raise Fault(416, "SIZE_INVALID", "the blob has no such range", headers=headers)
        fd = self._open(digest, size)
        try:
            if part is None:
                responder.send(200, fields, Sent(fd, 0, size))
                return
            offset, count = part
            fields.append(("Content-Range", f"bytes {offset}-{offset + count - 1}/{size}"))
            responder.send(206, fields, Sent(fd, offset, count))
        finally:
            os.close(fd)

    def _open(self, digest: Digest, size: int) -> int:
        """Raises: Fault, when somebody took the file or changed its size behind our back."""
        try:
            fd = self._storage.open_blob(digest)
        except FileNotFoundError:
            raise Fault(404, "BLOB_UNKNOWN", "the blob is missing in the storage") from None
        if os.fstat(fd).st_size != size:
            os.close(fd)
            raise Fault(404, "BLOB_UNKNOWN", "the blob is damaged in the storage")
        return fd
