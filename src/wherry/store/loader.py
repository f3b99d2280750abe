"""The work of `load`: layers of a plan side by side into the store, then the image."""

from __future__ import annotations

from typing import NamedTuple

from wherry.cancel import Cancel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wherry.image.tar.unpack import Reader
    from wherry.oci.descriptor import Descriptor
    from wherry.store.blobs import BlobStore
    from wherry.store.images import ImageRecord, ImageStore
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease, Leases
    from wherry.store.load import ImagePlan, LayerPart
    from wherry.store.source import Source

__all__ = ["Loader"]

_CHUNK = 1 << 20


class Loader(NamedTuple):
    """`progress(layer, done_bytes, total_bytes)` is called from several threads; `jobs` is how many."""

    images: ImageStore
    layers: LayerStore
    blobs: BlobStore
    leases: Leases
    jobs: int
    progress: Callable[[str, int, int], None] = lambda *_: None

    def load(self, source: Source, plan: ImagePlan, cancel: Cancel | None = None) -> ImageRecord:
        """Add one image. On any failure the store is as before, but for whole layers, which collection takes.

        Raises: IntegrityError, HostileArchive, InvalidSpec, Cancelled, OSError.
        """
        with self.leases.hold("load an image") as lease:
            self.bring(source, plan, lease, cancel)
            return self.images.create(plan.config, plan.references, manifest=plan.manifest)

    def bring(self, source: Source, plan: ImagePlan, lease: Lease, cancel: Cancel | None = None) -> None:
        """The layers alone: what `images.create` needs, held by `lease`. Idempotent. Raises: as `load`."""
        from concurrent.futures import ThreadPoolExecutor

        cancel = cancel or Cancel()
        lease.add_layer(*(part.diff_id for part in plan.layers))
        lease.add_blob(*(part.digest for part in plan.layers if part.digest))
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            # The same layer may stand in an image twice: once is enough
            parts = {(part.diff_id, part.digest): part for part in plan.layers}
            futures = [pool.submit(self._layer, source, part, lease, cancel) for part in parts.values()]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                cancel.set("another layer failed")
                for future in futures:
                    future.cancel()
                raise

    def keep(self, source: Source, blobs: Sequence[Descriptor]) -> None:
        """Blobs as they are, checked; the caller holds a lease. Raises: IntegrityError, InvalidSpec, OSError."""
        from wherry.store.index import blob_name

        for one in blobs:
            if not self.blobs.has(one.digest):
                with source.open(blob_name(one.digest)) as stream:
                    self.blobs.put(_all_of(stream), one.digest, one.size)

    def _layer(self, source: Source, part: LayerPart, lease: Lease, cancel: Cancel) -> None:
        from wherry.image.tar import compress

        compressed = part.digest is not None and part.digest.hex != part.diff_id.hex
        if compressed and part.digest and not self.blobs.has(part.digest):
            with source.open(part.name) as stream:
                self.blobs.put(self._chunks(stream, part, cancel), part.digest, part.size)
        if self.layers.has(part.diff_id):
            return
        if compressed and part.digest:
            with self.blobs.open(part.digest) as file:
                self.layers.extract(compress.reader(file), lease, part.diff_id, blob=part.digest)
            return
        with source.open(part.name) as stream:
            watched = _Watched(stream, lambda done: self._tell(part, done, cancel))
            self.layers.extract(
                compress.reader(watched), lease, part.diff_id, again=lambda: compress.reader(source.open(part.name))
            )

    def _chunks(self, stream: Reader, part: LayerPart, cancel: Cancel) -> Iterator[bytes]:
        done = 0
        while chunk := stream.read(_CHUNK):
            done += len(chunk)
            self._tell(part, done, cancel)
            yield chunk

    def _tell(self, part: LayerPart, done: int, cancel: Cancel) -> None:
        cancel.check()
        self.progress(part.diff_id.short, done, part.size)


def _all_of(stream: Reader) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


class _Watched:
    """A stream that says how far it is."""

    def __init__(self, stream: Reader, tell: Callable[[int], None]) -> None:
        self._stream, self._tell, self._done = stream, tell, 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._tell(self._done)
        return data
