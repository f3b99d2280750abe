"""Garbage collection: what no image, container, build cache or live lease needs goes; nothing else ever does.

What is dead is decided, and moved out of the store by renames, inside one write transaction. Whoever leases something
afterwards finds it gone and makes it anew (see lease.py). The bytes are removed after the transaction.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.store import schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from wherry.oci.digest import DiffID, Digest
    from wherry.store.blobs import BlobStore
    from wherry.store.db import Database
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Leases
    from wherry.store.scratch import Scratch

__all__ = ["Collected", "Collector"]


class Collected(NamedTuple):
    """What went. `freed_bytes`: the layers' tar sizes and the blobs' sizes."""

    layers: tuple[DiffID, ...] = ()
    blobs: tuple[Digest, ...] = ()
    freed_bytes: int = 0


class Collector:
    """The one thing that removes layers and blobs."""

    def __init__(self, db: Database, blobs: BlobStore, layers: LayerStore, leases: Leases, scratch: Scratch) -> None:
        self._db = db
        self._blobs = blobs
        self._layers = layers
        self._leases = leases
        self._scratch = scratch

    def collect(self) -> Collected:
        """Remove what is not needed. Safe beside builds, runs and other collections; killed, the next one goes on."""
        from wherry.fs.remove import remove_tree

        self._leases.sweep()
        self._scratch.sweep()
        away: list[str] = []
        with self._db.write() as conn:
            conn.execute(
                "DELETE FROM image WHERE is_deleted = 1 AND id NOT IN (SELECT image_id FROM container)"
                " AND id NOT IN (SELECT image_id FROM image_use)",
            )
            layers, freed = self._collect_layers(conn, away)
            blobs, freed_blobs = self._collect_blobs(conn, away)
        for path in away:
            remove_tree(path)
        return Collected(layers, blobs, freed + freed_blobs)

    def _collect_layers(self, conn: sqlite3.Connection, away: list[str]) -> tuple[tuple[DiffID, ...], int]:
        kept = _kept(conn, schema.KEEPS_LAYERS, "layer")
        sizes = _sizes(conn)
        dead = []
        for diff_id in self._layers.all():
            if diff_id not in kept and (path := self._layers.detach(diff_id)):
                away.append(path)
                dead.append(diff_id)
        conn.executemany("DELETE FROM layer WHERE diff_id = ?", [(one,) for one in sizes if one not in kept])
        return tuple(dead), sum(sizes.get(one, 0) for one in dead)

    def _collect_blobs(self, conn: sqlite3.Connection, away: list[str]) -> tuple[tuple[Digest, ...], int]:
        kept = _kept(conn, schema.KEEPS_BLOBS, "blob")
        dead, freed = [], 0
        for digest in self._blobs.all():
            if digest not in kept and (moved := self._blobs.detach(digest)):
                away.append(moved[0])
                dead.append(digest)
                freed += moved[1]
        return tuple(dead), freed


def _sizes(conn: sqlite3.Connection) -> dict[str, int]:
    return dict(conn.execute("SELECT diff_id, size FROM layer").fetchall())


def _kept(conn: sqlite3.Connection, queries: Sequence[str], kind: str) -> set[str]:
    kept = {row[0] for row in conn.execute("SELECT key FROM lease_item WHERE kind = ?", (kind,))}
    for query in queries:
        kept.update(row[0] for row in conn.execute(query))
    return kept
