from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.shelf import Registries, Shelf, encode, reset
from tests.unit.engine.test_pull import add, fresh
from tests.unit.store.archives import layer_tar, sha
from wherry.build.progress import Quiet
from wherry.build.travel_document import ARTIFACT, BUILDKIT, MEDIA_TYPE, CacheDocument, CarriedLayer, Step, Trace
from wherry.build.travel_spec import parse_from, parse_to
from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.cache_export import manifest_of
from wherry.engine.cache_import import Imports
from wherry.errors import Cancelled, Unauthorized
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest

ONE, TWO = layer_tar(one="1"), layer_tar(two="2")
KEY, OTHER = "a" * 64, "b" * 64


class Referring(Shelf):
    """With the referrers API."""

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        self.asked.append(f"REFERRERS {digest[:19]}")
        found = []
        for name, (data, media_type) in self.manifests.items():
            subject = json.loads(data).get("subject") if media_type == mediatype.MANIFEST else None
            if subject and (subject["digest"] == digest or "any" in self.names):
                found.append(Descriptor(media_type, Digest(name), len(data), artifact_type=ARTIFACT))
        return found


class Notes(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.started: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, key: str, name: str) -> None:
        self.started.append(name)


class Lab:
    def __init__(self, engine: Engine, stack: ExitStack) -> None:
        self.engine, self.stack = engine, stack
        self.shelf = Referring()
        engine.__dict__["registries"] = Registries(home=self.shelf)
        self.progress, self.cancel = Notes(), Cancel()

    def blob(self, tar: bytes, data: bytes | None = None) -> CarriedLayer:
        """The layer on the shelf; `data` instead of its bytes."""
        found = self.shelf.put(gzip.compress(tar, mtime=0) if data is None else data, mediatype.LAYER_GZIP)
        blob = Descriptor(found["mediaType"], Digest(found["digest"]), found["size"])
        return CarriedLayer(DiffID(sha(tar)), blob)

    def publish(self, document: CacheDocument, *, named: Sequence[CarriedLayer] | None = None, how: str = "") -> None:
        """As --cache-to does; `named` are the layers that the manifest names."""
        data = document.to_bytes()
        made = self.shelf.put(data, MEDIA_TYPE)
        config = Descriptor(MEDIA_TYPE, Digest(made["digest"]), made["size"])
        spec = parse_to(f"type=registry,ref=home/app:cache{how}")
        layers = document.layers if named is None else tuple(named)
        manifest, media_type = manifest_of(document._replace(layers=layers), config, spec)
        self.shelf.tag("cache", manifest, media_type)

    def imports(self, *texts: str) -> Imports:
        lease = self.stack.enter_context(self.engine.leases.hold("test"))
        specs = [parse_from(text) for text in texts or ("home/app:cache",)]
        return Imports(self.engine, specs, lease, self.progress, self.cancel)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with fresh(tmp_path) as engine, ExitStack() as stack:
        yield Lab(engine, stack)


def document(*layers: CarriedLayer) -> CacheDocument:
    return CacheDocument(layers, (Step(KEY, "RUN one", tuple(one.diff_id for one in layers)),))


@pytest.mark.parametrize("how", ["", ",image-manifest=false", ",oci-mediatypes=false",
                                 ",image-manifest=false,oci-mediatypes=false"])  # fmt: skip
def test_a_layer_comes_when_it_is_asked_for_and_not_before(lab: Lab, how: str) -> None:
    lab.publish(document(lab.blob(ONE), lab.blob(TWO)), how=how)
    imports = lab.imports()
    assert lab.shelf.asked == []
    (found,) = imports.find(KEY)
    assert (found.source, found.what) == ("home/app:cache", "RUN one")
    assert not [one for one in lab.shelf.asked if one.startswith("BLOB")][1:]
    assert imports.fetch(found.layers)
    assert Path(lab.engine.layers.path(found.layers[1]), "two").read_text() == "2"
    assert imports.find(OTHER) == []
    assert lab.progress.notes == []


def test_the_first_cache_that_was_named_comes_first(lab: Lab) -> None:
    lab.publish(document(lab.blob(ONE)))
    lab.shelf.names["old"] = lab.shelf.names["cache"]
    lab.publish(document(lab.blob(TWO)))
    found = lab.imports("home/app:old", "home/app:cache").find(KEY)
    assert [one.source for one in found] == ["home/app:old", "home/app:cache"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("home/app:nothing", "failed to configure registry cache importer: home/app:nothing: no such manifest"),
        ("type=local,src=/nowhere", "failed to configure local cache importer: /nowhere: could not read"),
        ("type=gha,scope=main", "failed to configure gha cache importer: gha:main: there is no GitHub cache here"),
    ],
)
def test_a_cache_that_is_not_there_is_said_once_and_costs_nothing_else(lab: Lab, spec: str, said: str) -> None:
    imports = lab.imports(spec)
    assert imports.find(KEY) == []
    assert imports.fetch([DiffID(sha(ONE))]) is False
    (note,) = lab.progress.notes
    assert note.startswith(said)


