"""in-toto statements in DSSE envelopes: what a Sigstore bundle signs.

Spec: https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md and
https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import _decode
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode

__all__ = ["PAYLOAD_TYPE", "SIGN_PREDICATE", "Statement", "Subject", "image_signature", "pae", "parse"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_TYPES = frozenset({STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"})
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
LIMIT_BYTES = 64 << 20
_NONE: Mapping[str, str] = MappingProxyType({})


class Subject(NamedTuple):
    """`name` is "" when none was signed; `digests` maps algorithms to hex."""

    name: str
    digests: Mapping[str, str]
    annotations: Mapping[str, str] = _NONE


class Statement(NamedTuple):
    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is really signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def image_signature(digest: Digest, repository: str, annotations: Mapping[str, str] = _NONE) -> bytes:
    """The statement with which cosign 3 signs an image.

    Ours names the repository in the subject, which cosign leaves out: so a signature that was carried to another
    repository can be told.
    """
    return encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": repository, "digest": {digest.algorithm: digest.hex}, "annotations": dict(annotations)}
            ],
            "predicateType": SIGN_PREDICATE,
            "predicate": {},
        }
    )


def parse(data: bytes) -> Statement:
    """Raises: InvalidSpec."""
    doc = _decode.load(data, "in-toto statement", limit_bytes=LIMIT_BYTES)
    kind = _decode.get_required(doc, "_type", str, "")
    if kind not in _TYPES:
        raise InvalidSpec(f"in-toto statement: unknown _type {kind[:80]!r}")
    return Statement(
        _decode.get_required(doc, "predicateType", str, ""),
        _decode.get_sequence(doc, "subject", "", _subject) or (),
        _decode.get_mapping(doc, "predicate", ""),
    )


def _subject(doc: Any, at: str) -> Subject:
    remarks = _decode.get_mapping(doc, "annotations", at)
    return Subject(
        _decode.get(doc, "name", str, at, ""),
        _decode.string_map(doc, "digest", at),
        {key: value for key, value in remarks.items() if isinstance(value, str)},
    )
