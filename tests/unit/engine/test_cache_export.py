from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wherry.build.travel_document import ARTIFACT, MEDIA_TYPE, CacheDocument, CarriedLayer, Step, Trace
from wherry.build.travel_spec import parse_to
from wherry.engine import cache_export
from wherry.engine.cache_export import Export, manifest_of
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest

BLOB = Descriptor(mediatype.LAYER_GZIP, Digest.of(b"x"), 10)
CONFIG = Descriptor(MEDIA_TYPE, Digest.of(b"c"), 20)
DOCUMENT = CacheDocument((CarriedLayer(DiffID.of(b"1"), BLOB),))


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("", mediatype.MANIFEST),
        (",oci-mediatypes=false", mediatype.DOCKER_MANIFEST),
        (",image-manifest=false", mediatype.INDEX),
        (",image-manifest=false,oci-mediatypes=false", mediatype.DOCKER_LIST),
    ],
)
def test_every_kind_of_manifest_names_the_layers_and_the_document(how: str, kind: str) -> None:
    data, media_type = manifest_of(DOCUMENT, CONFIG, parse_to(f"type=registry,ref=a{how}"))
    assert media_type == kind
    if kind in mediatype.INDEXES:
        index = Index.from_bytes(data)
        assert (index.manifests, index.media_type) == ((BLOB, CONFIG), kind)
    else:
        manifest = Manifest.from_bytes(data)
        assert (manifest.config, manifest.layers, manifest.media_type) == (CONFIG, (BLOB,), kind)
        assert manifest.artifact_type == (ARTIFACT if kind == mediatype.MANIFEST else "")


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def export(*own: DiffID) -> tuple[Export, list[str]]:
    progress: Any = Notes()
    image: Any = SimpleNamespace(layers=own)
    nothing: Any = None
    return Export(nothing, nothing, image, progress, nothing), progress.notes


def test_of_too_many_layers_the_images_own_are_kept() -> None:
    layers = [DiffID.of(b"%d" % number) for number in range(1200)]
    document = CacheDocument(tuple(map(CarriedLayer, layers)), tuple(Step("a" * 64, "", (one,)) for one in layers))
    job, notes = export(*layers[-5:])
    found = cache_export._bounded(job, document)
    assert len(found.layers) == len(found.steps) == 999
    assert {one.diff_id for one in found.layers} >= set(layers[-5:])
    assert notes == ["the cache has 1200 layers: only 999 of them are exported"]
    assert CacheDocument.from_bytes(found.to_bytes()) == found


def test_of_too_much_that_was_read_the_largest_is_left_out() -> None:
    one = DiffID.of(b"1")
    sizes = (100, 3 << 20, 2 << 20, 200)
    traces = tuple(Trace(f"{number}" * 64, "c" * 64, "", bytes(size), (one,)) for number, size in enumerate(sizes))
    job, notes = export(one)
    found = cache_export._bounded(job, CacheDocument((CarriedLayer(one),), (), traces))
    assert [len(trace.paths) for trace in found.traces] == [100, 2 << 20, 200]
    assert notes == ["what 1 steps read is too much for a cache: it is left out"]
    assert CacheDocument.from_bytes(found.to_bytes()) == found
