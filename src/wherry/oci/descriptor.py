"""Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md"""

from __future__ import annotations

from wherry.errors import InvalidSpec
from wherry.lean import MappingProxyType
from wherry.oci import _decode
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Descriptor"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Descriptor(NamedTuple):
    """What a blob is: its media type, the digest of its bytes as stored, and its size in bytes.

    `artifact_type` is what the artifact behind a manifest is, "" when nobody said; `urls` is where a foreign layer is.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = _NONE
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, doc: Mapping[str, Any], at: str = "") -> Descriptor:
        """Raises: InvalidSpec."""
        size = _decode.get_required(doc, "size", int, at)
        if size < 0:
            # A negative size would turn every "read at most size" into "read all"
            raise InvalidSpec(f"{at}.size: {size} is negative")
        if size >= 1 << 63:
            raise InvalidSpec(f"{at}.size: not a number of 64 bits")
        platform = None
        if where := _decode.get_mapping(doc, "platform", at):
            platform = Platform.of(
                _decode.get_required(where, "os", str, f"{at}.platform"),
                _decode.get_required(where, "architecture", str, f"{at}.platform"),
                _decode.get(where, "variant", str, f"{at}.platform", ""),
            )
        return cls(
            media_type=_decode.get_required(doc, "mediaType", str, at),
            digest=Digest.parse(_decode.get_required(doc, "digest", str, at)),
            size=size,
            annotations=_decode.string_map(doc, "annotations", at),
            platform=platform,
            artifact_type=_decode.get(doc, "artifactType", str, at, ""),
            urls=_decode.get_sequence(doc, "urls", at, _decode.string) or (),
        )

    def to_json(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            doc["urls"] = list(self.urls)
        if self.annotations:
            doc["annotations"] = dict(self.annotations)
        if self.platform:
            doc["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                doc["platform"]["variant"] = self.platform.variant
        if self.artifact_type:
            doc["artifactType"] = self.artifact_type
        return doc
