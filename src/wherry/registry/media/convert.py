"""Docker's schema 2 as OCI: the same blobs under OCI's names, for layouts, whose readers take nothing else. Pure."""

from __future__ import annotations

import json

from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.manifest import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import Digest

__all__ = ["as_oci", "with_manifests"]

_TYPES = {
    mediatype.DOCKER_LIST: mediatype.INDEX,
    mediatype.DOCKER_MANIFEST: mediatype.MANIFEST,
    mediatype.DOCKER_CONFIG: mediatype.CONFIG,
    mediatype.DOCKER_LAYER: mediatype.LAYER,
    mediatype.DOCKER_LAYER_GZIP: mediatype.LAYER_GZIP,
    mediatype.DOCKER_LAYER_ZSTD: mediatype.LAYER_ZSTD,
    "application/vnd.docker.image.rootfs.foreign.diff.tar": "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    ),
}


def as_oci(data: bytes, media_type: str, replaced: Mapping[Digest, Descriptor]) -> tuple[bytes, str]:
    """A manifest or an index (and its media type) in OCI's terms. `replaced` says what became of an index's manifests.

    The very bytes when there is nothing to change; fields that this module does not know are kept. Raises: InvalidSpec.
    """
    doc = json.loads(data)
    if not isinstance(doc, dict):
        raise InvalidSpec("manifest: not an object")
    changed = False
    parts = [doc.get("config"), *(doc.get("layers") or ()), *(doc.get("manifests") or ())]
    for part in parts:
        if not isinstance(part, dict):
            continue
        now = replaced.get(part.get("digest", ""))
        if now is not None and now.digest != part["digest"]:
            part |= {"mediaType": now.media_type, "digest": str(now.digest), "size": now.size}
            changed = True
        elif part.get("mediaType") in _TYPES:
            part["mediaType"] = _TYPES[part["mediaType"]]
            changed = True
    if media_type in _TYPES:
        media_type = doc["mediaType"] = _TYPES[media_type]
        changed = True
    return (encode(doc) if changed else data), media_type


def with_manifests(data: bytes, replaced: Mapping[Digest, Descriptor]) -> bytes:
    """An index whose manifests became others: digest, size and media type of the new ones, all else as it was."""
    doc = json.loads(data)
    changed = False
    for part in doc["manifests"]:
        now = replaced.get(part["digest"])
        if now is not None and now.digest != part["digest"]:
            part |= {"mediaType": now.media_type, "digest": str(now.digest), "size": now.size}
            changed = True
    return encode(doc) if changed else data
