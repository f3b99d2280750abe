"""What is attached to a local image, and what a push makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine.attach import attach, attachments, detach, local_referrers
from wherry.errors import NotFound
from wherry.host.fake import FakeHost
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings
from wherry.store.images import ImageRecord
from wherry.trust.referrer import IN_TOTO, Payload

SUBJECT = Descriptor(mediatype.MANIFEST, Digest.of(b"pushed"), 7)
NAME = Reference.parse("localhost:5000/shop/api:1")
SBOM = Payload("application/spdx+json", "application/spdx+json", b'{"spdx":1}', "sbom.spdx.json")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, 1000, "/")
    with Engine(settings, FakeHost()) as made:
        yield made


@pytest.fixture
def image(engine: Engine) -> ImageRecord:
    return engine.image_store.create(ImageConfig(Platform("linux", "amd64")), [NAME])


def test_an_image_with_nothing_attached_has_no_referrers(engine: Engine, image: ImageRecord) -> None:
    assert list(local_referrers(engine, image, SUBJECT, NAME)) == []


def test_what_was_attached_is_pushed_as_a_referrer_of_what_was_pushed(engine: Engine, image: ImageRecord) -> None:
    attach(engine, image, SBOM)
    (one,) = local_referrers(engine, image, SUBJECT, NAME)
    manifest = Manifest.from_bytes(one.manifest)
    assert manifest.subject == SUBJECT
    assert manifest.artifact_type == "application/spdx+json"
    assert one.blobs[1][1] == SBOM.data
    assert [one] == list(local_referrers(engine, image, SUBJECT, NAME))


def test_a_statement_is_about_the_pushed_manifest_and_the_name(engine: Engine, image: ImageRecord) -> None:
    attach(engine, image, Payload(IN_TOTO, IN_TOTO, b'{"predicateType":"p","subject":[],"predicate":{}}'))
    (one,) = local_referrers(engine, image, SUBJECT, NAME)
    subject = json.loads(one.blobs[1][1])["subject"]
    assert subject == [{"name": "localhost:5000/shop/api", "digest": {"sha256": SUBJECT.digest.hex}}]


def test_attaching_twice_keeps_one(engine: Engine, image: ImageRecord) -> None:
    attach(engine, image, SBOM)
    attach(engine, image, SBOM)
    assert [(one.artifact_type, one.size, one.title) for one in attachments(engine, image)] == [
        ("application/spdx+json", 10, "sbom.spdx.json")
    ]


def test_a_new_sbom_takes_the_place_of_the_old_one(engine: Engine, image: ImageRecord) -> None:
    attach(engine, image, SBOM)
    attach(engine, image, Payload("text/plain", "text/plain", b"kept"))
    attach(engine, image, SBOM._replace(data=b'{"spdx":2}'), replace=True)
    found = attachments(engine, image)
    assert [one.digest for one in found] == [Digest.of(b'{"spdx":2}'), Digest.of(b"kept")]


def test_collection_keeps_what_is_attached_and_takes_what_is_not(engine: Engine, image: ImageRecord) -> None:
    kept, gone = attach(engine, image, SBOM), attach(engine, image, Payload("t/t", "t/t", b"gone"))
    detach(engine, image, gone.digest)
    engine.collector.collect()
    assert engine.blobs.has(kept.digest)
    assert not engine.blobs.has(gone.digest)


def test_attachments_go_with_their_image(engine: Engine, image: ImageRecord) -> None:
    one = attach(engine, image, SBOM)
    engine.images.remove(image.id)
    engine.collector.collect()
    assert attachments(engine, image) == []
    assert not engine.blobs.has(one.digest)


def test_nothing_is_attached_to_an_image_that_is_gone(engine: Engine, image: ImageRecord) -> None:
    engine.images.remove(image.id)
    with pytest.raises(NotFound):
        attach(engine, image, SBOM)
    with pytest.raises(NotFound):
        detach(engine, image, Digest.of(b"x"))
