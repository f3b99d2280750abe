"""The Sigstore bundle: a signature with what is needed to verify it, in one JSON file.

Spec: https://github.com/sigstore/cosign/blob/v3.0.2/specs/BUNDLE_SPEC.md and
https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import _decode
from wherry.oci.manifest import encode
from wherry.trust.keys import PrivateKey, PublicKey
from wherry.trust.referrer import Payload
from wherry.trust.statement import PAYLOAD_TYPE, pae

__all__ = ["MEDIA_TYPE", "PREDICATE", "PREFIX", "Bundle", "artifact", "parse", "seal", "sign", "verifies"]

PREFIX = "application/vnd.dev.sigstore.bundle"
MEDIA_TYPE = PREFIX + ".v0.3+json"
PREDICATE = "dev.sigstore.bundle.predicateType"
LIMIT_BYTES = 64 << 20


class Bundle(NamedTuple):
    """`certificate` (DER) is b"" for a signature by a key; `has_log_entry` says whether a transparency log has it."""

    payload_type: str
    payload: bytes
    signature: bytes
    hint: str
    certificate: bytes
    has_log_entry: bool


def sign(statement: bytes, key: PrivateKey) -> bytes:
    """The bundle of a statement, signed by a key, with no entry in any log."""
    return seal(statement, key.sign(pae(PAYLOAD_TYPE, statement)), key.public.hint)


def seal(statement: bytes, signature: bytes, hint: str) -> bytes:
    """The bundle as JSON, as protobuf writes it."""
    return encode(
        {
            "mediaType": MEDIA_TYPE,
            # The empty list could be left out, but sigstore's Python model asks for it
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": _text(statement),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _text(signature)}],
            },
        }
    )


def parse(data: bytes) -> Bundle:
    """Raises: InvalidSpec, also for the bundle of a file's signature, which says nothing about an image."""
    doc = _decode.load(data, "bundle", limit_bytes=LIMIT_BYTES)
    kind = _decode.get_required(doc, "mediaType", str, "")
    if not kind.startswith(PREFIX):
        raise InvalidSpec(f"bundle: unknown mediaType {kind[:80]!r}")
    if "dsseEnvelope" not in doc:
        raise InvalidSpec("bundle: it holds the signature of a file, and no statement about an image")
    material = _decode.get_mapping(doc, "verificationMaterial", "")
    envelope = _decode.get_required(doc, "dsseEnvelope", dict, "")
    signatures = _decode.get_sequence(envelope, "signatures", "dsseEnvelope", _signature) or ()
    if len(signatures) != 1:
        raise InvalidSpec(f"dsseEnvelope.signatures: there are {len(signatures)}, and one is expected")
    key = _decode.get_mapping(material, "publicKey", "verificationMaterial")
    return Bundle(
        _decode.get_required(envelope, "payloadType", str, "dsseEnvelope"),
        _bytes(_decode.get_required(envelope, "payload", str, "dsseEnvelope"), "dsseEnvelope.payload"),
        signatures[0],
        _decode.get(key, "hint", str, "verificationMaterial.publicKey", ""),
        _certificate(material),
        bool(_decode.get(material, "tlogEntries", list, "verificationMaterial", [])),
    )


def verifies(bundle: Bundle, key: PublicKey) -> bool:
    """Whether the key's owner signed the envelope. Says nothing of what it claims."""
    return key.verifies(bundle.signature, pae(bundle.payload_type, bundle.payload))


def artifact(data: bytes, predicate_type: str, created: str) -> Payload:
    """What is pushed as a referrer. `created` is RFC 3339; "" leaves it out."""
    annotations = {"dev.sigstore.bundle.content": "dsse-envelope", PREDICATE: predicate_type}
    if created:
        annotations["org.opencontainers.image.created"] = created
    return Payload(MEDIA_TYPE, MEDIA_TYPE, data, annotations=annotations)


def _signature(doc: Any, at: str) -> bytes:
    return _bytes(_decode.get_required(doc, "sig", str, at), f"{at}.sig")


def _certificate(material: Mapping[str, Any]) -> bytes:
    at = "verificationMaterial.certificate"
    if one := _decode.get_mapping(material, "certificate", "verificationMaterial"):
        return _bytes(_decode.get_required(one, "rawBytes", str, at), at)
    chain = _decode.get_mapping(material, "x509CertificateChain", "verificationMaterial")
    certificates = _decode.get(chain, "certificates", list, at, [])
    return _bytes(_decode.get_required(certificates[0], "rawBytes", str, at), at) if certificates else b""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSpec(f"{at}: not base64") from None
