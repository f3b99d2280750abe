from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.archives import sha
from wherry.errors import InvalidSpec, NotFound, Unsupported, WherryError
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform
from wherry.registry.client import FetchedManifest
from wherry.registry.select import document, rank, refuse_artifact, select

CONFIG = {"mediaType": mediatype.CONFIG, "digest": sha(b"c"), "size": 1}
LAYER = {"mediaType": mediatype.LAYER_GZIP, "digest": sha(b"l"), "size": 1}
MANIFEST = {"schemaVersion": 2, "mediaType": mediatype.MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
AMD64 = Platform("linux", "amd64")


def fetched(doc: Any, said: str = "") -> FetchedManifest:
    data = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
    kind = said or (doc.get("mediaType", mediatype.MANIFEST) if isinstance(doc, dict) else mediatype.MANIFEST)
    return FetchedManifest(data, kind, Digest.of(data))


class Pool:
    """Documents by digest."""

    def __init__(self) -> None:
        self.documents: dict[str, FetchedManifest] = {}
        self.asked: list[str] = []

    def add(self, doc: dict[str, Any], platform: str = "", **more: Any) -> dict[str, Any]:
        found = fetched(doc)
        self.documents[found.digest] = found
        entry = {"mediaType": doc["mediaType"], "digest": found.digest, "size": len(found.data), **more}
        if platform:
            os, arch, *variant = platform.split("/")
            entry["platform"] = {"os": os, "architecture": arch, **({"variant": variant[0]} if variant else {})}
        return entry

    def image(self, name: str, platform: str = "", **more: Any) -> dict[str, Any]:
        return self.add(MANIFEST | {"annotations": {"name": name}}, platform, **more)

    def fetch(self, one: Descriptor) -> FetchedManifest:
        self.asked.append(one.digest)
        return self.documents[one.digest]

    def pick(self, *entries: dict[str, Any], platform: Platform = AMD64) -> str:
        top = fetched(INDEX | {"manifests": list(entries)})
        return select(self.fetch, top, platform, "app:1").manifest.annotations["name"]


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], "linux/arm/v6"),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5"),
        ("linux/arm", ["linux/arm/v5", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64"),
        ("windows/amd64", ["linux/amd64", "windows/amd64"], "windows/amd64"),
        ("linux/arm64", ["linux/arm64/v9"], "linux/arm64/v9"),
    ],
)
def test_the_nearest_variant_is_chosen(pool: Pool, wanted: str, offered: list[str], expected: str) -> None:
    entries = [pool.image(one, one) for one in offered]
    assert pool.pick(*entries, platform=Platform.parse(wanted)) == expected


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [("linux/arm/v6", "linux/arm/v7"), ("linux/amd64", "linux/386"), ("linux/amd64/v2", "linux/amd64/v3")],
)
def test_what_a_processor_does_not_run_is_not_chosen(pool: Pool, wanted: str, offered: str) -> None:
    with pytest.raises(NotFound, match=f"no matching manifest for {wanted} in the manifest list entries") as caught:
        pool.pick(pool.image("x", offered), platform=Platform.parse(wanted))
    assert caught.value.hint == f"app:1 is there for: {offered}"


def test_attestations_are_no_images(pool: Pool) -> None:
    noise = [
        pool.image("attestation", "unknown/unknown"),
        pool.image("named", annotations={"vnd.docker.reference.type": "attestation-manifest"}),
    ]
    assert pool.pick(*noise, pool.image("image", "linux/amd64")) == "image"
    with pytest.raises(NotFound) as caught:
        pool.pick(*noise)
    assert caught.value.hint == "app:1 lists no image at all"


def test_an_entry_without_a_platform_is_the_last_choice(pool: Pool) -> None:
    assert pool.pick(pool.image("plain"), pool.image("ours", "linux/amd64")) == "ours"
    assert pool.pick(pool.image("other", "linux/arm64"), pool.image("plain")) == "plain"


def test_nested_indexes_are_entered_and_left_again(pool: Pool) -> None:
    dead_end = pool.add(INDEX | {"manifests": [pool.image("other", "linux/arm64")]})
    inner = pool.add(INDEX | {"manifests": [pool.image("deep", "linux/amd64")]})
    assert pool.pick(dead_end, inner) == "deep"


def test_nesting_has_an_end(pool: Pool) -> None:
    entry = pool.image("deep", "linux/amd64")
    for i in range(8):
        entry = pool.add(INDEX | {"manifests": [entry], "annotations": {"n": str(i)}})
    assert pool.pick(entry) == "deep"
    with pytest.raises(InvalidSpec, match="nested deeper than 8"):
        pool.pick(pool.add(INDEX | {"manifests": [entry]}))


def test_an_index_that_leads_to_itself_is_entered_once(pool: Pool) -> None:
    """No digest can do that, but a registry that lies could."""
    entry = pool.add(INDEX)
    pool.documents[entry["digest"]] = fetched(INDEX | {"manifests": [entry, entry]})
    with pytest.raises(NotFound):
        pool.pick(entry)
    assert len(pool.asked) == 1


def test_an_index_of_very_many_indexes_is_given_up(pool: Pool) -> None:
    entries = [pool.add(INDEX | {"annotations": {"n": str(i)}}) for i in range(70)]
    with pytest.raises(InvalidSpec, match="more than 64 documents"):
        pool.pick(*entries)


def test_a_manifest_is_itself_whatever_its_platform(pool: Pool) -> None:
    assert select(pool.fetch, fetched(MANIFEST), AMD64, "app:1").manifest.config.digest == CONFIG["digest"]


