"""Manifests and tags: rows over the blobs that hold their bytes."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from wherry.oci.digest import Digest
from wherry.registry.server.document import Document, read_document
from wherry.registry.server.fault import Fault
from wherry.registry.server.ledger import Batch
from wherry.registry.server.receive import Spooled
from wherry.registry.server.storage import Storage, loosen

__all__ = ["PAGE_BYTES", "Manifests", "StoredManifest", "digest_of_bytes", "forget", "insert", "set_tag"]

PAGE_BYTES = 3 << 20
"""Of JSON in one answer: clients read an index of 4 MiB and no larger one."""
_BY_DIGEST = (
    "SELECT manifest.digest, media_type, size FROM repository JOIN manifest ON manifest.repository = repository.id"
    " WHERE repository.name = ? AND manifest.digest = ?"
)
_BY_TAG = (
    "SELECT manifest.digest, media_type, size FROM repository JOIN tag ON tag.repository = repository.id"
    " JOIN manifest ON manifest.repository = repository.id AND manifest.digest = tag.digest"
    " WHERE repository.name = ? AND tag.name = ?"
)


class StoredManifest(NamedTuple):
    digest: Digest
    media_type: str
    size: int


class Manifests:
    """The manifests of a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, repository: str, reference: str) -> StoredManifest | None:
        """By tag or digest; one is told from the other by the colon."""
        with self._storage.ledger.read() as db:
            found = db.execute(_BY_DIGEST if ":" in reference else _BY_TAG, (repository, reference)).fetchone()
        return StoredManifest(Digest(found[0]), found[1], found[2]) if found else None

    def read(self, manifest: StoredManifest) -> bytes:
        """The exact bytes. Raises: OSError."""
        fd = self._storage.layout.open_blob(manifest.digest)
        with open(fd, "rb", buffering=0) as file:
            return file.read()

    def put(
        self,
        repository: str,
        body: Spooled,
        content_type: str,
        *,
        digest: Digest,
        tags: Sequence[str],
        if_match: str = "",
    ) -> Digest | None:
        """Keep `body`, whose digest this is, and let the tags mean it: on the disk when it returns. Its subject.

        `if_match` is the digest that the (one) tag must have now, "*" any. Raises: Fault, OSError, sqlite3.Error.
        """
        document = read_document(body.read(), content_type)
        upload = f"manifest-{secrets.token_hex(12)}"
        layout = self._storage.layout
        try:
            body.write_upload(layout, upload)

            def work(batch: Batch) -> None:
                row = batch.db.execute("SELECT id FROM repository WHERE name = ?", (repository,)).fetchone()
                _check_blobs(batch.db, row[0] if row else 0, document)
                if if_match:
                    _check_match(batch.db, row[0] if row else 0, tags, if_match)
                batch.publish(upload, digest, body.size)
                insert(batch, repository, digest, body.size, document, int(self._storage.now()))
                for tag in tags:
                    set_tag(batch, batch.repository(repository), tag, digest)
                batch.changes_index = True

            self._storage.ledger.commit(work)
        finally:
            layout.remove_upload(upload)
        return document.subject

    def delete(self, repository: str, reference: str) -> None:
        """A tag alone, or a manifest with all its tags. Raises: Fault (MANIFEST_UNKNOWN)."""

        def work(batch: Batch) -> None:
            row = batch.db.execute("SELECT id FROM repository WHERE name = ?", (repository,)).fetchone()
            gone = 0
            if row and ":" in reference:
                gone = forget(batch, row[0], reference, int(self._storage.now()))
            elif row:
                gone = batch.db.execute(
                    "DELETE FROM tag WHERE repository = ? AND name = ?", (row[0], reference)
                ).rowcount
            if not gone:
                raise Fault(404, "MANIFEST_UNKNOWN", "the repository has no such manifest")
            batch.changes_index = True

        self._storage.ledger.commit(work)

    def tags(self, repository: str, after: str, most: int) -> list[str] | None:
        """Tags above `after`, sorted, at most `most`; None when there is no such repository."""
        with self._storage.ledger.read() as db:
            row = db.execute("SELECT id FROM repository WHERE name = ?", (repository,)).fetchone()
            if row is None:
                return None
            found = db.execute(
                "SELECT name FROM tag WHERE repository = ? AND name > ? ORDER BY name LIMIT ?", (row[0], after, most)
            )
            return [str(one[0]) for one in found]

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str, after: str, most: int
    ) -> list[dict[str, object]]:
        """Descriptors of the manifests about `subject`, by digest above `after`, at most `most`, and not many more than
        fill a page: each may have megabytes of annotations.
        """
        listed: list[dict[str, object]] = []
        # More than a page, however it is written in JSON: a letter may take six bytes there, and two elsewhere
        room = 4 * PAGE_BYTES
        with self._storage.ledger.read() as db:
            for digest, media_type, size, kind, notes in db.execute(
                "SELECT digest, media_type, size, artifact_type, annotations FROM manifest"
                " WHERE repository = (SELECT id FROM repository WHERE name = ?) AND subject = ? AND digest > ?"
                " AND (? = '' OR artifact_type = ?) ORDER BY digest LIMIT ?",
                (repository, subject, after, artifact_type, artifact_type, most),
            ):
                one: dict[str, object] = {"mediaType": media_type, "digest": digest, "size": size}
                if kind:
                    one["artifactType"] = kind
                if notes:
                    one["annotations"] = json.loads(notes)
                listed.append(one)
                room -= len(notes)
                if room < 0:
                    break
        return listed


