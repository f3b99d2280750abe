"""Artifacts as manifests with a subject."""

from __future__ import annotations

import json

import pytest

from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.trust.referrer import EMPTY, IN_TOTO, Payload, make, with_subject

SUBJECT = Descriptor(mediatype.MANIFEST, Digest.of(b"image"), 123, {"a": "b"}, Platform.of("linux", "amd64"))


def test_a_referrer_names_its_subject_and_holds_the_payload() -> None:
    payload = Payload("application/spdx+json", "application/spdx+json", b"{1}", "sbom.spdx.json", {"k": "v"})
    made = make(payload, SUBJECT)
    manifest = Manifest.from_bytes(made.manifest)
    assert manifest.artifact_type == "application/spdx+json"
    assert manifest.subject == Descriptor(mediatype.MANIFEST, SUBJECT.digest, 123)
    assert manifest.config == EMPTY
    assert [(one.digest, data) for one, data in made.blobs] == [
        (EMPTY.digest, b"{}"), (Digest.of(b"{1}"), b"{1}"),
    ]  # fmt: skip
    assert manifest.layers[0].annotations == {"org.opencontainers.image.title": "sbom.spdx.json"}
    assert made.descriptor.artifact_type == "application/spdx+json"
    assert made.descriptor.annotations == manifest.annotations == {"k": "v"}
    assert made.digest == Digest.of(made.manifest)


def test_the_empty_config_is_the_one_of_the_specification() -> None:
    assert EMPTY.digest == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_same_payload_makes_the_same_referrer() -> None:
    payload = Payload("x/y", "x/y", b"data")
    assert make(payload, SUBJECT) == make(payload, SUBJECT)


def test_a_statement_gets_the_subject_it_is_pushed_with() -> None:
    statement = json.dumps({"_type": "t", "predicateType": "p", "subject": [{"name": "old"}], "predicate": {"é": 1}})
    filled = json.loads(with_subject(statement.encode(), "localhost:5000/app", SUBJECT.digest))
    assert filled["subject"] == [{"name": "localhost:5000/app", "digest": {"sha256": SUBJECT.digest.hex}}]
    assert filled["predicate"] == {"é": 1}


@pytest.mark.parametrize("bad", [b"", b"[]", b"{}", b"[" * 100_000])
def test_what_is_no_statement_is_refused(bad: bytes) -> None:
    with pytest.raises(InvalidSpec):
        with_subject(bad, "x", SUBJECT.digest)
    assert IN_TOTO == "application/vnd.in-toto+json"
