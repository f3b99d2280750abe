"""The older layout of cosign's signatures: a small JSON text that names the image, signed as it is.

Spec: https://github.com/containers/image/blob/v5.36.0/docs/containers-signature.5.md and
https://github.com/sigstore/cosign/blob/v2.5.0/specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import _decode, mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest, encode

__all__ = ["MEDIA_TYPE", "SIGNATURE", "Claim", "add_layer", "claim", "payload", "signature_of", "tag_of"]

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
TYPE = "cosign container image signature"
LIMIT_BYTES = 1 << 20
_NONE: Mapping[str, str] = MappingProxyType({})


class Claim(NamedTuple):
    """What a signer said: this digest, under this name ("" when no name was signed), with these remarks."""

    digest: str
    repository: str
    annotations: Mapping[str, str] = _NONE


def tag_of(digest: Digest) -> str:
    """Where the signatures of an image are: "sha256-HEX.sig"."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def payload(digest: Digest, repository: str, annotations: Mapping[str, str] = _NONE) -> bytes:
    """The text to sign."""
    return encode(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": str(digest)},
                "type": TYPE,
            },
            "optional": dict(annotations) or None,
        }
    )


def claim(data: bytes) -> Claim:
    """What a signed text claims. Raises: InvalidSpec."""
    doc = _decode.load(data, "signed payload", limit_bytes=LIMIT_BYTES)
    critical = _decode.get_required(doc, "critical", dict, "")
    kind = _decode.get_required(critical, "type", str, "critical")
    if kind not in {TYPE, "atomic container signature"}:
        raise InvalidSpec(f"critical.type: {kind[:80]!r} is no signature of a container image")
    image = _decode.get_required(critical, "image", dict, "critical")
    identity = _decode.get_mapping(critical, "identity", "critical")
    optional = _decode.get_mapping(doc, "optional", "")
    return Claim(
        _decode.get_required(image, "docker-manifest-digest", str, "critical.image"),
        _decode.get(identity, "docker-reference", str, "critical.identity", ""),
        {key: value for key, value in optional.items() if isinstance(value, str)},
    )


def signature_of(layer: Descriptor) -> bytes:
    """The signature that stands beside a signed text. Raises: InvalidSpec when there is none."""
    try:
        found = base64.b64decode(layer.annotations.get(SIGNATURE, ""), validate=True)
    except ValueError:
        # binascii.Error is one; text beyond ASCII raises its parent
        raise InvalidSpec("the signature is not base64") from None
    if not found:
        raise InvalidSpec("the signature is missing: it was stripped, or never there")
    return found


def add_layer(older: Manifest | None, signed: bytes, signature: bytes) -> tuple[bytes, bytes, Descriptor]:
    """(manifest, config, the signed text's descriptor) for `tag_of`, behind the signatures that are there."""
    layer = Descriptor(MEDIA_TYPE, Digest.of(signed), len(signed), {SIGNATURE: base64.b64encode(signature).decode()})
    layers = (*(older.layers if older else ()), layer)
    # Tools take it for an image: it has a config, whose diff ids are those of the texts
    config = encode(
        {
            "architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
            "history": [{"created": "0001-01-01T00:00:00Z"} for _ in layers],
            "rootfs": {"type": "layers", "diff_ids": [str(one.digest) for one in layers]},
        }
    )  # fmt: skip
    described = Descriptor(mediatype.CONFIG, Digest.of(config), len(config))
    return Manifest(described, layers).to_bytes(), config, layer
