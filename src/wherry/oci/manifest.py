"""Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md and image-index.md"""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import InvalidSpec
from wherry.lean import MappingProxyType
from wherry.oci import _decode, mediatype
from wherry.oci.descriptor import Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Index", "Manifest", "encode"]

_NONE: Mapping[str, str] = MappingProxyType({})


def encode(doc: Mapping[str, Any]) -> bytes:
    """The one way wherry writes JSON whose digest matters: compact, keys in the order given."""
    return json.dumps(doc, separators=(",", ":"), ensure_ascii=False).encode()


def _subject(doc: Mapping[str, Any]) -> Descriptor | None:
    found = _decode.get_mapping(doc, "subject", "")
    return Descriptor.from_json(found, "subject") if found else None


class Manifest(NamedTuple):
    """One image for one platform, or an artifact. `layers` is base layer first.

    `subject` is the manifest that this one says something about: it makes it a referrer of that manifest.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = mediatype.MANIFEST
    annotations: Mapping[str, str] = _NONE
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises: InvalidSpec, also for an index passed off as a manifest (CVE-2021-41190)."""
        doc = _decode.load(data, "manifest", limit_bytes=4 << 20)
        if "manifests" in doc:
            raise InvalidSpec("manifest: has both the fields of a manifest and of an index")
        if _decode.get_required(doc, "schemaVersion", int, "") != 2:
            raise InvalidSpec("manifest: schemaVersion is not 2")
        return cls(
            config=Descriptor.from_json(_decode.get_required(doc, "config", dict, ""), "config"),
            layers=_decode.get_sequence(doc, "layers", "", Descriptor.from_json) or (),
            media_type=_decode.get(doc, "mediaType", str, "", mediatype.MANIFEST),
            annotations=_decode.string_map(doc, "annotations", ""),
            artifact_type=_decode.get(doc, "artifactType", str, "", ""),
            subject=_subject(doc),
        )

    def to_bytes(self) -> bytes:
        doc: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            doc["artifactType"] = self.artifact_type
        doc["config"] = self.config.to_json()
        doc["layers"] = [layer.to_json() for layer in self.layers]
        if self.subject:
            doc["subject"] = self.subject.to_json()
        if self.annotations:
            doc["annotations"] = dict(self.annotations)
        return encode(doc)


class Index(NamedTuple):
    """Several manifests under one name, for platforms or names."""

    manifests: tuple[Descriptor, ...]
    media_type: str = mediatype.INDEX
    annotations: Mapping[str, str] = _NONE
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Raises: InvalidSpec, also for a manifest passed off as an index (CVE-2021-41190)."""
        doc = _decode.load(data, "index", limit_bytes=4 << 20)
        if "layers" in doc or "config" in doc:
            raise InvalidSpec("index: has both the fields of a manifest and of an index")
        return cls(
            manifests=_decode.get_sequence(doc, "manifests", "", Descriptor.from_json) or (),
            media_type=_decode.get(doc, "mediaType", str, "", mediatype.INDEX),
            annotations=_decode.string_map(doc, "annotations", ""),
            artifact_type=_decode.get(doc, "artifactType", str, "", ""),
            subject=_subject(doc),
        )

    def to_bytes(self) -> bytes:
        doc: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            doc["artifactType"] = self.artifact_type
        doc["manifests"] = [one.to_json() for one in self.manifests]
        if self.subject:
            doc["subject"] = self.subject.to_json()
        if self.annotations:
            doc["annotations"] = dict(self.annotations)
        return encode(doc)
