"""What a pull-through registry keeps: manifests whose blobs are still to come, and blobs that nobody pushed."""

from __future__ import annotations

import secrets

from wherry.oci.digest import Digest
from wherry.registry.server.document import read_document
from wherry.registry.server.ledger import Batch
from wherry.registry.server.manifests import Manifests, StoredManifest, insert, set_tag
from wherry.registry.server.storage import Storage

__all__ = ["Shelf"]

_SETTLE = (
    "UPDATE link SET loose_s = NULL WHERE repository = (SELECT id FROM repository WHERE name = ?) AND digest = ?"
    " AND EXISTS (SELECT 1 FROM edge WHERE edge.repository = link.repository AND edge.child = link.digest)"
)


class Shelf:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._manifests = Manifests(storage)

    def find(self, repository: str, reference: str) -> StoredManifest | None:
        return self._manifests.find(repository, reference)

    def put(self, repository: str, data: bytes, media_type: str, digest: Digest, tag: str) -> None:
        """Keep a manifest that was checked against its digest, whether or not its blobs are here. `tag` may be "".

        Raises: Fault (it is no manifest), OSError, sqlite3.Error.
        """
        document = read_document(data, media_type)
        upload = f"proxy-{secrets.token_hex(12)}"
        layout = self.storage.layout
        try:
            layout.write_upload(upload, data)

            def work(batch: Batch) -> None:
                batch.publish(upload, digest, len(data))
                insert(batch, repository, digest, len(data), document, int(self.storage.now()))
                if tag:
                    set_tag(batch, batch.repository(repository), tag, digest)
                batch.changes_index = True

            self.storage.ledger.commit(work)
        finally:
            layout.remove_upload(upload)

    def tag(self, repository: str, tag: str, digest: Digest) -> None:
        def work(batch: Batch) -> None:
            set_tag(batch, batch.repository(repository), tag, digest)
            batch.changes_index = True

        self.storage.ledger.commit(work)

    def publish(self, repository: str, upload: str, digest: Digest, size: int) -> None:
        """A blob whose file is whole, checked and synced."""
        self.storage.publish(upload, digest, size, repository)
        self._settle(repository, digest)

    def link(self, repository: str, digest: Digest) -> bool:
        """Show a blob that another repository holds. The upstream has said that this one holds it, too."""
        for holder in self.storage.holders(digest):
            if self.storage.mount(digest, holder, repository):
                self._settle(repository, digest)
                return True
        return False

    def _settle(self, repository: str, digest: Digest) -> None:
        """It came after the manifest that needs it: collection must not take it."""
        self.storage.ledger.commit(lambda batch: batch.db.execute(_SETTLE, (repository, str(digest))).rowcount)
