"""Which repositories of which registries hold a blob, as pulls and pushes saw: where a push can mount it from.

A hint and nothing more: a registry is asked before anything is relied on, and what it denies is forgotten.
"""

from __future__ import annotations

import time

from wherry.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple

    from wherry.store.db import Database
else:
    from wherry.lean import NamedTuple

__all__ = ["KnownBlobs", "Place"]

_MOST = 100_000
_KEPT_NS = 90 * 86_400 * 1_000_000_000


class Place(NamedTuple):
    """`host` as in `registry.hosts.Endpoint` ("registry-1.docker.io"); `repository` the name there."""

    host: str
    repository: str


class KnownBlobs:
    """Rows of `known_blob`: at most 100,000, none older than 90 days. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, place: Place, digests: Iterable[Digest], *, now_ns: int = 0) -> None:
        """`place` holds these blobs now. Idempotent."""
        moment = now_ns or time.time_ns()
        with self._db.write() as conn:
            conn.executemany(
                "INSERT INTO known_blob (host, digest, repository, seen_ns) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (host, digest, repository) DO UPDATE SET seen_ns = excluded.seen_ns",
                [(place.host, digest, place.repository, moment) for digest in digests],
            )
            conn.execute("DELETE FROM known_blob WHERE seen_ns < ?", (moment - _KEPT_NS,))
            (count,) = conn.execute("SELECT count(*) FROM known_blob").fetchone()
            if count > _MOST:
                conn.execute(
                    "DELETE FROM known_blob WHERE (host, digest, repository) IN"
                    " (SELECT host, digest, repository FROM known_blob ORDER BY seen_ns LIMIT ?)",
                    (count - _MOST + _MOST // 100,),
                )

    def repositories(self, host: str, digest: Digest, *, most: int = 3) -> tuple[str, ...]:
        """Repositories of `host` that hold the blob, the last seen first."""
        rows = self._db.read().execute(
            "SELECT repository FROM known_blob WHERE host = ? AND digest = ? ORDER BY seen_ns DESC, repository LIMIT ?",
            (host, digest, most),
        )
        return tuple(row[0] for row in rows)

    def places(self, digest: Digest, *, most: int = 3) -> tuple[Place, ...]:
        """Anywhere, the last seen first."""
        rows = self._db.read().execute(
            "SELECT host, repository FROM known_blob WHERE digest = ? ORDER BY seen_ns DESC, host, repository LIMIT ?",
            (digest, most),
        )
        return tuple(Place(*row) for row in rows)

    def forget(self, place: Place, digest: Digest) -> None:
        """It was said to be there, and is not."""
        with self._db.write() as conn:
            conn.execute(
                "DELETE FROM known_blob WHERE host = ? AND repository = ? AND digest = ?",
                (place.host, place.repository, digest),
            )