def digest_of_bytes(data: bytes, algorithm: str) -> Digest:
    return Digest(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")


def forget(batch: Batch, repository: int, digest: str, now_s: int) -> int:
    """Take a manifest out of a repository, with its tags. How many there were: 0 or 1."""
    db = batch.db
    gone = db.execute("DELETE FROM manifest WHERE repository = ? AND digest = ?", (repository, digest)).rowcount
    if gone:
        db.execute("DELETE FROM tag WHERE repository = ? AND digest = ?", (repository, digest))
        mine = (repository, digest)
        children = [row[0] for row in db.execute("SELECT child FROM edge WHERE repository = ? AND parent = ?", mine)]
        db.execute("DELETE FROM edge WHERE repository = ? AND parent = ?", mine)
        loosen(batch, repository, children, now_s)
    return gone


def _check_blobs(db: sqlite3.Connection, repository: int, document: Document) -> None:
    query = "SELECT 1 FROM link WHERE repository = ? AND digest = ?"
    missing = [one for one in dict.fromkeys(document.blobs) if not db.execute(query, (repository, one)).fetchone()]
    if missing:
        detail = [{"digest": one} for one in missing[:20]]
        raise Fault(400, "MANIFEST_BLOB_UNKNOWN", f"the repository has no blob {missing[0]}", detail=detail)


def _check_match(db: sqlite3.Connection, repository: int, tags: Sequence[str], wanted: str) -> None:
    for tag in tags:
        found = db.execute("SELECT digest FROM tag WHERE repository = ? AND name = ?", (repository, tag)).fetchone()
        if found is None or wanted not in ("*", found[0]):
            raise Fault(412, "DENIED", "the tag means something else by now")


def insert(batch: Batch, repository: str, digest: Digest, size: int, document: Document, now_s: int) -> None:
    """The rows of a manifest whose blob has its own."""
    key = batch.repository(repository)
    annotations = json.dumps(document.annotations, separators=(",", ":")) if document.annotations else ""
    batch.db.execute(
        "INSERT INTO manifest (repository, digest, media_type, size, artifact_type, subject, annotations, created_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (key, digest, document.media_type, size, document.artifact_type, document.subject or "", annotations, now_s),
    )
    children = set(document.blobs) | set(document.manifests)
    batch.db.executemany(
        "INSERT INTO edge (repository, parent, child) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, digest, child) for child in children],
    )
    batch.db.executemany(
        "UPDATE link SET loose_s = NULL WHERE repository = ? AND digest = ? AND loose_s IS NOT NULL",
        [(key, child) for child in document.blobs],
    )


def set_tag(batch: Batch, repository: int, tag: str, digest: str) -> None:
    batch.db.execute(
        "INSERT INTO tag (repository, name, digest) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET digest = excluded.digest",
        (repository, tag, digest),
    )
