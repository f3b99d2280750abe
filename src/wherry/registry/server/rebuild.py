"""The database, made again from the layout: tags and repositories from `index.json`, the rest from the manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator

from wherry.errors import InvalidSpec
from wherry.oci.digest import Digest
from wherry.registry.server.document import Document, read_document
from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import Layout
from wherry.registry.server.ledger import Batch, Ledger
from wherry.registry.server.manifests import digest_of_bytes, insert, set_tag
from wherry.registry.server.projection import REF_NAME, REPOSITORY
from wherry.registry.server.route import TAG, check_repository

__all__ = ["rebuild"]


def rebuild(layout: Layout, ledger: Ledger, now_s: int) -> int:
    """How many entries of the index were taken. What is broken or not whole is left out."""
    entries = list(_entries(layout.read_index()))
    taken = 0
    for repository, tag, digest in entries:
        if ledger.commit(lambda batch, r=repository, t=tag, d=digest: _take(batch, layout, r, t, d, now_s)):  # type: ignore[misc]
            taken += 1
    return taken


def _entries(data: bytes | None) -> Iterator[tuple[str, str, Digest]]:
    """(repository, tag or "", digest) of each entry that names a repository."""
    try:
        listed = json.loads(data or b"{}").get("manifests") or []
    except (ValueError, AttributeError, RecursionError):
        return
    for one in listed if isinstance(listed, list) else []:
        try:
            notes = one.get("annotations") or {}
            name, _, tag = str(notes.get(REF_NAME, "")).rpartition(":")
            if not name:
                name, tag = str(notes.get(REPOSITORY, "")), ""
            if tag and not TAG.fullmatch(tag):
                continue
            yield check_repository(name.split("/")), tag, Digest.parse(one["digest"])
        except (InvalidSpec, Fault, AttributeError, KeyError, TypeError):
            continue


def _take(batch: Batch, layout: Layout, repository: str, tag: str, digest: Digest, now_s: int) -> bool:
    """Each entry is one transaction: a manifest with all below it, or nothing."""
    pending, seen = [digest], set[Digest]()
    read: list[tuple[Digest, int, Document]] = []
    while pending:
        here = pending.pop()
        if here in seen:
            continue
        seen.add(here)
        document = _whole(layout, here)
        if document is None:
            if here == digest:
                return False
            continue  # an index may be sparse
        read.append((here, layout.blob_size(here) or 0, document))
        pending.extend(document.manifests)
    for here, size, document in read:
        for one, length in ((here, size), *((blob, layout.blob_size(blob) or 0) for blob in document.blobs)):
            batch.db.execute("INSERT INTO blob (digest, size) VALUES (?, ?) ON CONFLICT DO NOTHING", (one, length))
        batch.db.executemany(
            "INSERT INTO link (repository, digest, loose_s) VALUES (?, ?, NULL) ON CONFLICT DO NOTHING",
            [(batch.repository(repository), blob) for blob in document.blobs],
        )
        insert(batch, repository, here, size, document, now_s)
    if tag:
        set_tag(batch, batch.repository(repository), tag, digest)
    return True


def _whole(layout: Layout, digest: Digest) -> Document | None:
    """The manifest, when its bytes are right and its blobs are there."""
    try:
        with open(layout.open_blob(digest), "rb") as file:
            data = file.read(64 << 20)
        if digest_of_bytes(data, digest.algorithm) != digest:
            return None
        document = read_document(data, "")
    except (OSError, Fault):
        return None
    return document if all(layout.blob_size(blob) is not None for blob in document.blobs) else None
