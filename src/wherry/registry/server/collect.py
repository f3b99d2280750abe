"""Garbage collection while everybody works: what goes is decided, and goes, inside of one transaction.

A blob is needed when a manifest of a repository refers to it. One that is not gets a grace time from its upload, its
mount, the end of the last manifest that needed it, or the last HEAD: longer than any push takes from its first blob to
its manifest. New names appear in transactions of the same thread, so that there is no moment between them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from wherry.oci.digest import Digest
from wherry.registry.server.ledger import Batch
from wherry.registry.server.manifests import forget
from wherry.registry.server.storage import Storage

__all__ = ["Collected", "collect", "drop_untagged", "remove_files", "sweep_files"]

_AT_ONCE = 200


class Collected(NamedTuple):
    """`blobs` counts files; `freed_bytes` what they held."""

    blobs: int = 0
    freed_bytes: int = 0

    def __add__(self, other: object) -> Collected:
        assert isinstance(other, Collected)
        return Collected(self.blobs + other.blobs, self.freed_bytes + other.freed_bytes)


def collect(storage: Storage, *, grace_s: float | None = None) -> Collected:
    """Remove what no manifest needed for `grace_s` (the storage's own, by default). Safe during pushes and pulls.

    Works in short transactions, so that pushes wait milliseconds. Raises: sqlite3.Error, OSError.
    """
    cutoff = int(storage.now() - (storage.grace_s if grace_s is None else grace_s))
    total = Collected()
    while storage.ledger.commit(lambda batch: _unlink_loose(batch, cutoff)):
        pass
    while (part := storage.ledger.commit(remove_files)).blobs:
        total += part
    storage.ledger.commit(_drop_empty)
    return total


def _unlink_loose(batch: Batch, cutoff: int) -> int:
    """How many links went."""
    rows = batch.db.execute(
        "SELECT repository, digest FROM link WHERE loose_s IS NOT NULL AND loose_s <= ? AND NOT EXISTS"
        " (SELECT 1 FROM edge WHERE edge.repository = link.repository AND edge.child = link.digest) LIMIT ?",
        (cutoff, _AT_ONCE),
    ).fetchall()
    batch.db.executemany("DELETE FROM link WHERE repository = ? AND digest = ?", rows)
    return len(rows)


def remove_files(batch: Batch) -> Collected:
    """Files that neither a repository shows nor a manifest is: the row and the name go together."""
    rows = batch.db.execute(
        "SELECT digest, size FROM blob WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.digest = blob.digest)"
        " AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.digest = blob.digest) LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    for digest, _ in rows:
        batch.db.execute("DELETE FROM blob WHERE digest = ?", (digest,))
        batch.remove(Digest(digest))
    return Collected(len(rows), sum(size for _, size in rows))


def _drop_empty(batch: Batch) -> None:
    batch.db.execute(
        "DELETE FROM repository WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.repository = repository.id)"
        " AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.repository = repository.id)"
    )


_UNTAGGED = (
    "SELECT repository, digest FROM manifest AS one WHERE created_s <= ?"
    " AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.repository = one.repository AND tag.digest = one.digest)"
    " AND NOT EXISTS (SELECT 1 FROM edge WHERE edge.repository = one.repository AND child = one.digest)"
    " AND (subject = '' OR NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.repository = one.repository"
    "  AND manifest.digest = one.subject))"
)


def drop_untagged(storage: Storage, *, age_s: float) -> int:
    """Forget manifests older than `age_s` that no tag leads to: neither one of their own, nor an index, nor a subject
    that stays. How many.
    """
    cutoff = int(storage.now() - age_s)

    def work(batch: Batch) -> int:
        total = 0
        # What hung on one that goes has nothing to hang on in the next round
        while rows := batch.db.execute(_UNTAGGED, (cutoff,)).fetchall():
            for repository, digest in rows:
                total += forget(batch, repository, digest, int(storage.now()))
            batch.changes_index = True
        return total

    return storage.ledger.commit(work)


def sweep_files(storage: Storage, *, age_s: float) -> Collected:
    """Remove files in blobs/ that the database knows nothing of: what a crash left between a name and its row."""
    cutoff = storage.now() - age_s
    strays = []
    for digest, found in storage.layout.blobs():
        if found.st_mtime <= cutoff and found.st_ctime <= cutoff:
            strays.append((digest, found.st_size))

    def work(batch: Batch) -> Collected:
        gone = Collected()
        for digest, size in strays:
            if not batch.db.execute("SELECT 1 FROM blob WHERE digest = ?", (digest,)).fetchone():
                with suppress(OSError):
                    storage.layout.remove_blob(digest)
                    gone += Collected(1, size)
        return gone

    return storage.ledger.commit(work) if strays else Collected()