def test_a_login_that_is_missing_is_said_with_its_remedy(lab: Lab) -> None:
    lab.shelf.fault = Unauthorized("denied", hint="wherry login home")
    assert lab.imports().find(KEY) == []
    assert lab.progress.notes == [
        "failed to configure registry cache importer: home/app:cache: denied (wherry login home)"
    ]


def test_a_layer_that_is_gone_is_a_miss_and_the_rest_is_still_used(lab: Lab) -> None:
    one, two = lab.blob(ONE), lab.blob(TWO)
    lab.publish(CacheDocument((one, two), (Step(KEY, "", (one.diff_id,)), Step(OTHER, "", (two.diff_id,)))))
    assert one.blob
    del lab.shelf.blobs[one.blob.digest]
    imports = lab.imports()
    assert not imports.fetch([one.diff_id])
    assert imports.find(KEY) == []
    (other,) = imports.find(OTHER)
    assert imports.fetch(other.layers)
    (note,) = lab.progress.notes
    assert "did not give what it has" in note


def test_a_registry_that_goes_away_is_not_waited_for_at_each_step(lab: Lab) -> None:
    one, two = lab.blob(ONE), lab.blob(TWO)
    lab.publish(CacheDocument((one, two), (Step(KEY, "", (one.diff_id,)), Step(OTHER, "", (two.diff_id,)))))
    assert one.blob
    lab.shelf.instead[one.blob.digest] = reset
    imports = lab.imports()
    assert not imports.fetch([one.diff_id])
    assert imports.find(OTHER) == []
    assert not imports.fetch([two.diff_id])
    assert len(lab.progress.notes) == 1


def test_ctrl_c_in_a_fetch_ends_the_build(lab: Lab) -> None:
    lab.publish(document(lab.blob(ONE)))
    imports = lab.imports()
    imports.find(KEY)
    lab.cancel.set("Ctrl-C")
    with pytest.raises(Cancelled):
        imports.fetch([DiffID(sha(ONE))])


# -- attacks ----------------------------------------------------------------------------------------------------------


def refused(lab: Lab, *, said: str) -> None:
    assert lab.imports().find(KEY) == []
    (note,) = lab.progress.notes
    assert said in note


def test_a_document_may_not_name_other_blobs_of_the_registry(lab: Lab) -> None:
    mine, other = lab.blob(ONE), lab.blob(TWO)
    lab.publish(document(mine, other), named=[mine])
    refused(lab, said="is none of its manifest's")


def test_a_document_may_not_name_what_is_no_layer(lab: Lab) -> None:
    found = lab.blob(ONE)
    assert found.blob
    lab.publish(document(found._replace(blob=found.blob._replace(media_type="application/json"))))
    refused(lab, said="is no layer but application/json")


def test_a_document_without_blobs_is_none_of_a_registry(lab: Lab) -> None:
    lab.publish(document(CarriedLayer(DiffID(sha(ONE)))))
    refused(lab, said="is none of its manifest's")


def test_the_right_digest_of_another_content_is_no_layer(lab: Lab) -> None:
    """The blob is what the document says; unpacked it is not what the step is said to give."""
    lab.publish(document(lab.blob(ONE, gzip.compress(TWO, mtime=0))))
    imports = lab.imports()
    assert not imports.fetch([DiffID(sha(ONE))])
    assert not lab.engine.layers.has(DiffID(sha(ONE)))
    assert not lab.engine.layers.has(DiffID(sha(TWO)))
    assert "layer content (diff id)" in lab.progress.notes[0]
    assert imports.find(KEY) == []


def test_bytes_of_another_digest_are_no_layer(lab: Lab) -> None:
    found = lab.blob(ONE)
    lab.publish(document(found))
    assert found.blob
    lab.shelf.blobs[found.blob.digest] = gzip.compress(layer_tar(one="x"), mtime=0)
    assert not lab.imports().fetch([found.diff_id])
    assert not lab.engine.layers.has(found.diff_id)


