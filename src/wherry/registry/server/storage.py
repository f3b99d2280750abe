"""What the registry holds: repositories, their blobs, and the room for manifests, tags and uploads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault
from wherry.registry.server.layout import Layout
from wherry.registry.server.ledger import Batch, Ledger
from wherry.registry.server.projection import Projection

__all__ = ["GRACE_S", "Storage", "loosen"]

GRACE_S = 3600
"""How long a blob stays that no manifest needs: from its upload, mount or last HEAD on."""


class Storage:
    """Opens the folder, makes it when it is missing, locks it. One per process; threads share it. Close it.

    `now` is the Unix time in seconds. Raises: Locked, HostError, OSError.
    """

    def __init__(self, path: str, *, now: Callable[[], float] = time.time, grace_s: int = GRACE_S) -> None:
        self.now, self.grace_s = now, grace_s
        self.layout = Layout(path)
        try:
            self.projection = Projection(self.layout)
            self.ledger = Ledger(self.layout, self._project)
        except BaseException:
            self.layout.close()
            raise
        try:
            self.rebuilt = self._rebuild() if self.ledger.is_new else 0
            self._project()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Idempotent, as long as nobody writes."""
        self.projection.close()
        self.ledger.close()
        self.layout.close()

    # -- repositories

    def repositories(self, after: str, most: int) -> list[str]:
        """Names above `after`, sorted, at most `most`."""
        with self.ledger.read() as db:
            found = db.execute("SELECT name FROM repository WHERE name > ? ORDER BY name LIMIT ?", (after, most))
            return [str(row[0]) for row in found]

    # -- blobs

    def find_blob(self, repository: str, digest: Digest) -> int | None:
        """The size, when the repository shows the blob. Who asks may rely on it for the grace time to come."""
        with self.ledger.read() as db:
            found = db.execute(
                "SELECT blob.size, link.loose_s FROM repository JOIN link ON link.repository = repository.id"
                " JOIN blob ON blob.digest = link.digest WHERE repository.name = ? AND link.digest = ?",
                (repository, digest),
            ).fetchone()
        if found is None:
            return None
        if found[1] is not None and self.now() - found[1] > self.grace_s / 2:
            # It may be collected soon, and the manifest of whoever asks is still to come
            with suppress(OSError, sqlite3.Error):  # a full disk: what is there can be pulled all the same
                return found[0] if self.ledger.commit(lambda batch: self._touch(batch, repository, digest)) else None
        return int(found[0])

    def open_blob(self, digest: Digest) -> int:
        """A fd, which the caller closes. Raises: OSError."""
        return self.layout.open_blob(digest)

    def publish(self, upload: str, digest: Digest, size: int, repository: str) -> None:
        """An upload's file, whole and synced, becomes a blob of the repository. Raises: sqlite3.Error, OSError."""

        def work(batch: Batch) -> None:
            batch.publish(upload, digest, size)
            self._link(batch, repository, digest)

        self.ledger.commit(work)

    def mount(self, digest: Digest, source: str, target: str) -> bool:
        """Let `target` show the blob of `source`; False when that has none."""

        def work(batch: Batch) -> bool:
            found = batch.db.execute(
                "SELECT 1 FROM repository JOIN link ON link.repository = repository.id WHERE name = ? AND digest = ?",
                (source, digest),
            ).fetchone()
            if found:
                self._link(batch, target, digest)
            return found is not None

        return self.ledger.commit(work)

    def holders(self, digest: Digest, most: int = 16) -> list[str]:
        """Repositories that show the blob."""
        with self.ledger.read() as db:
            found = db.execute(
                "SELECT name FROM link JOIN repository ON repository.id = link.repository WHERE digest = ? LIMIT ?",
                (digest, most),
            )
            return [str(row[0]) for row in found]

    def delete_blob(self, repository: str, digest: Digest) -> None:
        """The repository shows it no more; collection takes the file. Raises: Fault (unknown; a manifest needs it)."""

        def work(batch: Batch) -> None:
            row = batch.db.execute(
                "SELECT repository.id FROM repository JOIN link ON link.repository = repository.id"
                " WHERE name = ? AND digest = ?",
                (repository, digest),
            ).fetchone()
            if row is None:
                raise Fault(404, "BLOB_UNKNOWN", "the repository has no such blob")
            needed = "SELECT 1 FROM edge WHERE repository = ? AND child = ?"
            if batch.db.execute(needed, (row[0], digest)).fetchone():
                raise Fault(409, "DENIED", "a manifest of the repository needs this blob: delete that first")
            batch.db.execute("DELETE FROM link WHERE repository = ? AND digest = ?", (row[0], digest))

        self.ledger.commit(work)

    def _link(self, batch: Batch, repository: str, digest: Digest) -> None:
        batch.db.execute(
            "INSERT INTO link (repository, digest, loose_s) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET loose_s = excluded.loose_s WHERE loose_s IS NOT NULL",
            (batch.repository(repository), digest, int(self.now())),
        )

    def _touch(self, batch: Batch, repository: str, digest: Digest) -> bool:
        done = batch.db.execute(
            "UPDATE link SET loose_s = CASE WHEN loose_s IS NULL THEN NULL ELSE ? END WHERE digest = ?"
            " AND repository = (SELECT id FROM repository WHERE name = ?)",
            (int(self.now()), digest, repository),
        )
        return done.rowcount > 0

    # -- index.json

    def _rebuild(self) -> int:
        from wherry.registry.server.rebuild import rebuild

        return rebuild(self.layout, self.ledger, int(self.now()))

    def _project(self) -> None:
        with suppress(OSError, sqlite3.Error):
            self.projection.write(self.ledger)

    def check(self) -> Counts:
        """How much there is, for metrics and pages."""
        with self.ledger.read() as db:
            return Counts(*db.execute(
                "SELECT (SELECT count(*) FROM repository), (SELECT count(*) FROM manifest), (SELECT count(*) FROM tag),"
                " (SELECT count(*) FROM blob), (SELECT coalesce(sum(size), 0) FROM blob)"
            ).fetchone())  # fmt: skip


class Counts(NamedTuple):
    repositories: int
    manifests: int
    tags: int
    blobs: int
    bytes: int


def loosen(batch: Batch, repository: int, digests: list[str], now_s: int) -> None:
    """What no manifest of the repository needs any more starts its grace time."""
    for digest in digests:
        batch.db.execute(
            "UPDATE link SET loose_s = ? WHERE repository = ? AND digest = ? AND loose_s IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM edge WHERE edge.repository = link.repository AND edge.child = link.digest)",
            (now_s, repository, digest),
        )