@pytest.mark.parametrize(
    ("doc", "said"),
    [
        (MANIFEST, mediatype.INDEX),
        (INDEX, mediatype.MANIFEST),
        (MANIFEST | {"manifests": []}, mediatype.MANIFEST),
        (INDEX | {"layers": [LAYER]}, mediatype.INDEX),
        ({k: v for k, v in MANIFEST.items() if k != "mediaType"} | {"manifests": [LAYER]}, mediatype.MANIFEST),
        (MANIFEST | {"mediaType": 7}, mediatype.MANIFEST),
        (b"[]", mediatype.MANIFEST),
        (b"{", mediatype.MANIFEST),
        (b"<html>", "text/html"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, mediatype.MANIFEST),
        (MANIFEST | {"layers": [LAYER] * 1001}, mediatype.MANIFEST),
        (b" " * ((4 << 20) + 1), mediatype.MANIFEST),
        (MANIFEST | {"layers": [LAYER | {"size": -1}]}, mediatype.MANIFEST),
        (MANIFEST | {"layers": [LAYER | {"digest": "sha256:../../etc/passwd"}]}, mediatype.MANIFEST),
    ],
)  # fmt: skip
def test_a_document_that_can_be_read_in_two_ways_is_refused(doc: Any, said: str) -> None:
    with pytest.raises(InvalidSpec):
        document(fetched(doc, said))


@pytest.mark.parametrize("said", ["application/json", "", "text/plain; charset=utf-8", mediatype.MANIFEST + "; x=y"])
def test_what_a_header_leaves_open_the_document_says(said: str) -> None:
    assert isinstance(document(FetchedManifest(json.dumps(MANIFEST).encode(), said, Digest.of(b""))), Manifest)
    untyped = {key: value for key, value in INDEX.items() if key != "mediaType"}
    if not said.startswith(mediatype.MANIFEST):
        assert isinstance(document(FetchedManifest(json.dumps(untyped).encode(), said, Digest.of(b""))), Index)


def test_the_index_and_the_registry_must_agree_on_what_a_manifest_is(pool: Pool) -> None:
    entry = pool.image("x", "linux/amd64")
    with pytest.raises(InvalidSpec, match="its index calls it"):
        pool.pick(entry | {"mediaType": mediatype.DOCKER_MANIFEST})


@pytest.mark.parametrize(
    ("doc", "said"),
    [
        ({"schemaVersion": 1, "name": "x", "fsLayers": []}, "application/json"),
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ],
)
def test_schema_1_is_refused_in_clear_words(doc: Any, said: str) -> None:
    with pytest.raises(Unsupported, match="old schema 1"):
        document(fetched(doc, said))


def manifest(config: str, *layers: str, artifact_type: str = "") -> Manifest:
    def of(kind: str) -> Descriptor:
        return Descriptor(kind, Digest.of(b""), 0)

    return Manifest(of(config), tuple(map(of, layers)), artifact_type=artifact_type)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (manifest("application/vnd.cncf.helm.config.v1+json"), "a Helm chart"),
        (manifest("application/vnd.docker.plugin.v1+json", mediatype.DOCKER_LAYER_GZIP), "a plugin of docker"),
        (manifest(mediatype.CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"), "a signature of cosign"),
        (manifest(mediatype.CONFIG, "application/vnd.in-toto+json"), "an attestation"),
        (manifest(mediatype.EMPTY, "application/x.y", artifact_type="application/x"), "of type application/x"),
        (manifest(mediatype.EMPTY, mediatype.LAYER, artifact_type="application/spdx+json"), "bill of materials"),
        (manifest("application/x.config+json", mediatype.LAYER), "of type application/x.config"),
    ],
)
def test_an_artifact_is_named(what: Manifest, says: str) -> None:
    with pytest.raises(Unsupported, match=f"app:1 is no container image but .*{says}"):
        refuse_artifact(what, "app:1")


@pytest.mark.parametrize(
    "what",
    [
        manifest(mediatype.DOCKER_CONFIG, mediatype.DOCKER_LAYER_GZIP),
        manifest("application/octet-stream", mediatype.DOCKER_LAYER_GZIP),
        manifest(mediatype.CONFIG, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        manifest(mediatype.CONFIG),
    ],
)
def test_an_image_is_no_artifact(what: Manifest) -> None:
    refuse_artifact(what, "app:1")


KEYS = ["schemaVersion", "mediaType", "manifests", "layers", "config", "digest", "size", "platform", "os"]
SCRAPS = st.none() | st.integers() | st.text(max_size=8)
JSON = st.recursive(
    SCRAPS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
)


@given(JSON, st.sampled_from([mediatype.INDEX, mediatype.MANIFEST, "application/json"]))
def test_any_json_is_read_or_refused_and_nothing_else(doc: Any, said: str) -> None:
    try:
        document(FetchedManifest(json.dumps(doc).encode(), said, Digest.of(b"")))
    except WherryError:
        pass


@given(st.sampled_from(["amd64", "arm", "arm64", "386"]), st.text(max_size=4), st.text(max_size=4))
def test_a_platform_runs_itself_first(arch: str, one: str, other: str) -> None:
    wanted, offered = Platform.of("linux", arch, one), Platform.of("linux", arch, other)
    assert rank(wanted, wanted) == 0
    assert (rank(offered, wanted) == 0) <= (offered.variant == wanted.variant or arch == "arm")
