"""Leases: what a live process still needs, so that garbage collection keeps it.

The rule that makes it safe: **lease first, then look**. Collection moves a dead layer or blob away inside its write
transaction; whoever leases before that is seen, whoever leases after it finds the thing gone and makes it anew.
"""

from __future__ import annotations

import time

from wherry.lean import contextmanager
from wherry.store.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wherry.host import Host
    from wherry.oci.digest import DiffID, Digest
    from wherry.store.db import Database

__all__ = ["Lease", "Leases"]


class Lease:
    """Held by `Leases.hold`; its rows go with it, or with its process."""

    def __init__(self, db: Database, key: int) -> None:
        self._db = db
        self._key = key

    def add_layer(self, *diff_ids: DiffID) -> None:
        """Keep these layers, there already or not. Idempotent; thread-safe."""
        self._add("layer", diff_ids)

    def add_blob(self, *digests: Digest) -> None:
        """Keep these blobs, there already or not. Idempotent; thread-safe."""
        self._add("blob", digests)

    def _add(self, kind: str, keys: Iterable[str]) -> None:
        with self._db.write() as conn:
            conn.executemany(
                "INSERT OR IGNORE INTO lease_item (lease_id, kind, key) VALUES (?, ?, ?)",
                [(self._key, kind, str(key)) for key in keys],
            )


class Leases:
    """All leases of a root."""

    def __init__(self, db: Database, host: Host) -> None:
        self._db = db
        self._host = host

    @contextmanager
    def hold(self, what: str) -> Iterator[Lease]:
        """A lease of this process for the block. `what` says what for, to people: "build shop/api"."""
        owner = Owner.current(self._host)
        with self._db.write() as conn:
            key = conn.execute(
                "INSERT INTO lease (what, pid, start_time, boot_id, created_ns) VALUES (?, ?, ?, ?, ?)",
                (what, *owner, time.time_ns()),
            ).lastrowid
        try:
            yield Lease(self._db, int(key or 0))
        finally:
            with self._db.write() as conn:
                conn.execute("DELETE FROM lease WHERE id = ?", (key,))

    def sweep(self) -> int:
        """Delete the leases of dead processes; how many."""
        rows = self._db.read().execute("SELECT id, pid, start_time, boot_id FROM lease").fetchall()
        dead = [(row[0],) for row in rows if not Owner(*row[1:]).is_alive(self._host)]
        if dead:
            with self._db.write() as conn:
                conn.executemany("DELETE FROM lease WHERE id = ?", dead)
        return len(dead)
