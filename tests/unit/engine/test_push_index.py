"""load --all-platforms, then push --all-platforms: the index stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.engine.test_copy_image import at, copy, engine, publish, publish_index  # noqa: F401  # a fixture
from wherry.engine import Engine
from wherry.engine.push import PushRequest, push
from wherry.errors import NotFound, Unsupported
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.watch import Silent

NAME = Reference.parse("back.example/shop/api:1")
EMPTY = Descriptor(mediatype.EMPTY, Digest.of(b"{}"), 2)


def with_attestation(engine: Engine, tmp_path: Path) -> Digest:  # noqa: F811
    """As buildkit writes it: an index whose last entry is of no platform."""
    _, made = publish_index(engine, tmp_path)
    repository = at(engine).repository("a/b")
    statement = Descriptor("application/vnd.in-toto+json", Digest.of(b"statement"), 9)
    repository.blobs |= {statement.digest: b"statement", EMPTY.digest: b"{}"}
    data = Manifest(EMPTY, (statement,)).to_bytes()
    digest = repository.put_manifest("x", data, mediatype.MANIFEST)
    entry = Descriptor(
        mediatype.MANIFEST, digest, len(data), {"vnd.docker.reference.type": "attestation-manifest"},
        Platform("unknown", "unknown"),
    )  # fmt: skip
    whole = Index((*(one.descriptor for one in made), entry)).to_bytes()
    return repository.put_manifest("whole", whole, mediatype.INDEX)


@pytest.fixture
def layout(engine: Engine, tmp_path: Path) -> tuple[str, Digest]:  # noqa: F811
    digest = with_attestation(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:whole", f"oci:{tmp_path}/layout:{NAME.familiar}", everything=True)
    return f"{tmp_path}/layout", digest


def test_an_index_is_pushed_as_it_was_loaded(engine: Engine, layout: tuple[str, Digest]) -> None:  # noqa: F811
    loaded = engine.images.load_all_platforms(layout[0])
    assert [name.partition("@")[0] for one in loaded for name in one.names] in (
        ["back.example/shop/api:1", "back.example/shop/api"], ["back.example/shop/api", "back.example/shop/api:1"],
    )  # fmt: skip
    assert engine.collector.collect().blobs == ()
    pushed = push(engine, PushRequest(NAME, all_platforms=True), Silent())
    assert pushed.digest == layout[1]
    there, here = at(engine, "back.example"), at(engine)
    assert there.manifests["shop/api"]["1"] == here.manifests["a/b"]["whole"]
    assert there.manifests["shop/api"].keys() - {"1"} <= here.manifests["a/b"].keys()
    assert len(there.manifests["shop/api"]) == 5


def test_without_the_flag_this_machines_image_goes(engine: Engine, layout: tuple[str, Digest]) -> None:  # noqa: F811
    engine.images.load_all_platforms(layout[0])
    push(engine, PushRequest(NAME), Silent())
    assert at(engine, "back.example").manifests["shop/api"]["1"][1] == mediatype.MANIFEST


def test_another_compression_changes_the_index_along(engine: Engine, layout: tuple[str, Digest]) -> None:  # noqa: F811
    engine.images.load_all_platforms(layout[0])
    push(engine, PushRequest(NAME, compression="zstd", all_platforms=True), Silent())
    there = at(engine, "back.example").manifests["shop/api"]
    index = Index.from_bytes(there["1"][0])
    for entry in index.manifests[:2]:
        manifest = Manifest.from_bytes(there[entry.digest][0])
        assert {layer.media_type for layer in manifest.layers} == {mediatype.LAYER_ZSTD}
        assert entry.size == len(there[entry.digest][0])


def test_save_takes_the_platform_that_is_asked_for(
    engine: Engine,  # noqa: F811
    layout: tuple[str, Digest],
    tmp_path: Path,
) -> None:
    engine.images.load_all_platforms(layout[0])
    for arch in ("arm64", "amd64"):
        with (tmp_path / f"{arch}.tar").open("wb") as file:
            engine.images.save([NAME.familiar], file.write, platform=Platform("linux", arch))
        (loaded,) = engine.images.load(f"{tmp_path}/{arch}.tar", platform=Platform("linux", arch))
        assert engine.images.config(loaded.image.id).platform.architecture == arch
    with pytest.raises(NotFound, match="wanted linux/s390x"):
        engine.images.save([NAME.familiar], lambda _: None, platform=Platform("linux", "s390x"))


def test_an_image_for_one_platform_says_so(engine: Engine, tmp_path: Path) -> None:  # noqa: F811
    publish(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:1", f"oci:{tmp_path}/one:{NAME.familiar}")
    with pytest.raises(Unsupported, match="no named image for several platforms"):
        engine.images.load_all_platforms(f"{tmp_path}/one")
    engine.images.load(f"{tmp_path}/one")
    with pytest.raises(NotFound, match="for one platform only"):
        push(engine, PushRequest(NAME, all_platforms=True), Silent())


def test_a_name_that_moved_on_is_no_index_any_more(engine: Engine, layout: tuple[str, Digest], tmp_path: Path) -> None:  # noqa: F811
    engine.images.load_all_platforms(layout[0])
    publish(engine, tmp_path, "other", content=b"another")
    copy(engine, "docker://reg.example/a/b:other", f"oci:{tmp_path}/one:{NAME.familiar}")
    engine.images.load(f"{tmp_path}/one")
    with pytest.raises(NotFound, match="for one platform only"):
        push(engine, PushRequest(NAME, all_platforms=True), Silent())
    # And its blobs are not kept for ever once the name is gone
    assert engine.blobs.has(layout[1])
    engine.images.remove(str(NAME))
    engine.collector.collect()
    assert not engine.blobs.has(layout[1])
