from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.store import archives
from tests.unit.store.conftest import Store, make
from wherry.errors import InputError, IntegrityError, InvalidSpec, Unsupported, WherryError
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.store.images import ImageRecord
from wherry.store.load import plan_load
from wherry.store.loader import Loader
from wherry.store.source import open_source

AMD64 = Platform("linux", "amd64")
BASE, TOP = archives.layer_tar(etc__passwd="root", bin="b"), archives.layer_tar(app__main="print()")


def load(store: Store, path: str | int, platform: Platform = AMD64) -> list[ImageRecord]:
    source = open_source(path, store.scratch)
    try:
        loader = Loader(store.images, store.layers, store.blobs, store.leases, 2)
        return [loader.load(source, plan) for plan in plan_load(source, platform)]
    finally:
        source.close()


def tree(store: Store, image: ImageRecord) -> dict[str, str]:
    found = {}
    for diff_id in image.layers:
        root = Path(store.layers.path(diff_id))
        found.update({str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()})
    return found


def assert_empty(store: Store) -> None:
    """After a failure and the next collection nothing is left."""
    assert store.images.list() == []
    store.collector.collect()
    assert store.blobs.all() == store.layers.all() == []
    assert not os.path.isdir(store.paths.tmp) or os.listdir(store.paths.tmp) == []


WHOLE = {"etc/passwd": "root", "bin": "b", "app/main": "print()"}