def test_a_layer_that_climbs_out_is_no_layer(lab: Lab) -> None:
    evil = layer_tar(**{"..__..__evil": "x"})
    lab.publish(document(lab.blob(evil)))
    assert not lab.imports().fetch([DiffID(sha(evil))])
    assert not list(Path(lab.engine.settings.paths.root).parent.glob("**/evil"))


def test_a_huge_document_is_not_read(lab: Lab) -> None:
    size = 64 << 20
    config = Descriptor(MEDIA_TYPE, Digest.of(b"x"), size)
    lab.shelf.tag("cache", Manifest(config, (), artifact_type=ARTIFACT).to_bytes(), mediatype.MANIFEST)
    refused(lab, said=f"{16 << 20} bytes")
    assert not [one for one in lab.shelf.asked if one.startswith("BLOB")]


def test_an_index_that_names_itself_comes_to_an_end(lab: Lab) -> None:
    """The digest can't be right, so a registry that lies about it stands for one."""
    entry = Descriptor(mediatype.INDEX, Digest.of(b"loop"), 10)
    data = Index((entry,)).to_bytes()
    lab.shelf.manifests[entry.digest] = (data, mediatype.INDEX)
    lab.shelf.names["cache"] = entry.digest
    refused(lab, said="")


def test_a_cache_of_buildkit_is_told_from_a_broken_one(lab: Lab) -> None:
    config = Descriptor(BUILDKIT, Digest.of(b"x"), 10)
    for data, kind in (
        (Manifest(config, ()).to_bytes(), mediatype.MANIFEST),
        (Index((config,)).to_bytes(), mediatype.INDEX),
    ):
        lab.progress.notes.clear()
        lab.shelf.tag("cache", data, kind)
        refused(lab, said="is a cache that BuildKit made")


# -- the cache of an image --------------------------------------------------------------------------------------------


def attach(lab: Lab, subject: dict[str, Any], document: CacheDocument) -> None:
    payload = lab.shelf.put(document.to_bytes(), MEDIA_TYPE)
    empty = lab.shelf.put(b"{}", mediatype.EMPTY)
    manifest = {
        "schemaVersion": 2, "mediaType": mediatype.MANIFEST, "artifactType": ARTIFACT, "config": empty,
        "layers": [payload], "subject": subject,
    }  # fmt: skip
    lab.shelf.tag("", encode(manifest), mediatype.MANIFEST)


def bare(*tars: bytes) -> CacheDocument:
    return document(*(CarriedLayer(DiffID(sha(one))) for one in tars))


def test_the_cache_of_an_image_has_the_images_layers(lab: Lab) -> None:
    subject = add(lab.shelf, ONE, TWO, tag="cache")
    attach(lab, subject, bare(TWO))
    imports = lab.imports()
    (found,) = imports.find(KEY)
    assert imports.fetch(found.layers)
    assert Path(lab.engine.layers.path(DiffID(sha(TWO))), "two").read_text() == "2"
    assert not lab.engine.layers.has(DiffID(sha(ONE)))


def test_the_cache_of_an_image_names_no_layer_that_the_image_has_not(lab: Lab) -> None:
    attach(lab, add(lab.shelf, ONE, tag="cache"), bare(TWO))
    lab.blob(TWO)
    assert lab.imports().find(KEY) == []


def test_a_foreign_layer_is_fetched_from_nowhere(lab: Lab) -> None:
    made = json.loads(lab.shelf.blobs[add(lab.shelf, ONE, tag="cache")["digest"]])
    made["layers"][0]["urls"] = ["https://evil.example/layer"]
    attach(lab, lab.shelf.tag("cache", encode(made), mediatype.MANIFEST), bare(ONE))
    assert lab.imports().find(KEY) == []


def test_what_refers_to_another_image_is_not_believed(lab: Lab) -> None:
    add(lab.shelf, ONE, tag="cache")
    attach(lab, add(lab.shelf, TWO, tag="other"), bare(ONE))
    lab.shelf.names["any"] = ""
    assert lab.imports().find(KEY) == []


def test_an_image_without_a_cache_is_said(lab: Lab) -> None:
    add(lab.shelf, ONE, tag="cache")
    refused(lab, said="is an image without a cache")


def test_traces_come_with_their_source(lab: Lab) -> None:
    one = lab.blob(ONE)
    trace = Trace(OTHER, KEY, "RUN pip", b"set", (one.diff_id,))
    lab.publish(CacheDocument((one,), (), (trace,)))
    imports = lab.imports()
    assert imports.traces(OTHER) == [trace]
    assert [found.source for found in imports.find(KEY)] == ["home/app:cache"]
