from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.unit.store import archives
from tests.unit.store.conftest import Store, make
from tests.unit.store.test_load import BASE, TOP, WHOLE, load, tree
from wherry.errors import IntegrityError
from wherry.oci.reference import Reference
from wherry.store.images import ImageRecord
from wherry.store.save import Saved, Saver


def save(store: Store, *images: ImageRecord) -> bytes:
    out = io.BytesIO()
    Saver(store.images, store.layers, store.blobs).save([Saved(one, one.references) for one in images], out.write)
    return out.getvalue()


def entries(data: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            found[member.name] = file.read() if file else b""
    return found


@pytest.mark.parametrize("make_files", [archives.layout, archives.docker_archive], ids=["layout", "docker"])
def test_what_was_saved_is_loaded_as_the_same_image(store: Store, tmp_path: Path, make_files) -> None:  # type: ignore[no-untyped-def]
    (image,) = load(store, archives.tar(make_files(BASE, TOP), tmp_path / "in"))
    store.images.tag(image.id, Reference.parse("second/name"))
    image = store.images.get(image.id)
    (tmp_path / "out").write_bytes(save(store, image))
    other = make(tmp_path / "other")
    (again,) = load(other, str(tmp_path / "out"))
    assert again._replace(added_ns=0) == image._replace(added_ns=0)
    assert tree(other, again) == WHOLE
    other.db.close()


def test_the_archive_is_an_oci_layout_and_a_docker_archive(store: Store, tmp_path: Path) -> None:
    (image,) = load(store, archives.tar(archives.docker_archive(BASE, TOP), tmp_path / "in"))
    found = entries(save(store, image))
    for name, data in found.items():
        if name.startswith("blobs/sha256/"):
            assert archives.sha(data) == f"sha256:{name[13:]}"
    (docker,) = json.loads(found["manifest.json"])
    assert docker["RepoTags"] == ["app:1"]
    assert docker["Config"] == f"blobs/sha256/{image.id.hex}"
    assert [found[name] for name in docker["Layers"]] == [BASE, TOP]
    (entry,) = json.loads(found["index.json"])["manifests"]
    assert entry["digest"] == image.manifest
    assert entry["size"] == len(found[f"blobs/sha256/{image.manifest.hex}"])
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/app:1"
    assert found["oci-layout"] == b'{"imageLayoutVersion":"1.0.0"}'


def test_two_images_share_a_layer_in_the_archive(store: Store, tmp_path: Path) -> None:
    (one,) = load(store, archives.tar(archives.docker_archive(BASE), tmp_path / "a"))
    (two,) = load(store, archives.tar(archives.docker_archive(BASE, TOP, tags=["two:1"]), tmp_path / "b"))
    found = entries(save(store, one, two))
    assert list(found.values()).count(BASE) == 1
    assert [doc["RepoTags"] for doc in json.loads(found["manifest.json"])] == [["app:1"], ["two:1"]]


def test_the_bytes_depend_on_the_images_alone(store: Store, tmp_path: Path) -> None:
    (image,) = load(store, archives.tar(archives.docker_archive(BASE, TOP), tmp_path / "in"))
    assert save(store, image) == save(store, image)
    assert len(save(store, image)) % 10240 == 0


def test_a_layer_that_was_changed_behind_our_back_is_not_saved_as_good(store: Store, tmp_path: Path) -> None:
    (image,) = load(store, archives.tar(archives.docker_archive(BASE), tmp_path / "in"))
    Path(store.layers.path(image.layers[0]), "bin").write_text("X")
    with pytest.raises(IntegrityError):
        save(store, image)


def test_a_lost_compressed_layer_is_saved_from_its_folder(store: Store, tmp_path: Path) -> None:
    (image,) = load(store, archives.tar(archives.docker_archive(BASE), tmp_path / "in"))
    (same,) = load(store, archives.tar(archives.layout(BASE), tmp_path / "in2"))
    assert same.id == image.id
    assert same.manifest != image.manifest
    for layer in store.images.manifest(same).layers:
        Path(store.blobs.path(layer.digest)).unlink()
    (tmp_path / "out").write_bytes(save(store, same))
    other = make(tmp_path / "other")
    (again,) = load(other, str(tmp_path / "out"))
    assert (again.id, again.layers) == (image.id, image.layers)
    other.db.close()