@pytest.mark.parametrize("make_files", [archives.layout, archives.docker_archive], ids=["layout", "docker"])
@pytest.mark.parametrize("how", ["tar", "tar.gz", "tar.zst", "tar.xz", "folder", "pipe"])
def test_every_form_gives_the_same_image(
    store: Store, tmp_path: Path, make_files: Callable[..., archives.Files], how: str
) -> None:
    files = make_files(BASE, TOP)
    path: str | int
    if how == "folder":
        path = archives.folder(files, tmp_path / "in")
    elif how == "tar.zst":
        plain = Path(archives.tar(files, tmp_path / "plain"))
        (tmp_path / "in").write_bytes(zstandard.compress(plain.read_bytes()))
        path = str(tmp_path / "in")
    elif how == "pipe":
        data = Path(archives.tar(files, tmp_path / "plain")).read_bytes()
        path, write = os.pipe()
        assert os.write(write, data) == len(data)
        os.close(write)
    else:
        path = archives.tar(files, tmp_path / "in", mode={"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[how])
    (image,) = load(store, path)
    if isinstance(path, int):
        os.close(path)
    assert image.tags == ("app:1",)
    assert image.id == archives.sha(archives.config(BASE, TOP))
    assert image.layers == (archives.sha(BASE), archives.sha(TOP))
    assert tree(store, image) == WHOLE
    assert store.images.config(image.id).config.cmd == ("sh",)
    store.collector.collect()
    assert all(store.layers.has(one) for one in image.layers)


@pytest.mark.parametrize("make_files", [archives.layout, archives.docker_archive], ids=["layout", "docker"])
def test_a_foreign_layer_gives_its_very_tar_again(
    store: Store, tmp_path: Path, make_files: Callable[..., archives.Files]
) -> None:
    (image,) = load(store, archives.tar(make_files(BASE, TOP), tmp_path / "in"))
    for diff_id, expected in zip(image.layers, (BASE, TOP), strict=True):
        out = io.BytesIO()
        store.layers.write_tar(diff_id, out.write)
        assert out.getvalue() == expected


def test_a_foreign_manifest_keeps_its_digest_and_its_compressed_layers(store: Store, tmp_path: Path) -> None:
    files = archives.layout(BASE)
    (image,) = load(store, archives.tar(files, tmp_path / "in"))
    assert f"blobs/sha256/{image.manifest.hex}" in files
    manifest = Manifest.from_bytes(store.blobs.read(image.manifest))
    assert store.blobs.read(manifest.layers[0].digest) == gzip.compress(BASE, mtime=0)


def test_a_layer_of_an_uncompressed_archive_is_not_kept_twice(store: Store, tmp_path: Path) -> None:
    (image,) = load(store, archives.tar(archives.docker_archive(BASE), tmp_path / "in"))
    assert set(store.blobs.all()) == {image.id, image.manifest}


def test_a_tar_that_writes_a_file_twice_is_kept_as_it_is(store: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for text in (b"first", b"second!"):
            entry = tarfile.TarInfo("file")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    (image,) = load(store, archives.tar(archives.docker_archive(out.getvalue()), tmp_path / "in"))
    again = io.BytesIO()
    store.layers.write_tar(image.layers[0], again.write)
    assert again.getvalue() == out.getvalue()
    assert tree(store, image) == {"file": "second!"}


def test_names_come_from_manifest_json_beside_a_layout_without_them(store: Store, tmp_path: Path) -> None:
    files = archives.layout(BASE, name="", compress=False) | {
        "manifest.json": json.dumps([{
            "Config": f"blobs/sha256/{hashlib.sha256(archives.config(BASE)).hexdigest()}",
            "RepoTags": ["a:1", "b/c:2"], "Layers": [f"blobs/sha256/{hashlib.sha256(BASE).hexdigest()}"],
        }]).encode()
    }  # fmt: skip
    (image,) = load(store, archives.tar(files, tmp_path / "in"))
    assert image.tags == ("b/c:2", "a:1")


@pytest.mark.parametrize(
    ("ref_name", "tags"),
    [("latest", ()), ("busybox:1", ("busybox:1",)), ("quay.io/x/y:v1", ("quay.io/x/y:v1",)), ("UPPER:1", ())],
)
def test_what_skopeo_and_umoci_call_an_image(
    store: Store, tmp_path: Path, ref_name: str, tags: tuple[str, ...]
) -> None:
    files = archives.layout(BASE, name="")
    doc = json.loads(files["index.json"])
    doc["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": ref_name}
    files["index.json"] = json.dumps(doc).encode()
    (image,) = load(store, archives.folder(files, tmp_path / "in"))
    assert image.tags == tags


def test_one_image_under_two_names_is_one_image(store: Store, tmp_path: Path) -> None:
    files = archives.layout(BASE)
    entry = json.loads(files["index.json"])["manifests"][0]
    other = entry | {"annotations": {"io.containerd.image.name": "docker.io/library/other:2"}}
    files["index.json"] = archives.index(entry, other)
    (image,) = load(store, archives.tar(files, tmp_path / "in"))
    assert image.tags == ("app:1", "other:2")


def multi(*, nested: int = 1) -> archives.Files:
    """As buildx writes: an index of platforms, with an attestation beside each."""
    files: archives.Files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for arch, layer in (("arm64", TOP), ("amd64", BASE)):
        entry = archives.descriptor(files, archives.manifest(files, layer, arch=arch), archives.MANIFEST)
        entries.append(entry | {"platform": {"os": "linux", "architecture": arch}})
        fake = archives.descriptor(files, b'{"schemaVersion":2}', archives.MANIFEST)
        entries.append(fake | {"platform": {"os": "unknown", "architecture": "unknown"},
                               "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})  # fmt: skip
    for _ in range(nested):
        entries = [archives.descriptor(files, archives.index(*entries), archives.INDEX)]
    for entry in entries:
        entry.setdefault("annotations", {})["io.containerd.image.name"] = "docker.io/library/app:1"
    files["index.json"] = archives.index(*entries)
    return files


@pytest.mark.parametrize("nested", [1, 3])
def test_of_several_platforms_ours_is_taken(store: Store, tmp_path: Path, nested: int) -> None:
    path = archives.folder(multi(nested=nested), tmp_path / "in")
    (image,) = load(store, path)
    assert image.layers == (archives.sha(BASE),)
    (image,) = load(store, path, Platform("linux", "arm64"))
    assert image.layers == (archives.sha(TOP),)


def test_platforms_side_by_side_in_index_json_are_one_image(store: Store, tmp_path: Path) -> None:
    files = multi(nested=0)
    (image,) = load(store, archives.folder(files, tmp_path / "in"))
    assert image.layers == (archives.sha(BASE),)


def test_a_platform_that_is_not_there_is_said_with_those_that_are(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="not there for linux/riscv64; there are: linux/amd64, linux/arm64"):
        load(store, archives.folder(multi(), tmp_path / "in"), Platform("linux", "riscv64"))


def test_a_layer_that_two_images_share_may_be_a_link(store: Store, tmp_path: Path) -> None:
    files = archives.docker_archive(BASE, TOP)
    name = hashlib.sha256(BASE).hexdigest()
    files[f"{name[:8]}/layer.tar"] = files.pop(f"{name}/layer.tar")
    path = archives.tar(files, tmp_path / "in", links={f"{name}/layer.tar": f"../{name[:8]}/layer.tar"})
    (image,) = load(store, path)
    assert tree(store, image) == WHOLE


def changed(files: archives.Files, name: str, data: bytes) -> archives.Files:
    return {key: data if key == name else value for key, value in files.items()}


def blob(data: bytes) -> str:
    return "blobs/sha256/" + hashlib.sha256(data).hexdigest()


def edited(what: str, change: Callable[[dict[str, Any]], object]) -> archives.Files:
    """A layout whose manifest, config or index says something else, with digests that fit."""
    files: archives.Files = {"oci-layout": b"{}"}
    data = archives.manifest(files, BASE, TOP)
    doc = json.loads(data)
    if what == "config":
        inner = json.loads(archives.config(BASE, TOP))
        change(inner)
        doc["config"] = archives.descriptor(files, json.dumps(inner).encode(), archives.CONFIG)
    elif what == "manifest":
        change(doc)
    index = {"schemaVersion": 2, "manifests": [archives.descriptor(files, json.dumps(doc).encode(), archives.MANIFEST)]}
    if what == "index":
        change(index)
    files["index.json"] = json.dumps(index).encode()
    return files


LAYOUT = archives.layout(BASE)
GZ = gzip.compress(BASE, mtime=0)
SWAPPED = gzip.compress(TOP, mtime=0)
HOSTILE: dict[str, tuple[archives.Files, type[WherryError]]] = {
    "layer with other bytes": (changed(LAYOUT, blob(GZ), GZ[:-1] + bytes([GZ[-1] ^ 1])), IntegrityError),
    "layer cut short": (changed(LAYOUT, blob(GZ), GZ[:-1]), IntegrityError),
    "layer with bytes behind it": (changed(LAYOUT, blob(GZ), GZ + b"\0"), IntegrityError),
    "config with other bytes": (
        changed(LAYOUT, blob(archives.config(BASE)), archives.config(BASE).replace(b"sh", b"rm")), IntegrityError),
    "right digest, other content than the diff id": (
        edited("config", lambda doc: doc["rootfs"].update(diff_ids=[archives.sha(TOP), archives.sha(BASE)])),
        IntegrityError),
    "fewer diff ids than layers": (
        edited("config", lambda doc: doc["rootfs"]["diff_ids"].pop()), InvalidSpec),
    "more diff ids than layers": (
        edited("manifest", lambda doc: doc["layers"].pop()), InvalidSpec),
    "size that lies": (edited("manifest", lambda doc: doc["layers"][0].update(size=1 << 40)), IntegrityError),
    "size of the manifest that lies": (edited("index", lambda doc: doc["manifests"][0].update(size=7)), IntegrityError),
    "size of the config that lies": (edited("manifest", lambda doc: doc["config"].update(size=7)), IntegrityError),
    "negative size": (edited("manifest", lambda doc: doc["layers"][0].update(size=-1)), InvalidSpec),
    "digest that is a path": (
        edited("manifest", lambda doc: doc["layers"][0].update(digest="sha256:../../../etc/passwd")), InvalidSpec),
    "manifest that is an index, too": (
        edited("manifest", lambda doc: doc.update(manifests=[])), InvalidSpec),
    "index that is a manifest, too": (edited("index", lambda doc: doc.update(layers=[])), InvalidSpec),
    "artifact": (
        edited("manifest", lambda doc: doc["config"].update(mediaType="application/vnd.oci.empty.v1+json")),
        Unsupported),
    "schema 1": (edited("manifest", lambda doc: doc.update(schemaVersion=1)), InvalidSpec),
    "nothing in the index": ({"oci-layout": b"{}", "index.json": archives.index()}, Unsupported),
    "indexes nested without end": (multi(nested=12), InvalidSpec),
    "missing layer": ({k: v for k, v in LAYOUT.items() if k != blob(GZ)}, InvalidSpec),
    "index that is no JSON": ({"oci-layout": b"{}", "index.json": b"{"}, InvalidSpec),
    "deep JSON": ({"oci-layout": b"{}", "index.json": b'{"a":' * 100_000}, InvalidSpec),
    "huge index": ({"oci-layout": b"{}", "index.json": b'{"manifests":[]' + b" " * (5 << 20) + b"}"}, InvalidSpec),
    "manifest.json that is no list": ({"manifest.json": b"{}"}, InvalidSpec),
    "manifest.json with a number for a name": (
        {"manifest.json": b'[{"Config": 5, "Layers": [], "RepoTags": null}]'}, InvalidSpec),
    "docker config under another's hash": (
        {k.replace(hashlib.sha256(archives.config(BASE)).hexdigest(), "0" * 64):
         v.replace(hashlib.sha256(archives.config(BASE)).hexdigest().encode(), b"0" * 64)
         for k, v in archives.docker_archive(BASE).items()}, IntegrityError),
    "docker layer with other bytes": (
        {k: TOP if k.endswith("layer.tar") else v for k, v in archives.docker_archive(BASE).items()}, IntegrityError),
    "name out of the archive": (
        changed(d := archives.docker_archive(BASE), "manifest.json",
                d["manifest.json"].replace(b'"Layers": ["', b'"Layers": ["../../')), InputError),
    "bad tag": (archives.docker_archive(BASE, tags=["../../etc:1"]), InputError),
    "layer that leaves its folder": (
        archives.docker_archive(archives.layer_tar(**{"..__..__etc__evil": "x"})), InputError),
    "layer that is no tar": (archives.docker_archive(b"not a tar at all" * 64), InputError),
    "nothing of an image": ({"hello": b"world"}, InvalidSpec),
    "docker 1.9": ({"repositories": b"{}"}, Unsupported),
}  # fmt: skip


@pytest.mark.parametrize("how", ["tar", "folder"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(store: Store, tmp_path: Path, case: str, how: str) -> None:
    files, kind = HOSTILE[case]
    path = archives.tar(files, tmp_path / "in") if how == "tar" else archives.folder(files, tmp_path / "in")
    with pytest.raises(kind):
        load(store, path)
    assert_empty(store)
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil"])
def test_an_entry_that_leaves_the_archive_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads outside"):
        load(store, archives.tar(LAYOUT | {name: b"x"}, tmp_path / "in"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_says_gigabytes_is_not_read_into_memory(store: Store, tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, 1 << 30
    path = tmp_path / "in"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, (1 << 30) + 20 * 512)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSpec, match="header records"):
            load(store, str(path))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_sparse_file_is_refused_before_its_map_is_read(store: Store, tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type = tarfile.GNUTYPE_SPARSE
    path = tmp_path / "in"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InvalidSpec, match="sparse"):
        load(store, str(path))


def test_links_in_a_folder_stay_in_it(store: Store, tmp_path: Path) -> None:
    path = archives.folder(LAYOUT, tmp_path / "in")
    secret = tmp_path / "secret"
    secret.write_bytes(LAYOUT["index.json"])
    os.unlink(f"{path}/index.json")
    os.symlink(secret, f"{path}/index.json")
    with pytest.raises(InvalidSpec):
        load(store, path)


def test_a_fifo_in_a_folder_does_not_hang(store: Store, tmp_path: Path) -> None:
    path = archives.folder(LAYOUT, tmp_path / "in")
    os.unlink(f"{path}/index.json")
    os.mkfifo(f"{path}/index.json")
    with pytest.raises(InvalidSpec):
        load(store, path)


def test_links_that_lead_in_a_circle_end(store: Store, tmp_path: Path) -> None:
    files = archives.docker_archive(BASE)
    name = next(key for key in files if key.endswith("layer.tar"))
    del files[name]
    path = archives.tar(files, tmp_path / "in", links={name: "b", name.replace("layer.tar", "b"): "layer.tar"})
    with pytest.raises(InvalidSpec, match="has no"):
        load(store, path)


def test_a_file_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(InputError, match=r"cannot open /no/such\.tar"):
        load(store, "/no/such.tar")


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 2000])
def test_an_archive_cut_short_is_refused(store: Store, tmp_path: Path, cut: int) -> None:
    data = Path(archives.tar(LAYOUT, tmp_path / "in")).read_bytes().rstrip(b"\0")
    (tmp_path / "cut").write_bytes(data[:-cut])
    with pytest.raises(InputError):
        load(store, str(tmp_path / "cut"))
    assert_empty(store)


ARCHIVE = LAYOUT | archives.docker_archive(TOP)


@settings(deadline=None, max_examples=settings.default.max_examples // 2)
@given(st.data())
def test_a_damaged_archive_ends_in_our_errors_and_never_in_a_wrong_image(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    raw = bytearray(Path(archives.tar(ARCHIVE, folder / "in")).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "in").write_bytes(raw)
    store = make(folder)
    try:
        for image in load(store, str(folder / "in")):
            assert image.layers in {(archives.sha(BASE),), (archives.sha(TOP),)}
    except (WherryError, OSError):
        store.collector.collect()
    finally:
        store.db.close()
