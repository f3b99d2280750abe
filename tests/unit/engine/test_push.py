"""push, against a registry in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.engine.fake_registry import FakeRegistries, FakeRegistry
from wherry.cancel import Cancel
from wherry.engine import Engine, push_forms
from wherry.engine.push import PushRequest, push, push_tags
from wherry.errors import InputError, NotFound, RegistryError
from wherry.host.fake import FakeHost
from wherry.image.tar import compress, pack
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.watch import Silent
from wherry.settings import Paths, Settings
from wherry.store.compressed import CompressedForms
from wherry.store.images import ImageRecord

API = Reference.parse("localhost:5000/shop/api:1")
TEXT = b"import this\n" * 40_000
NOISE = os.urandom(1_300_000)


class Watched(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self.notes: list[str] = []

    def finish(self, short: str, what: str) -> None:
        self.ends[short] = what

    def note(self, line: str) -> None:
        self.notes.append(line)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, os.geteuid(), "/")
    with Engine(settings, FakeHost()) as made:
        made.__dict__["registries"] = FakeRegistries()
        yield made


@pytest.fixture
def registry(engine: Engine) -> FakeRegistry:
    return at(engine, "localhost:5000")


def at(engine: Engine, host: str) -> FakeRegistry:
    registries: FakeRegistries = engine.__dict__["registries"]
    return registries.at.setdefault(host, FakeRegistry())


def layer(engine: Engine, name: str, content: bytes) -> DiffID:
    with engine.layers.workdir() as folder:
        os.mkdir(f"{folder}/fs", 0o755)
        Path(folder, "fs", name).write_bytes(content)
        diff_id, size = pack.diff_id(f"{folder}/fs")
        engine.layers.commit(folder, diff_id, size, None)
    return diff_id


def image(engine: Engine, *contents: bytes, names: tuple[Reference, ...] = (API,)) -> ImageRecord:
    diff_ids = tuple(layer(engine, f"file{i}", content) for i, content in enumerate(contents))
    return engine.image_store.create(ImageConfig(Platform("linux", "amd64"), diff_ids=diff_ids), names)


def compressed(make: Callable[..., compress.Compressor], tar: bytes) -> bytes:
    out = bytearray()
    writer = make(out.extend)
    writer.write(tar)
    writer.close()
    return bytes(out)


def tar_of(engine: Engine, diff_id: DiffID) -> bytes:
    out = bytearray()
    engine.layers.write_tar(diff_id, out.extend)
    return bytes(out)


def pulled(engine: Engine, content: bytes, *, docker: bool = True, level: int = 3) -> tuple[ImageRecord, bytes, bytes]:
    """An image as a pull leaves it, its layer gzipped by another; (record, blob, manifest). The blob is not kept."""
    diff_id = layer(engine, "file", content)
    blob = compressed(lambda write: compress.gzip_writer(write, level=level), tar_of(engine, diff_id))
    config = ImageConfig(Platform("linux", "amd64"), diff_ids=(diff_id,)).to_bytes()
    kinds = (mediatype.DOCKER_CONFIG, mediatype.DOCKER_LAYER_GZIP, mediatype.DOCKER_MANIFEST)
    if not docker:
        kinds = (mediatype.CONFIG, mediatype.LAYER_GZIP, mediatype.MANIFEST)
    described = Descriptor(kinds[1], Digest.of(blob), len(blob))
    manifest = Manifest(Descriptor(kinds[0], Digest.of(config), len(config)), (described,), kinds[2]).to_bytes()
    CompressedForms(engine.db).remember(diff_id, described)
    return engine.image_store.create(config, [API], manifest=manifest), blob, manifest


def manifest_at(registry: FakeRegistry, tag: str = "1", name: str = "shop/api") -> Manifest:
    return Manifest.from_bytes(registry.manifests[name][tag][0])


def test_a_push_brings_layers_config_and_manifest(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, TEXT, b"small")
    watch = Watched()
    pushed = push(engine, PushRequest(API), watch)
    data, media_type = registry.manifests["shop/api"]["1"]
    manifest = Manifest.from_bytes(data)
    assert (pushed.digest, pushed.size, media_type) == (Digest.of(data), len(data), mediatype.MANIFEST)
    assert manifest.config.digest == made.id
    assert {one.media_type for one in manifest.layers} == {mediatype.LAYER_GZIP}
    for described, diff_id in zip(manifest.layers, made.layers, strict=True):
        blob = registry.blobs["shop/api"][described.digest]
        assert compressed_back(blob) == tar_of(engine, diff_id)
    assert watch.notes == [
        "The push refers to repository [localhost:5000/shop/api]",
        f"1: digest: {pushed.digest} size: {pushed.size}",
    ]
    assert set(watch.ends.values()) == {"Pushed"}


def compressed_back(blob: bytes) -> bytes:
    import io

    reader = compress.reader(io.BytesIO(blob))
    return b"".join(iter(lambda: reader.read(1 << 20), b""))


def test_the_image_is_known_by_its_digest_afterwards(engine: Engine) -> None:
    made = image(engine, TEXT)
    pushed = push(engine, PushRequest(API), Silent())
    assert engine.image_store.get(made.id).digests == (f"localhost:5000/shop/api@{pushed.digest}",)


def test_a_second_push_sends_and_compresses_nothing(
    engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(engine, TEXT, b"small", NOISE)
    first = push(engine, PushRequest(API), Silent())
    registry.requests.clear()
    monkeypatch.setattr(push_forms, "squeeze", None)
    monkeypatch.setattr(push_forms, "stream", None)
    watch = Watched()
    assert push(engine, PushRequest(API), watch) == first
    assert registry.sent() == []
    assert [verb for verb, _ in registry.requests].count("head") == 4
    assert set(watch.ends.values()) == {"Layer already exists"}


def test_another_registry_gets_the_very_bytes_made_again(
    engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(engine, TEXT)
    there = Reference.parse("quay.example/me/api:1")
    engine.image_store.tag(made.id, there)
    first = push(engine, PushRequest(API), Silent())
    monkeypatch.setattr(push_forms, "squeeze", None)
    assert push(engine, PushRequest(there), Silent()).digest == first.digest
    assert at(engine, "quay.example").blobs["me/api"] == registry.blobs["shop/api"]


def test_bytes_that_can_not_be_made_again_are_made_anew(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, TEXT)
    # As if another build of the same version had compressed it
    wrong = Descriptor(mediatype.LAYER_GZIP, Digest.of(b"other bytes"), 11)
    CompressedForms(engine.db).remember(made.layers[0], wrong, push_forms.maker_of("gzip"))
    push(engine, PushRequest(API), Silent())
    (described,) = manifest_at(registry).layers
    assert compressed_back(registry.blobs["shop/api"][described.digest]) == tar_of(engine, made.layers[0])


def test_a_layer_of_the_same_registry_is_mounted(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, TEXT)
    push(engine, PushRequest(API), Silent())
    other = Reference.parse("localhost:5000/shop/other:1")
    engine.image_store.tag(made.id, other)
    registry.requests.clear()
    watch = Watched()
    push(engine, PushRequest(other), watch)
    assert watch.ends == {made.layers[0].short: "Mounted from shop/api"}
    assert registry.sent() == [made.id]


def test_a_refused_mount_is_forgotten_and_the_layer_sent(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, TEXT)
    push(engine, PushRequest(API), Silent())
    registry.refuse_mounts = True
    for tag in ("1", "2"):
        other = Reference.parse(f"localhost:5000/shop/other{tag}:1")
        engine.image_store.tag(made.id, other)
        assert push(engine, PushRequest(other), Silent()).digest
    assert len([1 for verb, _ in registry.requests if verb == "mount"]) == 2


def test_a_layer_that_does_not_shrink_goes_as_its_tar(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, NOISE)
    push(engine, PushRequest(API), Silent())
    (described,) = manifest_at(registry).layers
    assert (described.media_type, described.digest) == (mediatype.LAYER, Digest(made.layers[0]))
    assert registry.blobs["shop/api"][described.digest] == tar_of(engine, made.layers[0])


@pytest.mark.parametrize(
    ("asked", "kind"), [("gzip", mediatype.LAYER_GZIP), ("zstd", mediatype.LAYER_ZSTD), ("none", mediatype.LAYER)]
)
def test_a_compression_that_is_asked_for_is_used(engine: Engine, registry: FakeRegistry, asked: str, kind: str) -> None:
    image(engine, NOISE, TEXT)
    push(engine, PushRequest(API), Silent())
    push(engine, PushRequest(API, compression=asked), Silent())
    assert {one.media_type for one in manifest_at(registry).layers} == {kind}


def test_an_unknown_compression_is_refused(engine: Engine) -> None:
    image(engine, TEXT)
    with pytest.raises(InputError, match="unknown compression 'lzma'"):
        push(engine, PushRequest(API, compression="lzma"), Silent())


def test_an_image_on_a_zstd_base_is_pushed_as_zstd(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, TEXT, b"more")
    tar = tar_of(engine, made.layers[0])
    blob = compressed(lambda write: compress.zstd_writer(write, level=1), tar)
    CompressedForms(engine.db).remember(made.layers[0], Descriptor(mediatype.LAYER_ZSTD, Digest.of(blob), len(blob)))
    push(engine, PushRequest(API), Silent())
    assert {one.media_type for one in manifest_at(registry).layers} == {mediatype.LAYER_ZSTD}


def test_a_pulled_image_keeps_its_digest_where_its_blobs_are(engine: Engine, registry: FakeRegistry) -> None:
    _, blob, manifest = pulled(engine, TEXT)
    registry.repository("shop/api").blobs[Digest.of(blob)] = blob
    assert push(engine, PushRequest(API), Silent()).digest == Digest.of(manifest)


def test_a_pulled_image_keeps_its_digest_when_the_store_has_the_blob(engine: Engine, registry: FakeRegistry) -> None:
    _, blob, manifest = pulled(engine, TEXT)
    engine.blobs.put([blob])
    assert push(engine, PushRequest(API), Silent()).digest == Digest.of(manifest)
    assert registry.blobs["shop/api"][Digest.of(blob)] == blob


def test_a_pulled_image_keeps_its_digest_by_a_copy_from_its_registry(engine: Engine, registry: FakeRegistry) -> None:
    from wherry.store.known_blobs import KnownBlobs, Place

    _, blob, manifest = pulled(engine, TEXT)
    at(engine, "registry-1.docker.io").repository("library/python").blobs[Digest.of(blob)] = blob
    KnownBlobs(engine.db).add(Place("registry-1.docker.io", "library/python"), [Digest.of(blob)])
    registry.break_at = 1500
    assert push(engine, PushRequest(API), Silent()).digest == Digest.of(manifest)


def test_a_pulled_image_whose_blobs_are_nowhere_gets_another_manifest_of_its_type(
    engine: Engine, registry: FakeRegistry
) -> None:
    from wherry.store.known_blobs import KnownBlobs, Place

    made, blob, manifest = pulled(engine, TEXT)
    KnownBlobs(engine.db).add(Place("registry-1.docker.io", "library/python"), [Digest.of(blob)])
    pushed = push(engine, PushRequest(API), Silent())
    assert pushed.digest != Digest.of(manifest)
    now = manifest_at(registry)
    assert now.media_type == mediatype.DOCKER_MANIFEST
    assert now.config == Descriptor(mediatype.DOCKER_CONFIG, made.id, now.config.size)
    assert [one.media_type for one in now.layers] == [mediatype.DOCKER_LAYER_GZIP]


def test_zstd_makes_the_whole_manifest_oci(engine: Engine, registry: FakeRegistry) -> None:
    made, _, _ = pulled(engine, TEXT)
    push(engine, PushRequest(API, compression="zstd"), Silent())
    now = manifest_at(registry)
    assert (now.media_type, now.config.media_type, now.config.digest) == (
        mediatype.MANIFEST, mediatype.CONFIG, made.id,
    )  # fmt: skip


def test_an_upload_that_breaks_off_goes_on_where_it_was(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, NOISE)
    registry.break_at = 700_001
    push(engine, PushRequest(API), Silent())
    assert registry.blobs["shop/api"][Digest(made.layers[0])] == tar_of(engine, made.layers[0])


def test_the_failure_of_one_layer_ends_the_push_without_a_manifest(engine: Engine, registry: FakeRegistry) -> None:
    made = image(engine, NOISE, TEXT, b"small")
    registry.refuse.add(Digest(made.layers[0]))
    with pytest.raises(RegistryError, match="no room for"):
        push(engine, PushRequest(API), Silent())
    assert registry.manifests["shop/api"] == {}
    assert not os.listdir(engine.settings.paths.tmp)


def test_a_cancelled_push_says_so(engine: Engine) -> None:
    from wherry.errors import Cancelled

    image(engine, TEXT)
    cancel = Cancel()
    cancel.set("Ctrl-C")
    with pytest.raises(Cancelled, match="Ctrl-C"):
        push(engine, PushRequest(API), Silent(), cancel)


def test_a_layer_that_stands_twice_is_sent_once(engine: Engine, registry: FakeRegistry) -> None:
    diff_id = layer(engine, "file", TEXT)
    engine.image_store.create(ImageConfig(Platform("linux", "amd64"), diff_ids=(diff_id, diff_id)), [API])
    push(engine, PushRequest(API), Silent())
    assert len(registry.sent()) == 2
    assert len(manifest_at(registry).layers) == 2


def test_all_tags_of_a_repository_are_pushed(engine: Engine, registry: FakeRegistry) -> None:
    image(engine, TEXT, names=(API, API._replace(tag="2"), Reference.parse("localhost:5000/shop/apis:3")))
    done = push_tags(engine, PushRequest(API), Silent())
    assert [one.reference.tag for one in done] == ["1", "2"]
    assert {"1", "2"} < registry.manifests["shop/api"].keys()
    assert push_tags(engine, PushRequest(API), Silent()) == done


def test_names_that_are_not_here_are_told_as_docker_does(engine: Engine) -> None:
    with pytest.raises(NotFound, match=r"^An image does not exist locally with the tag: localhost:5000/shop/api$"):
        push(engine, PushRequest(API), Silent())
    image(engine, TEXT)
    with pytest.raises(NotFound, match=r"^tag does not exist: localhost:5000/shop/api:2$"):
        push(engine, PushRequest(API._replace(tag="2")), Silent())


def test_images_are_pushed_to_an_address_in_brackets(engine: Engine) -> None:
    name = Reference.parse("[::1]:5000/shop/api:1")
    image(engine, TEXT, names=(name,))
    push(engine, PushRequest(name), Silent())
    assert [one.reference for one in push_tags(engine, PushRequest(name), Silent())] == [name]


def test_what_is_attached_goes_along(engine: Engine, registry: FakeRegistry) -> None:
    from wherry.engine.attach import attach
    from wherry.trust.referrer import Payload

    made = image(engine, TEXT)
    attach(engine, made, Payload("application/spdx+json", "application/spdx+json", b"{}", "sbom"))
    pushed = push(engine, PushRequest(API), Silent())
    assert len(registry.repository("shop/api").referrers(pushed.digest)) == 1


def test_a_full_scratch_disk_costs_time_and_nothing_else(
    engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from wherry.fs import atomic

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = image(engine, TEXT)
    monkeypatch.setattr(atomic, "write_all", full)
    monkeypatch.setattr("wherry.store.blobs.write_all", atomic.write_all)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.image_store, "tag", lambda *_: None)
        push(engine, PushRequest(API), Silent())
    (described,) = manifest_at(registry).layers
    assert compressed_back(registry.blobs["shop/api"][described.digest]) == tar_of(engine, made.layers[0])
