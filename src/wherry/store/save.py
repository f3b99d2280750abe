"""Images into one tar that is an OCI image layout and a docker-archive at once, as docker 25 and later write it.

The bytes depend on the images alone: no time, no owner, entries in one order.
Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import json
from typing import NamedTuple

from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.reference import Reference
from wherry.store.index import LAYOUT, blob_name, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.store.blobs import BlobStore
    from wherry.store.images import ImageRecord, ImageStore
    from wherry.store.layers import LayerStore

    Write = Callable[[bytes | bytearray | memoryview], object]

__all__ = ["File", "Saved", "Saver", "document", "tar_header"]

_CHUNK = 1 << 20


class Saved(NamedTuple):
    """An image and the names to save it under (whole)."""

    image: ImageRecord
    names: tuple[str, ...]


class File(NamedTuple):
    """A member of the tar. `write` gives its bytes: exactly `size`."""

    name: str
    size: int
    write: Callable[[Write], None]


class Saver(NamedTuple):
    """Reads the store only. The caller holds a lease on the images' layers."""

    images: ImageStore
    layers: LayerStore
    blobs: BlobStore

    def save(self, saved: Sequence[Saved], write: Write) -> None:
        """Give `write` the tar. Raises: NotFound, IntegrityError, and what `write` raises."""
        files: dict[str, File] = {}
        entries: list[Descriptor] = []
        docker: list[dict[str, object]] = []
        for image, names in saved:
            data = self.manifest(image)
            manifest = Manifest.from_bytes(data)
            for layer, diff_id in zip(manifest.layers, image.layers, strict=True):
                files[blob_name(layer.digest)] = self.layer(layer, diff_id)
            self._add(files, self.blobs.read(image.id))
            self._add(files, data)
            entries += [describe(Digest.of(data), len(data), name) for name in names or ("",)]
            docker.append(
                {
                    "Config": blob_name(image.id),
                    "RepoTags": [Reference.known(name).familiar for name in names if "@" not in name] or None,
                    "Layers": [blob_name(layer.digest) for layer in manifest.layers],
                }
            )
        out = [files[name] for name in sorted(files)]
        out.append(document("index.json", Index(tuple(entries)).to_bytes()))
        out.append(document("manifest.json", json.dumps(docker, separators=(",", ":")).encode()))
        out.append(document("oci-layout", LAYOUT))
        _write_tar(out, write)

    def manifest(self, image: ImageRecord) -> bytes:
        """The image's own manifest when all it names can be had, else one with uncompressed layers."""
        data = self.blobs.read(image.manifest)
        manifest = Manifest.from_bytes(data)
        whole = zip(manifest.layers, image.layers, strict=True)
        if all(layer.digest.hex == diff_id.hex or self.blobs.has(layer.digest) for layer, diff_id in whole):
            return data
        layers = tuple(
            Descriptor(mediatype.LAYER, Digest(diff_id), self.layers.get(diff_id).size) for diff_id in image.layers
        )
        return Manifest(manifest.config._replace(media_type=mediatype.CONFIG), layers).to_bytes()

    def _add(self, files: dict[str, File], data: bytes) -> None:
        name = blob_name(Digest.of(data))
        files[name] = document(name, data)

    def layer(self, layer: Descriptor, diff_id: DiffID) -> File:
        """A layer as the manifest of `manifest` names it. Raises: NotFound."""
        name = blob_name(layer.digest)
        if self.blobs.has(layer.digest):
            return File(name, self.blobs.size(layer.digest), lambda write: self.copy(layer.digest, write))
        size = self.layers.get(diff_id).size
        return File(name, size, lambda write: self.layers.write_tar(diff_id, write))

    def copy(self, digest: Digest, write: Write) -> None:
        """A blob's bytes. Raises: NotFound."""
        with self.blobs.open(digest) as file:
            while chunk := file.read(_CHUNK):
                write(chunk)


def document(name: str, data: bytes) -> File:
    """A small file whose bytes are known."""
    return File(name, len(data), lambda write: _give(write, data))


def _give(write: Write, data: bytes) -> None:
    write(data)


def _write_tar(files: Sequence[File], write: Write) -> None:
    total = 0
    folders = ["blobs/", *sorted({file.name.rpartition("/")[0] + "/" for file in files if "/" in file.name})]
    for name in folders:
        write(tar_header(name, 0))
        total += 512
    for file in files:
        write(tar_header(file.name, file.size))
        file.write(write)
        padding = -file.size % 512
        write(bytes(padding))
        total += len(tar_header(file.name, file.size)) + file.size + padding
    # Two empty blocks, and whole records of 20 blocks, as POSIX asks
    write(bytes(1024 + (-(total + 1024)) % 10240))


def tar_header(name: str, size: int) -> bytes:
    """The header of a file, or of a folder when `name` ends with "/": no time, no owner."""
    import tarfile

    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o755 if name.endswith("/") else 0o644
    entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    return entry.tobuf(tarfile.GNU_FORMAT)
