"""The endpoints of manifests, tags, referrers and the catalog.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from urllib.parse import quote

from wherry.oci import mediatype
from wherry.oci.digest import Digest
from wherry.registry.server.document import LIMIT_BYTES
from wherry.registry.server.fault import Fault
from wherry.registry.server.hooks import Proxy
from wherry.registry.server.manifests import PAGE_BYTES, Manifests, StoredManifest
from wherry.registry.server.memory import LARGE_BYTES, Turns
from wherry.registry.server.receive import Buffers, spooled
from wherry.registry.server.route import TAG, digest_of
from wherry.registry.server.storage import Storage
from wherry.web.server import Request, Responder, Sent

__all__ = ["ManifestCalls"]

_PAGE = 1000
_MOST_TAGS = 100


class ManifestCalls:
    """`may_pull(request, repository)` decides which names a catalog shows."""

    def __init__(
        self, storage: Storage, buffers: Buffers, proxy: Proxy | None, may_pull: Callable[[Request, str], bool]
    ) -> None:
        self._storage, self._proxy, self._may_pull = storage, proxy, may_pull
        self._manifests = Manifests(storage)
        self._buffers = buffers
        self._turns = Turns()

    def get(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        """Also HEAD."""
        _check_reference(reference)
        more = self._proxy.manifest(request, repository, reference) if self._proxy is not None else ()
        found = self._manifests.find(repository, reference)
        if found is None:
            raise Fault(404, "MANIFEST_UNKNOWN", "the repository has no such manifest", detail={"reference": reference})
        etag = f'"{found.digest}"'
        fields = [
            ("Content-Type", found.media_type),
            ("Docker-Content-Digest", str(found.digest)),
            ("ETag", etag),
            ("X-Content-Type-Options", "nosniff"),
            *more,
        ]
        if etag in request.headers.get("if-none-match", ""):
            responder.send(304, fields)
        elif request.method == "HEAD":
            responder.send(200, [*fields, ("Content-Length", str(found.size))])
        elif found.size > LARGE_BYTES:
            self._send_file(responder, found, fields)
        else:
            responder.send(200, fields, self._read(found))

    def put(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        tags = [] if ":" in reference else [reference]
        # The development version of the spec: tags of a manifest that is put by digest
        tags += request.params("tag") if ":" in reference else []
        if len(tags) > _MOST_TAGS:
            raise Fault(400, "TAG_INVALID", f"more than {_MOST_TAGS} tags at once")
        for tag in tags:
            if not TAG.fullmatch(tag):
                raise Fault(400, "TAG_INVALID", "a tag is up to 128 letters, digits and ._-, not . or - at first")
        stated = digest_of(reference) if ":" in reference else None
        with spooled(self._storage.layout, request, self._buffers, LIMIT_BYTES) as body, self._turns.turn(body.size):
            digest = body.digest(stated.algorithm if stated else "sha256")
            if stated and digest != stated:
                raise Fault(400, "DIGEST_INVALID", "the bytes do not have this digest")
            content_type = request.headers.get("content-type", "")
            if_match = request.headers.get("if-match", "").strip('"')
            subject = self._manifests.put(repository, body, content_type, digest=digest, tags=tags, if_match=if_match)
        fields = [("Location", f"/v2/{repository}/manifests/{digest}"), ("Docker-Content-Digest", str(digest))]
        if subject:
            fields.append(("OCI-Subject", str(subject)))
        if stated and tags:
            fields.append(("OCI-Tag", ", ".join(tags)))
        responder.send(201, fields)

    def delete(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        _check_reference(reference)
        self._manifests.delete(repository, reference)
        responder.send(202)

    def tags(self, request: Request, responder: Responder, repository: str) -> None:
        most = _count(request)
        found = self._manifests.tags(repository, request.param("last"), most + 1)
        if found is None:
            raise Fault(404, "NAME_UNKNOWN", "there is no such repository", detail={"name": repository})
        names, fields = found[:most], [("Content-Type", "application/json")]
        if names and len(found) > most:
            fields.append(_link(request.path, most, names[-1]))
        responder.send(200, fields, _json({"name": repository, "tags": names}))

    def catalog(self, request: Request, responder: Responder) -> None:
        most = _count(request)
        names: list[str] = []
        last, more = request.param("last"), most > 0
        while more and len(names) < most:
            found = self._storage.repositories(last, most + 1)
            more = len(found) > most
            for name in found[:most]:
                if len(names) == most:
                    more = True
                    break
                last = name
                if self._may_pull(request, name):
                    names.append(name)
        fields = [("Content-Type", "application/json")]
        if more and last:
            fields.append(_link(request.path, most, last))
        responder.send(200, fields, _json({"repositories": names}))

    def referrers(self, request: Request, responder: Responder, repository: str, reference: str) -> None:
        subject = digest_of(reference)
        kind = request.param("artifactType")
        most, last = _count(request, least=1), request.param("last")
        found = self._manifests.referrers(repository, subject, kind, last, most + 1)
        listed = _fitting(found[:most])
        has_more, end = len(found) > len(listed), str(listed[-1]["digest"]) if listed else ""
        if not last:
            listed += self._folded(repository, subject, kind, {str(one["digest"]) for one in found})
        fields = [("Content-Type", mediatype.INDEX)]
        if kind:
            fields.append(("OCI-Filters-Applied", "artifactType"))
        if has_more:
            extra = f"&artifactType={quote(kind, safe='')}" if kind else ""
            fields.append(_link(request.path, most, end, extra))
        responder.send(200, fields, _json({"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": listed}))

    def _folded(self, repository: str, subject: Digest, kind: str, known: set[str]) -> list[dict[str, object]]:
        """What a client without the API has listed under the fallback tag, as far as it is here and not listed yet."""
        tag = f"{subject.algorithm}-{subject.hex[:64]}"
        found = self._manifests.find(repository, tag)
        if found is None or found.media_type not in mediatype.INDEXES:
            return []
        listed = []
        with self._turns.turn(found.size):
            for one in json.loads(self._read(found)).get("manifests") or []:
                digest = str(one["digest"])
                if digest in known or (kind and one.get("artifactType") != kind):
                    continue
                if self._manifests.find(repository, digest) is None or digest == subject:
                    continue
                known.add(digest)
                listed.append(one)
        return listed

    def _send_file(self, responder: Responder, found: StoredManifest, fields: Sequence[tuple[str, str]]) -> None:
        """So that a client which reads slowly holds no megabytes of ours."""
        try:
            fd = self._storage.open_blob(found.digest)
        except FileNotFoundError:
            raise Fault(404, "MANIFEST_UNKNOWN", "the manifest is missing in the storage") from None
        try:
            responder.send(200, fields, Sent(fd, 0, found.size))
        finally:
            os.close(fd)

    def _read(self, found: StoredManifest) -> bytes:
        try:
            return self._manifests.read(found)
        except FileNotFoundError:
            raise Fault(404, "MANIFEST_UNKNOWN", "the manifest is missing in the storage") from None


def _fitting(found: list[dict[str, object]]) -> list[dict[str, object]]:
    """As many as one page of JSON takes, and at least one."""
    room = PAGE_BYTES
    for place, one in enumerate(found):
        room -= len(_json(one)) + 1
        if room < 0 and place:
            return found[:place]
    return found


def _check_reference(reference: str) -> None:
    """Raises: Fault."""
    if ":" in reference:
        digest_of(reference)
    elif not TAG.fullmatch(reference):
        raise Fault(404, "MANIFEST_UNKNOWN", "no tag is written like this")


def _count(request: Request, *, least: int = 0) -> int:
    """`n`, made small: a page is 1,000 at most, whoever asks for more (CVE-2023-2253). Raises: Fault."""
    text = request.param("n")
    if not text:
        return _PAGE
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Fault(400, "UNSUPPORTED", "n is a number from 0 on")
    return max(least, min(int(text), _PAGE))


def _link(path: str, most: int, last: str, extra: str = "") -> tuple[str, str]:
    return "Link", f'<{path}?n={most}&last={quote(last, safe="")}{extra}>; rel="next"'


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
