"""copy between media: registries in memory, layouts, archives and folders on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.engine.fake_registry import FakeRegistries, FakeRegistry
from wherry.engine import Engine
from wherry.engine.copy_image import Copied, CopyRequest, copy_image
from wherry.errors import InputError, IntegrityError, InvalidSpec, NotFound, Unsupported
from wherry.host.fake import FakeHost
from wherry.image.tar import compress, pack
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.media.location import Location
from wherry.registry.watch import Silent
from wherry.settings import Paths, Settings

TEXT = b"import this\n" * 9000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, os.geteuid(), "/")
    with Engine(settings, FakeHost()) as made:
        made.__dict__["registries"] = FakeRegistries()
        yield made


def at(engine: Engine, host: str = "reg.example") -> FakeRegistry:
    registries: FakeRegistries = engine.__dict__["registries"]
    return registries.at.setdefault(host, FakeRegistry())


class Made(NamedTuple):
    """An image in the repository `a/b` of reg.example."""

    digest: Digest
    config: bytes
    tars: tuple[bytes, ...]
    descriptor: Descriptor


def tar_with(tmp_path: Path, content: bytes) -> bytes:
    folder = tmp_path / f"tree-{DiffID.of(content).short}"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_bytes(content)
    out = bytearray()
    pack.tree_to_tar(str(folder), out.extend, mtime_ns=0)
    return bytes(out)


def gzipped(tar: bytes) -> bytes:
    out = bytearray()
    writer = compress.gzip_writer(out.extend)
    writer.write(tar)
    writer.close()
    return bytes(out)


def publish(
    engine: Engine, tmp_path: Path, tag: str = "1", *, docker: bool = False, arch: str = "amd64", content: bytes = TEXT
) -> Made:
    tars = (tar_with(tmp_path, content), tar_with(tmp_path, b"small " + arch.encode()))
    blobs = [gzipped(tar) for tar in tars]
    config = ImageConfig(Platform("linux", arch), diff_ids=tuple(DiffID.of(tar) for tar in tars)).to_bytes()
    kinds = (mediatype.CONFIG, mediatype.LAYER_GZIP, mediatype.MANIFEST)
    if docker:
        kinds = (mediatype.DOCKER_CONFIG, mediatype.DOCKER_LAYER_GZIP, mediatype.DOCKER_MANIFEST)
    data = Manifest(
        Descriptor(kinds[0], Digest.of(config), len(config)),
        tuple(Descriptor(kinds[1], Digest.of(blob), len(blob)) for blob in blobs),
        kinds[2],
    ).to_bytes()
    repository = at(engine).repository("a/b")
    repository.blobs |= {Digest.of(one): one for one in (*blobs, config)}
    digest = repository.put_manifest(tag, data, kinds[2])
    return Made(digest, config, tars, Descriptor(kinds[2], digest, len(data), platform=Platform("linux", arch)))


def publish_index(engine: Engine, tmp_path: Path, *, docker: bool = False) -> tuple[Digest, list[Made]]:
    made = [publish(engine, tmp_path, f"only-{arch}", docker=docker, arch=arch) for arch in ("amd64", "arm64")]
    kind = mediatype.DOCKER_LIST if docker else mediatype.INDEX
    data = Index(tuple(one.descriptor for one in made), kind).to_bytes()
    return at(engine).repository("a/b").put_manifest("all", data, kind), made


def copy(engine: Engine, source: str, target: str, **options: object) -> Copied:
    request = CopyRequest(Location.parse(source), Location.parse(target), **options)  # type: ignore[arg-type]
    return copy_image(engine, request, Silent())


def test_between_registries_the_bytes_stay_as_they_are(engine: Engine, tmp_path: Path) -> None:
    made = publish(engine, tmp_path, docker=True)
    copied = copy(engine, "docker://reg.example/a/b:1", "docker://other.example/c:2")
    assert copied.digest == made.digest
    other = at(engine, "other.example")
    assert other.manifests["c"]["2"] == at(engine).manifests["a/b"]["1"]
    assert other.blobs["c"].items() <= at(engine).blobs["a/b"].items()
    assert not os.path.exists(engine.settings.paths.blobs)


def test_within_a_registry_blobs_are_mounted(engine: Engine, tmp_path: Path) -> None:
    made = publish(engine, tmp_path)
    assert copy(engine, "docker://reg.example/a/b:1", "docker://reg.example/c:1").digest == made.digest
    assert at(engine).sent() == []


def test_an_upload_that_breaks_off_reads_the_source_again(engine: Engine, tmp_path: Path) -> None:
    made = publish(engine, tmp_path)
    at(engine, "other.example").break_at = 100
    assert copy(engine, "docker://reg.example/a/b:1", "docker://other.example/c:1").digest == made.digest


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir"])
def test_there_and_back_the_digest_is_the_same(engine: Engine, tmp_path: Path, kind: str) -> None:
    made = publish(engine, tmp_path)
    place = f"{kind}:{tmp_path}/out" + ("" if kind == "dir" else ":v1")
    assert copy(engine, "docker://reg.example/a/b:1", place).digest == made.digest
    assert copy(engine, place, "docker://back.example/c:1").digest == made.digest
    assert at(engine, "back.example").manifests["c"]["1"] == at(engine).manifests["a/b"]["1"]


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir"])
@pytest.mark.parametrize("docker", [False, True])
def test_an_index_goes_there_and_back_whole(engine: Engine, tmp_path: Path, kind: str, docker: bool) -> None:
    digest, made = publish_index(engine, tmp_path, docker=docker)
    place = f"{kind}:{tmp_path}/out"
    first = copy(engine, "docker://reg.example/a/b:all", place, everything=True, preserve_digests=docker)
    assert first.digest == digest
    assert copy(engine, place, "docker://back.example/c:1", everything=True).digest == digest
    assert {one.digest for one in made} < at(engine, "back.example").manifests["c"].keys()


def test_a_layout_gets_docker_images_in_oci_terms(engine: Engine, tmp_path: Path) -> None:
    digest, _ = publish_index(engine, tmp_path, docker=True)
    copied = copy(engine, "docker://reg.example/a/b:all", f"oci:{tmp_path}/out:v", everything=True)
    assert copied.digest != digest
    copy(engine, f"oci:{tmp_path}/out:v", "docker://back.example/c:1", everything=True)
    index = Index.from_bytes(at(engine, "back.example").manifests["c"]["1"][0])
    assert index.media_type == mediatype.INDEX
    for entry in index.manifests:
        manifest = Manifest.from_bytes(at(engine, "back.example").manifests["c"][entry.digest][0])
        types = {manifest.media_type, manifest.config.media_type, *(layer.media_type for layer in manifest.layers)}
        assert types == {mediatype.MANIFEST, mediatype.CONFIG, mediatype.LAYER_GZIP}


def test_without_all_the_image_for_the_platform_is_chosen(engine: Engine, tmp_path: Path) -> None:
    _, made = publish_index(engine, tmp_path)
    arm = Platform("linux", "arm64")
    copied = copy(engine, "docker://reg.example/a/b:all", f"dir:{tmp_path}/out", platform=arm)
    assert copied.digest == made[1].digest


def test_a_docker_archive_holds_plain_layers_and_the_name(engine: Engine, tmp_path: Path) -> None:
    made = publish(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:1", f"docker-archive:{tmp_path}/out.tar:shop/api:1")
    loaded = engine.images.load(f"{tmp_path}/out.tar")
    assert [(one.image.id, one.names) for one in loaded] == [(Digest.of(made.config), ("shop/api:1",))]
    with pytest.raises(InputError, match="is there already"):
        copy(engine, "docker://reg.example/a/b:1", f"docker-archive:{tmp_path}/out.tar")


def test_a_docker_archive_goes_to_a_registry_compressed(engine: Engine, tmp_path: Path) -> None:
    made = publish(engine, tmp_path)
    archive = f"docker-archive:{tmp_path}/out.tar"
    copy(engine, "docker://reg.example/a/b:1", archive)
    copy(engine, archive, "docker://back.example/c:1")
    manifest = Manifest.from_bytes(at(engine, "back.example").manifests["c"]["1"][0])
    assert manifest.config.digest == Digest.of(made.config)
    assert {layer.media_type for layer in manifest.layers} == {mediatype.DOCKER_LAYER_GZIP}
    copy(engine, archive, "docker://back.example/d:1", preserve_digests=True)
    plain = Manifest.from_bytes(at(engine, "back.example").manifests["d"]["1"][0])
    assert [layer.digest for layer in plain.layers] == [Digest.of(tar) for tar in made.tars]


@pytest.mark.parametrize("kind", ["oci", "dir", "docker-archive", "oci-archive"])
def test_to_the_local_store_and_out_again(engine: Engine, tmp_path: Path, kind: str) -> None:
    made = publish(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:1", f"{kind}:{tmp_path}/out")
    copy(engine, f"{kind}:{tmp_path}/out", "local:shop/api:1")
    assert engine.images.resolve("shop/api:1").id == Digest.of(made.config)
    copy(engine, "local:shop/api:1", f"{kind}:{tmp_path}/again")
    copy(engine, f"{kind}:{tmp_path}/again", "local:shop/again")
    assert engine.images.resolve("shop/again").id == Digest.of(made.config)
    assert os.listdir(engine.settings.paths.tmp) == []


def test_a_layout_holds_several_images_by_name(engine: Engine, tmp_path: Path) -> None:
    first = publish(engine, tmp_path, "1")
    second = publish(engine, tmp_path, "2", content=b"other")
    for tag in ("1", "2", "1"):
        copy(engine, f"docker://reg.example/a/b:{tag}", f"oci:{tmp_path}/out:{tag}")
    assert copy(engine, f"oci:{tmp_path}/out:1", f"dir:{tmp_path}/d1").digest == first.digest
    assert copy(engine, f"oci:{tmp_path}/out:2", f"dir:{tmp_path}/d2").digest == second.digest
    with pytest.raises(InvalidSpec, match="holds 2 images"):
        copy(engine, f"oci:{tmp_path}/out", f"dir:{tmp_path}/d3")
    with pytest.raises(NotFound, match="no image '3'"):
        copy(engine, f"oci:{tmp_path}/out:3", f"dir:{tmp_path}/d3")


def test_a_spoiled_blob_is_found_and_nothing_is_left(engine: Engine, tmp_path: Path) -> None:
    publish(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:1", f"oci:{tmp_path}/out")
    blobs = tmp_path / "out" / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[50] ^= 1
    largest.write_bytes(data)
    for target in (f"dir:{tmp_path}/bad", f"oci-archive:{tmp_path}/bad.tar", f"docker-archive:{tmp_path}/bad.tar"):
        with pytest.raises((IntegrityError, InvalidSpec)):
            copy(engine, f"oci:{tmp_path}/out", target)
    assert not (tmp_path / "bad" / "manifest.json").exists()
    assert not [path for path in tmp_path.iterdir() if "bad.tar" in path.name]


def test_a_blob_that_is_said_to_be_empty_is_checked_too(engine: Engine, tmp_path: Path) -> None:
    manifest = Manifest(Descriptor(mediatype.CONFIG, Digest.of(b"a config"), 0), ()).to_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(manifest)
    (folder / Digest.of(b"a config").hex).write_bytes(b"a config")
    with pytest.raises(IntegrityError):
        copy(engine, f"dir:{folder}", f"oci:{tmp_path}/out:1")
    assert not (tmp_path / "out" / "blobs" / "sha256" / Digest.of(b"a config").hex).exists()


def test_sizes_beyond_any_file_are_refused_by_an_archive(engine: Engine, tmp_path: Path) -> None:
    layers = tuple(Descriptor(mediatype.LAYER, Digest.of(one), (1 << 63) - 1) for one in (b"1", b"2", b"3"))
    data = Manifest(Descriptor(mediatype.CONFIG, Digest.of(b"{}"), 2), layers).to_bytes()
    repository = at(engine).repository("a/b")
    repository.blobs |= {Digest.of(one): one for one in (b"1", b"2", b"3", b"{}")}
    repository.put_manifest("huge", data, mediatype.MANIFEST)
    with pytest.raises((InvalidSpec, IntegrityError)):
        copy(engine, "docker://reg.example/a/b:huge", f"oci-archive:{tmp_path}/out.tar")
    assert not [path for path in tmp_path.iterdir() if "out.tar" in path.name]


def test_what_is_attached_goes_along_when_asked(engine: Engine, tmp_path: Path) -> None:
    from wherry.trust.referrer import Payload, make

    made = publish(engine, tmp_path)
    repository = at(engine).repository("a/b")
    sbom = make(Payload("application/spdx+json", "application/spdx+json", b"{}", "sbom"), made.descriptor)
    signature = make(Payload("application/x-sig", "application/x-sig", b"sig", "sig"), sbom.descriptor)
    for one in (sbom, signature):
        repository.blobs.update({blob.digest: data for blob, data in one.blobs})
        repository.put_manifest(str(one.digest), one.manifest, one.media_type)
    copy(engine, "docker://reg.example/a/b:1", "docker://x.example/c:1")
    assert sbom.digest not in at(engine, "x.example").manifests["c"]
    copy(engine, "docker://reg.example/a/b:1", "docker://y.example/c:1", referrers=True)
    assert {sbom.digest, signature.digest} < at(engine, "y.example").manifests["c"].keys()
    with pytest.raises(Unsupported, match="to a registry only"):
        copy(engine, "docker://reg.example/a/b:1", f"dir:{tmp_path}/out", referrers=True)


def test_digests_that_can_not_be_kept_are_refused(engine: Engine, tmp_path: Path) -> None:
    publish(engine, tmp_path)
    with pytest.raises(InputError, match="can't keep digests"):
        copy(engine, "docker://reg.example/a/b:1", f"docker-archive:{tmp_path}/out.tar", preserve_digests=True)


def test_an_index_that_names_itself_ends(engine: Engine, tmp_path: Path) -> None:
    repository = at(engine).repository("a/b")
    data = Index((Descriptor(mediatype.INDEX, Digest.of(b"loop"), 4),)).to_bytes()
    repository.manifests["loop"] = repository.manifests[Digest.of(b"loop")] = (data, mediatype.INDEX)
    with pytest.raises((InvalidSpec, IntegrityError)):
        copy(engine, "docker://reg.example/a/b:loop", f"dir:{tmp_path}/out", everything=True)


@pytest.mark.parametrize(
    "text", ["python:3.10", "docker:python", "docker://", "oci:", "oci::tag", "docker://Bad/Name", "ftp:x", ""]
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Location.parse(text)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("docker://python:3.10", Location("docker", "", "python:3.10")),
        ("oci:/a/b:v:1", Location("oci", "/a/b", "v:1")),
        ("oci-archive:a.tar", Location("oci-archive", "a.tar")),
        ("docker-archive:a.tar:x/y:1", Location("docker-archive", "a.tar", "x/y:1")),
        ("docker-archive:a.tar:@1", Location("docker-archive", "a.tar", "@1")),
        ("dir:/a:b", Location("dir", "/a:b")),
        ("local:api", Location("local", "", "api")),
    ],
)
def test_places_are_read_as_skopeo_reads_them(text: str, parsed: Location) -> None:
    assert Location.parse(text) == parsed
    assert str(parsed) == text


def test_the_names_of_a_registry_and_a_file_do_not_leak_into_each_other(engine: Engine, tmp_path: Path) -> None:
    publish(engine, tmp_path)
    copy(engine, "docker://reg.example/a/b:1", f"oci:{tmp_path}/out:reg.example/a/b:1")
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "reg.example/a/b:1",
        "org.opencontainers.image.ref.name": "reg.example/a/b:1",
    }
    (loaded,) = engine.images.load(f"{tmp_path}/out")
    assert loaded.names == ("reg.example/a/b:1",)
    assert Reference.parse("reg.example/a/b:1").familiar in loaded.image.tags
