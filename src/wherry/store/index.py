"""ROOT/index.json: the images as an OCI image layout lists them, so that a lost database can be rebuilt.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md. The layout's blobs are ROOT/blobs;
layers that can be packed again from their folders have none (docs/adr/0030-store-layout.md).
"""

from __future__ import annotations

import time
from contextlib import suppress

from wherry.errors import InvalidSpec, NotFound, WherryError
from wherry.fs.atomic import replace_file
from wherry.fs.lock import locked
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.mediatype import MANIFEST
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.settings import Paths
    from wherry.store.blobs import BlobStore
    from wherry.store.db import Database
    from wherry.store.layers import LayerStore

__all__ = ["LAYOUT", "NAME", "REF_NAME", "blob_name", "describe", "rebuild", "write_index"]

NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
"""The file `oci-layout`."""


def write_index(paths: Paths, db: Database, blobs: BlobStore) -> None:
    """Write the database's images to index.json; the last of several writers writes the latest state.

    Not synced to the disk: it is the second copy of what the database has.
    """
    with locked(f"{paths.root}/index.lock", what="the image index"):
        conn = db.read()
        names: dict[str, list[str]] = {}
        for name, image_id in conn.execute("SELECT name, image_id FROM reference ORDER BY name"):
            names.setdefault(image_id, []).append(name)
        found = []
        for image_id, manifest in conn.execute("SELECT id, manifest FROM image WHERE is_deleted = 0 ORDER BY id"):
            with suppress(NotFound):
                size = blobs.size(Digest(manifest))
                found += [describe(Digest(manifest), size, name) for name in names.get(image_id) or [""]]
        replace_file(f"{paths.root}/index.json", Index(tuple(found)).to_bytes(), durable=False)
        replace_file(f"{paths.root}/oci-layout", LAYOUT, durable=False)


def blob_name(digest: Digest) -> str:
    """Where a blob is in a layout."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def describe(manifest: Digest, size: int, name: str) -> Descriptor:
    """An index entry as docker writes it: the whole name, and the tag alone. `name` "" is a dangling image."""
    if not name:
        return Descriptor(MANIFEST, manifest, size)
    reference = Reference.known(name)
    return Descriptor(MANIFEST, manifest, size, {NAME: name, REF_NAME: reference.tag or str(reference.digest)})


def rebuild(paths: Paths, db: Database, blobs: BlobStore, layers: LayerStore) -> int:
    """Fill an empty database from layers/*/layer.json and index.json; how many images came back.

    What is damaged is left out. Raises: OSError.
    """
    with db.write() as conn:
        for diff_id in layers.all():
            if record := layers.read_record(diff_id):
                conn.execute(
                    "INSERT OR IGNORE INTO layer (diff_id, size, blob, created_ns) VALUES (?, ?, ?, ?)",
                    (diff_id, record.size, record.blob, time.time_ns()),
                )
    try:
        with open(f"{paths.root}/index.json", "rb") as file:
            index = Index.from_bytes(file.read())
    except (FileNotFoundError, InvalidSpec):
        return 0
    images = set()
    for entry in index.manifests:
        with suppress(WherryError, FileNotFoundError):
            images.add(_restore(entry, db, blobs, layers))
    return len(images)


def _restore(entry: Descriptor, db: Database, blobs: BlobStore, layers: LayerStore) -> Digest:
    from wherry.store.images import ImageRecord, created_ns, insert_image, point

    manifest = Manifest.from_bytes(blobs.read(entry.digest))
    image_id = manifest.config.digest
    config = ImageConfig.from_bytes(blobs.read(image_id))
    if not all(layers.has(diff_id) for diff_id in config.diff_ids):
        raise NotFound(f"layers of {image_id}")
    size = sum(layers.get(diff_id).size for diff_id in config.diff_ids)
    created = created_ns(config.created)
    record = ImageRecord(image_id, entry.digest, (), created, size, config.diff_ids, time.time_ns())
    with db.write() as conn:
        insert_image(conn, record, [one.digest for one in manifest.layers])
        if name := entry.annotations.get(NAME):
            point(conn, Reference.parse(name), image_id)
    return image_id
