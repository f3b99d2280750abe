"""push --all-platforms: an index with every image that it names, as `load --all-platforms` brought it."""

from __future__ import annotations

from wherry.engine.push import Destination, Pushed, PushRequest, send_bytes, send_image
from wherry.errors import NotFound
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.registry.media.convert import with_manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.registry.watch import TransferWatch
    from wherry.store.images import ImageRecord

__all__ = ["manifests_of", "send_index"]

_LIMIT = 64 << 20


def send_index(
    engine: Engine, image: ImageRecord, there: Destination, request: PushRequest, watch: TransferWatch, cancel: Cancel
) -> Pushed:
    """Each image by its digest, then what else the index names, then the index by the tag. `image` has the tag here.

    Raises: NotFound when the name has no index here, or an image of it was removed.
    """
    name = str(request.reference)
    row = engine.db.read().execute("SELECT digest FROM image_index WHERE name = ?", (name,)).fetchone()
    with engine.leases.hold(f"push {request.reference.familiar}") as lease:
        work = _Work(engine, there, request, watch, cancel)
        if row:
            lease.add_blob(Digest(row[0]))
        if not row or image.manifest not in manifests_of(engine, Digest(row[0])):
            raise NotFound(
                f"{request.reference.familiar} is here for one platform only",
                hint="wherry load --all-platforms, or wherry copy --all from where the whole image is",
            )
        sent = work.send(Digest(row[0]), request.reference.tag)
    return Pushed(request.reference, sent.digest, sent.size)


def manifests_of(engine: Engine, index: Digest) -> set[Digest]:
    """The manifests that an index of the store, and those below it, name. Raises: NotFound."""
    found: set[Digest] = set()
    for entry in Index.from_bytes(engine.blobs.read(index)).manifests:
        found |= manifests_of(engine, entry.digest) if entry.media_type in mediatype.INDEXES else {entry.digest}
    return found


class _Work:
    def __init__(
        self, engine: Engine, there: Destination, request: PushRequest, watch: TransferWatch, cancel: Cancel
    ) -> None:
        self._engine, self._there, self._request = engine, there, request
        self._watch, self._cancel = watch, cancel

    def send(self, index: Digest, name: str) -> Descriptor:
        """`name` "" puts it by its digest. What it is called there."""
        data = self._engine.blobs.read(index)
        parsed = Index.from_bytes(data)
        data = with_manifests(data, {entry.digest: self._entry(entry) for entry in parsed.manifests})
        target = self._there.target
        digest = target.put_manifest(name or str(Digest.of(data)), data, parsed.media_type, cancel=self._cancel)
        return Descriptor(parsed.media_type, digest, len(data))

    def _entry(self, entry: Descriptor) -> Descriptor:
        if entry.media_type in mediatype.INDEXES:
            return self.send(entry.digest, "")
        engine = self._engine
        row = engine.db.read().execute("SELECT id FROM image WHERE manifest = ?", (entry.digest,)).fetchone()
        if not row:
            return self._other(entry)
        record = engine.image_store.get(Digest(row[0]))
        sent = send_image(engine, record, self._there, self._request, self._watch, self._cancel, by_digest=True)
        if sent.digest == entry.digest:
            return entry
        kind = mediatype.MANIFEST if self._request.compression == "zstd" else entry.media_type
        return entry._replace(media_type=kind, digest=sent.digest, size=sent.size)

    def _other(self, entry: Descriptor) -> Descriptor:
        """An attestation: its manifest, and blobs that are documents. Raises: NotFound for an image that is gone."""
        blobs = self._engine.blobs
        data = blobs.read(entry.digest)
        manifest = Manifest.from_bytes(data)
        for blob in {one.digest: one for one in (manifest.config, *manifest.layers)}.values():
            send_bytes(self._there.target, blob, blobs.read(blob.digest, limit_bytes=_LIMIT), self._cancel)
        self._there.target.put_manifest(str(entry.digest), data, entry.media_type, cancel=self._cancel)
        return entry
