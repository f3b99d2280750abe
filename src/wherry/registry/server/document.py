"""What a registry must know of a manifest: what it refers to. Everything else in it is the client's own.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md and image-index.md
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault

__all__ = ["LIMIT_BYTES", "Document", "read_document"]

LIMIT_BYTES = 4 << 20
_IMAGES = frozenset({mediatype.MANIFEST, mediatype.DOCKER_MANIFEST})
_KNOWN = _IMAGES | mediatype.INDEXES
_FOREIGN = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")


class Document(NamedTuple):
    """`blobs` must be in the repository; `manifests` are an index's, which may be elsewhere (sparse)."""

    media_type: str
    blobs: tuple[Digest, ...]
    manifests: tuple[Digest, ...]
    subject: Digest | None
    artifact_type: str
    """As `referrers` shows it: of an image without one it is the config's media type."""
    annotations: dict[str, str]
    """Only of a manifest with a subject: `referrers` shows them, and they may be megabytes."""


def read_document(data: bytes, content_type: str) -> Document:
    """Raises: Fault (MANIFEST_INVALID)."""
    doc = _object(data)
    stated = content_type.partition(";")[0].strip().lower()
    media_type = doc.get("mediaType", "")
    if not isinstance(media_type, str):
        raise _invalid("mediaType is not a string")
    kind = media_type or stated or (mediatype.INDEX if "manifests" in doc else mediatype.MANIFEST)
    if kind not in _KNOWN:
        raise _invalid(f"unknown media type {kind[:100]!r}")
    if stated and stated not in (kind, "application/json"):
        # CVE-2021-41190: one document must not be two things to two readers
        raise _invalid("Content-Type and mediaType differ")
    if doc.get("schemaVersion") != 2:
        raise _invalid("schemaVersion is not 2")
    subject = _descriptor(doc["subject"], "subject")[0] if doc.get("subject") is not None else None
    artifact_type = _text(doc, "artifactType")
    annotations = _annotations(doc)
    annotations = annotations if subject else {}
    if kind in mediatype.INDEXES:
        if "layers" in doc or "config" in doc:
            raise _invalid("both an index and a manifest")
        children = tuple(_descriptor(one, "manifests")[0] for one in _list(doc, "manifests"))
        return Document(kind, (), children, subject, artifact_type, annotations)
    if "manifests" in doc or "fsLayers" in doc:
        raise _invalid("both a manifest and something else")
    config, config_type, _ = _descriptor(doc.get("config"), "config")
    layers = (_descriptor(one, "layers") for one in _list(doc, "layers"))
    blobs = [digest for digest, layer_type, urls in layers if not (urls or layer_type.startswith(_FOREIGN))]
    return Document(kind, (config, *blobs), (), subject, artifact_type or config_type, annotations)


def _object(data: bytes) -> dict[str, Any]:
    try:
        doc = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _invalid("not JSON") from None
    if not isinstance(doc, dict):
        raise _invalid("not an object")
    return doc


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _descriptor(value: object, at: str) -> tuple[Digest, str, bool]:
    """(digest, media type, whether it has urls)."""
    if not isinstance(value, dict):
        raise _invalid(f"{at} is not a descriptor")
    size, media_type = value.get("size"), value.get("mediaType")
    if not isinstance(media_type, str) or type(size) is not int or size < 0:
        raise _invalid(f"{at} has no media type, or no size")
    try:
        digest = Digest.parse(str(value.get("digest")))
    except InvalidSpec:
        raise _invalid(f"{at} has no valid digest") from None
    return digest, media_type, bool(value.get("urls"))


def _list(doc: dict[str, Any], key: str) -> list[object]:
    value = doc.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _invalid(f"{key} is not a list")
    return value


def _text(doc: dict[str, Any], key: str) -> str:
    value = doc.get(key)
    if value is not None and not isinstance(value, str):
        raise _invalid(f"{key} is not a string")
    return value or ""


def _annotations(doc: dict[str, Any]) -> dict[str, str]:
    value = doc.get("annotations")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise _invalid("annotations are not strings")
    return value


def _invalid(why: str) -> Fault:
    return Fault(400, "MANIFEST_INVALID", f"the manifest is invalid: {why}")
