"""Artifacts that refer to an image: the manifest with a subject, and the statement that names it.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest, encode

__all__ = ["EMPTY", "EMPTY_BYTES", "IN_TOTO", "Payload", "Referrer", "make", "with_subject"]

IN_TOTO = "application/vnd.in-toto+json"
EMPTY_BYTES = b"{}"
EMPTY = Descriptor(mediatype.EMPTY, Digest.of(EMPTY_BYTES), len(EMPTY_BYTES))
_NONE: Mapping[str, str] = MappingProxyType({})
_LIMIT_BYTES = 64 << 20


class Payload(NamedTuple):
    """What an artifact says. `annotations` go into its manifest; `title` is the file name it gets when it is fetched.

    A payload of the media type IN_TOTO is a statement; its `subject` may be empty until the image's digest is known.
    """

    artifact_type: str
    media_type: str
    data: bytes
    title: str = ""
    annotations: Mapping[str, str] = _NONE


class Referrer(NamedTuple):
    """An artifact ready to be pushed: first the blobs, then the manifest, by its digest."""

    manifest: bytes
    artifact_type: str
    blobs: tuple[tuple[Descriptor, bytes], ...]
    annotations: Mapping[str, str] = _NONE

    @property
    def digest(self) -> Digest:
        """Of the manifest."""
        return Digest.of(self.manifest)

    @property
    def media_type(self) -> str:
        """Of the manifest."""
        return mediatype.MANIFEST

    @property
    def descriptor(self) -> Descriptor:
        """As the list of referrers has it."""
        return Descriptor(
            mediatype.MANIFEST, self.digest, len(self.manifest), self.annotations, artifact_type=self.artifact_type
        )


def make(payload: Payload, subject: Descriptor) -> Referrer:
    """The same bytes for the same payload and subject: pushed twice, it is there once."""
    data = payload.data
    layer_annotations = {"org.opencontainers.image.title": payload.title} if payload.title else {}
    layer = Descriptor(payload.media_type, Digest.of(data), len(data), layer_annotations)
    manifest = Manifest(
        EMPTY,
        (layer,),
        annotations=payload.annotations,
        artifact_type=payload.artifact_type,
        # Only what identifies it: the platform and annotations of an index entry are no part of a subject
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
    )
    blobs = ((EMPTY, EMPTY_BYTES), (layer, data))
    return Referrer(manifest.to_bytes(), payload.artifact_type, blobs, payload.annotations)


def with_subject(statement: bytes, name: str, digest: Digest) -> bytes:
    """An in-toto statement about the manifest `digest`, whatever subject it had. Raises: InvalidSpec.

    Spec: https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md
    """
    if len(statement) > _LIMIT_BYTES:
        raise InvalidSpec(f"in-toto statement: {len(statement)} bytes is too much")
    try:
        doc = json.loads(statement)
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"in-toto statement: not JSON: {fault}") from None
    if not isinstance(doc, dict) or "predicateType" not in doc:
        raise InvalidSpec("in-toto statement: it has no predicateType")
    doc["subject"] = [{"name": name, "digest": {digest.algorithm: digest.hex}}]
    return encode(doc)
