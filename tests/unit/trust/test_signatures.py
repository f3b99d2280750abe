"""The two layouts of signatures as documents: written, read, and read when they are wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.trust import bundle, simple_signing, statement
from wherry.trust.keys import PrivateKey, generate, load_private

DIGEST = Digest.of(b"image")


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    private, _ = generate(b"", cost=2)
    return load_private(private, lambda: b"", "key")


def test_the_older_payload_has_cosigns_fields_in_its_order() -> None:
    assert simple_signing.payload(DIGEST, "localhost:5000/app").decode() == (
        '{"critical":{"identity":{"docker-reference":"localhost:5000/app"},"image":{"docker-manifest-digest":"'
        f'{DIGEST}"}},"type":"cosign container image signature"}},"optional":null}}'
    )


def test_a_payload_there_and_back() -> None:
    said = simple_signing.claim(simple_signing.payload(DIGEST, "r/x", {"env": "prod"}))
    assert said == (str(DIGEST), "r/x", {"env": "prod"})


@pytest.mark.parametrize(
    "bad",
    [
        "", "[]", "{}", '{"critical":1}', '{"critical":{"type":"other","image":{"docker-manifest-digest":"x"}}}',
        '{"critical":{"type":"cosign container image signature"}}',
        '{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":5}}}', "[" * 50_000,
    ],
)  # fmt: skip
def test_a_payload_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(InvalidSpec):
        simple_signing.claim(bad.encode())


def test_a_second_signature_stands_behind_the_first() -> None:
    first, config, layer = simple_signing.add_layer(None, b"one", b"sig1")
    manifest = Manifest.from_bytes(first)
    assert manifest.layers == (layer,)
    assert manifest.config.digest == Digest.of(config)
    second, config, _ = simple_signing.add_layer(manifest, b"two", b"sig2")
    both = Manifest.from_bytes(second).layers
    assert [simple_signing.signature_of(one) for one in both] == [b"sig1", b"sig2"]
    assert {one.media_type for one in both} == {simple_signing.MEDIA_TYPE}
    assert json.loads(config)["rootfs"]["diff_ids"] == [str(one.digest) for one in both]


def test_the_tag_of_the_older_layout() -> None:
    assert simple_signing.tag_of(DIGEST) == f"sha256-{DIGEST.hex}.sig"


@pytest.mark.parametrize(
    "annotations",
    [{}, {simple_signing.SIGNATURE: ""}, {simple_signing.SIGNATURE: "%%%"}, {simple_signing.SIGNATURE: "é"}],
)
def test_a_stripped_signature_is_told(annotations: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec):
        simple_signing.signature_of(Descriptor(simple_signing.MEDIA_TYPE, DIGEST, 1, annotations))


def test_the_encoding_before_signing_is_the_protocols_own_example() -> None:
    """The test vector of DSSE's protocol text."""
    assert statement.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_bundle_there_and_back(key: PrivateKey) -> None:
    said = statement.image_signature(DIGEST, "r/x")
    made = bundle.parse(bundle.sign(said, key))
    assert made.payload == said
    assert made.payload_type == "application/vnd.in-toto+json"
    assert made.hint == key.public.hint
    assert made.certificate == b""
    assert not made.has_log_entry
    assert bundle.verifies(made, key.public)
    parsed = statement.parse(made.payload)
    assert parsed.predicate_type == "https://sigstore.dev/cosign/sign/v1"
    assert parsed.subjects == (("r/x", {"sha256": DIGEST.hex}, {}),)


@pytest.mark.parametrize("field", ["payload", "payload_type", "signature"])
def test_a_bundle_with_one_thing_changed_does_not_verify(key: PrivateKey, field: str) -> None:
    made = bundle.parse(bundle.sign(statement.image_signature(DIGEST, "r/x"), key))
    other = {"payload": made.payload + b" ", "payload_type": "text/plain", "signature": made.signature[:-2]}
    assert not bundle.verifies(made._replace(**{field: other[field]}), key.public)


def document(**changes: Any) -> bytes:
    doc: dict[str, Any] = {
        "mediaType": bundle.MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {"payload": "e30=", "payloadType": "t", "signatures": [{"sig": "AAAA"}]},
    }
    doc |= changes
    return json.dumps({name: value for name, value in doc.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mediaType": "text/plain"}, "mediaType"),
        ({"dsseEnvelope": None, "messageSignature": {}}, "signature of a file"),
        ({"dsseEnvelope": {"payload": "e30=", "payloadType": "t", "signatures": []}}, "there are 0"),
        ({"dsseEnvelope": {"payload": "e30=", "payloadType": "t", "signatures": [{"sig": "AA=="}] * 2}}, "there are 2"),
        ({"dsseEnvelope": {"payload": "é", "payloadType": "t", "signatures": [{"sig": "AA=="}]}}, "not base64"),
        ({"dsseEnvelope": {"payload": "e30=", "payloadType": 7, "signatures": [{"sig": "AA=="}]}}, "payloadType"),
        ({"verificationMaterial": []}, "verificationMaterial"),
    ],
)
def test_a_bundle_that_is_wrong_is_refused_with_the_place(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidSpec, match=word):
        bundle.parse(document(**changes))


def test_a_bundle_with_a_certificate_and_a_log_entry_is_read() -> None:
    der = base64.b64encode(b"der").decode()
    one = bundle.parse(document(verificationMaterial={"certificate": {"rawBytes": der}, "tlogEntries": [{}]}))
    assert (one.certificate, one.has_log_entry) == (b"der", True)
    chain = bundle.parse(document(verificationMaterial={"x509CertificateChain": {"certificates": [{"rawBytes": der}]}}))
    assert (chain.certificate, chain.has_log_entry) == (b"der", False)


def test_the_artifact_of_a_bundle_carries_what_cosign_looks_for() -> None:
    made = bundle.artifact(b"{}", statement.SIGN_PREDICATE, "2026-01-01T00:00:00Z")
    assert made.artifact_type == made.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert made.annotations == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
        "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
    }
    assert mediatype.MANIFEST


@given(st.binary(max_size=64))
def test_any_bytes_are_an_error_and_no_crash(data: bytes) -> None:
    for read in (bundle.parse, statement.parse, simple_signing.claim):
        with pytest.raises(InvalidSpec):
            read(data)
