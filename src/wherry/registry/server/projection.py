"""`index.json`: what the database says of tags and manifests, for every tool that reads an OCI layout.

Each tag is an entry with the reference name `REPOSITORY:TAG`; a manifest that neither a tag nor an index leads to is
an entry with the annotation REPOSITORY, so that the database can be made again from the folder alone.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from wherry.registry.server.layout import Layout

if TYPE_CHECKING:
    from wherry.registry.server.ledger import Ledger

__all__ = ["REF_NAME", "REPOSITORY", "Projection"]

REF_NAME = "org.opencontainers.image.ref.name"
REPOSITORY = "wherry.registry.repository"
_AT_ONCE = 2000
"""Up to so many entries the file is written before a push is acknowledged; beyond, within a second."""
_LATER_S = 1.0


class Projection:
    """Writes the file, at once or a little later. Close it: that writes what is due."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._due: Ledger | None = None
        self._size = 0

    def write(self, ledger: Ledger) -> None:
        """Raises: OSError, sqlite3.Error."""
        with self._lock:
            if self._size <= _AT_ONCE:
                self._write(ledger)
                return
            self._due = ledger
            if self._timer is None:
                self._timer = threading.Timer(_LATER_S, self._write_due)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._write_due()

    def _write_due(self) -> None:
        with self._lock:
            self._timer = None
            ledger, self._due = self._due, None
            if ledger:
                with suppress(OSError, sqlite3.Error):
                    self._write(ledger)

    def _write(self, ledger: Ledger) -> None:
        with ledger.read() as db:
            rows = db.execute(
                "SELECT repository.name, tag.name, manifest.digest, media_type, size FROM tag"
                " JOIN repository ON repository.id = tag.repository"
                " JOIN manifest ON manifest.repository = tag.repository AND manifest.digest = tag.digest"
                " UNION ALL SELECT repository.name, '', manifest.digest, media_type, size FROM manifest"
                " JOIN repository ON repository.id = manifest.repository"
                " WHERE NOT EXISTS (SELECT 1 FROM tag WHERE tag.repository = manifest.repository"
                "  AND tag.digest = manifest.digest)"
                " AND NOT EXISTS (SELECT 1 FROM edge WHERE edge.repository = manifest.repository"
                "  AND child = manifest.digest)"
                " ORDER BY 1, 2, 3"
            )
            entries = [
                {
                    "mediaType": media_type,
                    "digest": digest,
                    "size": size,
                    "annotations": {REF_NAME: f"{name}:{tag}"} if tag else {REPOSITORY: name},
                }
                for name, tag, digest, media_type, size in rows
            ]
        self._size = len(entries)
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        }
        self._layout.replace("index.json", json.dumps(index, separators=(",", ":")).encode())
