"""The manifest of what is pushed: the image's own when its blobs could be had, else one of what was sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.engine import push_forms
from wherry.errors import InputError
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID
from wherry.oci.manifest import Manifest

__all__ = ["Own", "assemble", "kinds_for", "own"]


class Own(NamedTuple):
    """The manifest that an image has here. `is_local`: made by this store, and known to nobody else."""

    data: bytes
    manifest: Manifest
    is_local: bool

    @property
    def is_docker(self) -> bool:
        return self.manifest.media_type == mediatype.DOCKER_MANIFEST


def own(data: bytes, diff_ids: Sequence[DiffID]) -> Own:
    """`data` is the manifest's bytes in the store. Raises: InvalidSpec."""
    manifest = Manifest.from_bytes(data)
    plain = tuple(
        Descriptor(mediatype.LAYER, layer.digest, layer.size)
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
        if layer.digest.hex == diff_id.hex
    )
    # What store.images writes for an image that was built here: nothing but uncompressed layers
    local = len(plain) == len(manifest.layers) and Manifest(manifest.config, plain).to_bytes() == data
    return Own(data, manifest, local)


def kinds_for(asked: str, mine: Own, base: str) -> tuple[str, ...]:
    """What may be sent, the one to make first. `base` is the form of the lowest layer as it came from elsewhere, or "".

    A tar that does not shrink is always allowed, unless a compression was asked for. Raises: InputError.
    """
    if asked:
        if asked not in ("gzip", "zstd", "none"):
            raise InputError(f"unknown compression {asked!r}", hint="one of gzip, zstd, none")
        return ("tar",) if asked == "none" else (asked,)
    has = {push_forms.kind_of(layer.media_type) for layer in mine.manifest.layers} if not mine.is_local else {base}
    return ("zstd", "gzip", "tar") if "zstd" in has else ("gzip", "tar")


def assemble(mine: Own, layers: Sequence[Descriptor]) -> tuple[bytes, str]:
    """(the manifest's bytes, its media type). The config, and so the image's id, is never another."""
    if not mine.is_local and [one.digest for one in layers] == [one.digest for one in mine.manifest.layers]:
        return mine.data, mine.manifest.media_type
    # Differs from docker: an image that was built here gets OCI's media types; one that came with docker's keeps them
    before = mine.manifest
    kinds = [push_forms.kind_of(layer.media_type) for layer in layers]
    docker = mine.is_docker and "zstd" not in kinds
    described = tuple(
        was._replace(media_type=_typed(kind, now, docker), digest=now.digest, size=now.size)
        for was, now, kind in zip(before.layers, layers, kinds, strict=True)
    )
    config = before.config._replace(media_type=mediatype.DOCKER_CONFIG if docker else mediatype.CONFIG)
    made = before._replace(
        config=config, layers=described, media_type=mediatype.DOCKER_MANIFEST if docker else mediatype.MANIFEST
    )
    return made.to_bytes(), made.media_type


def _typed(kind: str, layer: Descriptor, docker: bool) -> str:
    return push_forms.media_type(kind, docker=docker) if kind else layer.media_type
