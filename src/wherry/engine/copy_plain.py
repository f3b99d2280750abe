"""The two copies that change a layer's form: into a docker-archive (plain tars), and out of one into a registry."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.engine import push_forms, push_layers, push_manifest
from wherry.engine.copy_media import From
from wherry.engine.push import Destination, send_bytes, settle_all
from wherry.errors import IntegrityError, InvalidSpec
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Manifest
from wherry.registry import select
from wherry.store.compressed import CompressedForms
from wherry.store.known_blobs import KnownBlobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.image.tar.stream import Reader as Plain
    from wherry.registry.client import FetchedManifest
    from wherry.registry.watch import TransferWatch

__all__ = ["compressed", "plain"]

_CONFIG_LIMIT = 8 << 20


def _read_config(origin: From, config: Descriptor, cancel: Cancel) -> bytes:
    if config.size > _CONFIG_LIMIT:
        raise InvalidSpec(f"the image's config is of {config.size} bytes")
    reader = origin.origin.blob(config, cancel=cancel)
    try:
        return b"".join(iter(lambda: reader.read(1 << 18), b""))
    finally:
        reader.close()


def plain(
    engine: Engine, origin: From, there: Destination, fetched: FetchedManifest, watch: TransferWatch, cancel: Cancel
) -> tuple[bytes, str]:
    """Each layer as its plain tar, checked by its DiffID; one after the other, since a tar's size comes first.

    Gives the manifest that says so. Raises: IntegrityError, InvalidSpec, Unsupported (an index, an artifact).
    """
    manifest = Manifest.from_bytes(fetched.data)
    select.refuse_artifact(manifest, "the image")
    config = _read_config(origin, manifest.config, cancel)
    diff_ids = ImageConfig.from_bytes(config).diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise InvalidSpec(f"manifest: {len(manifest.layers)} layers, but the config has {len(diff_ids)}")
    layers = []
    for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
        layers.append(_plain_layer(_Spot(engine, origin, there, watch, cancel), layer, diff_id))
    described = Descriptor(mediatype.DOCKER_CONFIG, manifest.config.digest, len(config))
    send_bytes(there.target, described, config, cancel)
    return Manifest(described, tuple(layers), mediatype.DOCKER_MANIFEST).to_bytes(), mediatype.DOCKER_MANIFEST


class _Spot(NamedTuple):
    engine: Engine
    origin: From
    there: Destination
    watch: TransferWatch
    cancel: Cancel


def _plain_layer(spot: _Spot, layer: Descriptor, diff_id: DiffID) -> Descriptor:
    from wherry.image.tar import compress

    spot.watch.start(layer.digest.short, "Extracting", 0)
    if size := spot.there.target.has_blob(Digest(diff_id)):
        return Descriptor(mediatype.DOCKER_LAYER, Digest(diff_id), size)
    path = spot.engine.scratch.path("copy")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    try:
        reader = spot.origin.origin.blob(layer, cancel=spot.cancel)
        try:
            size = _spool(compress.reader(reader), fd, diff_id, spot.cancel)
            while reader.read(1 << 20):
                pass  # what follows the compressed data belongs to the blob, and to its digest
        finally:
            reader.close()
        made = Descriptor(mediatype.DOCKER_LAYER, Digest(diff_id), size)
        spot.there.target.push_blob(
            made, lambda offset: push_layers.open_file(f"/proc/self/fd/{fd}", offset), cancel=spot.cancel
        )
    finally:
        os.close(fd)
    spot.watch.finish(layer.digest.short, "Copied")
    return made


def _spool(stream: Plain, fd: int, diff_id: DiffID, cancel: Cancel) -> int:
    from hashlib import sha256

    from wherry.fs.atomic import write_all

    hashed, size = sha256(), 0
    while chunk := stream.read(1 << 20):
        cancel.check()
        hashed.update(chunk)
        size += len(chunk)
        write_all(fd, chunk)
    if hashed.hexdigest() != diff_id.hex:
        actual = f"sha256:{hashed.hexdigest()}"
        raise IntegrityError("layer content (diff id)", expected=diff_id, actual=actual)
    return size


def compressed(
    engine: Engine, origin: From, there: Destination, fetched: FetchedManifest, watch: TransferWatch, cancel: Cancel
) -> tuple[bytes, str]:
    """A docker-archive's layers as a push would send them, and the manifest that says so."""
    from threading import Semaphore

    manifest = Manifest.from_bytes(fetched.data)
    mine = push_manifest.Own(fetched.data, manifest, False)
    cores = len(os.sched_getaffinity(0))
    site = push_layers.LayerSite(
        there.target, there.place, _tars(origin), engine.blobs, CompressedForms(engine.db), KnownBlobs(engine.db),
        engine.scratch, ("gzip", "tar"), True, Semaphore(cores), cores, watch, cancel,
    )  # fmt: skip
    jobs = [push_layers.LayerJob(DiffID(layer.digest), layer.size) for layer in manifest.layers]
    sent = settle_all(site, list({job.diff_id: job for job in jobs}.values()))
    send_bytes(there.target, manifest.config, _read_config(origin, manifest.config, cancel), cancel)
    return push_manifest.assemble(mine, [sent[job.diff_id] for job in jobs])


def _tars(origin: From) -> push_forms.Tars:
    from wherry.registry.media.origin import DockerArchiveOrigin

    assert isinstance(origin.origin, DockerArchiveOrigin)
    return origin.origin
