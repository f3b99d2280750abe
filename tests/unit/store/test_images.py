from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.conftest import Store, make
from wherry.errors import Conflict, InvalidReference, NotFound
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.store.images import created_ns, rfc3339
from wherry.store.index import rebuild


def test_an_image_is_found_by_each_of_its_names_and_by_its_id(store: Store) -> None:
    image = store.image("shop/api:1", "shop/api")
    for text in ("shop/api:1", "shop/api", "docker.io/shop/api:latest", image.id, image.id.hex, image.id.hex[:6],
                 image.id[:15]):  # fmt: skip
        assert store.images.resolve(text) == image
    assert image.tags == ("shop/api:1", "shop/api:latest")


def test_the_nearest_name_is_named_when_there_is_none(store: Store) -> None:
    store.image("shop/api:1.4")
    with pytest.raises(NotFound, match=re.escape("No such image: shop/aip:1.4")) as fault:
        store.images.resolve("shop/aip:1.4")
    assert fault.value.hint == "did you mean shop/api:1.4?"


def test_a_name_that_is_also_an_id_prefix_is_the_name(store: Store) -> None:
    first = store.image()
    second = store.image(first.id.hex[:4], created="2026-01-01T00:00:00Z")
    assert store.images.resolve(first.id.hex[:4]) == second


def test_an_id_prefix_that_fits_several_is_refused(store: Store) -> None:
    by_letter: dict[str, int] = {}
    for i in range(17):
        image = store.image(created=f"2026-01-{i + 1:02}T00:00:00Z")
        by_letter[image.id.hex[0]] = by_letter.get(image.id.hex[0], 0) + 1
    twice = next(letter for letter, count in by_letter.items() if count > 1)
    with pytest.raises(Conflict, match="ambiguous"):
        store.images.resolve(twice)


def test_what_can_be_no_name_is_said_so(store: Store) -> None:
    with pytest.raises(InvalidReference):
        store.images.resolve("Shop/API")


def test_a_tag_moves_and_leaves_the_old_image_dangling(store: Store) -> None:
    old, new = store.image("app", created="2026-01-01T00:00:00Z"), store.image("app", created="2026-01-02T00:00:00Z")
    assert store.images.resolve("app").id == new.id
    assert store.images.get(old.id).references == ()
    assert [one.id for one in store.images.list()] == [new.id, old.id]


def test_the_same_image_twice_is_one_image(store: Store) -> None:
    assert store.image("a").id == store.image("b").id
    assert store.images.list()[0].tags == ("a:latest", "b:latest")


def test_an_image_needs_its_layers(store: Store) -> None:
    config = ImageConfig(Platform("linux", "amd64"), diff_ids=(DiffID.of(b"nowhere"),))
    with pytest.raises(NotFound, match="layer"):
        store.images.create(config)
    assert store.images.list() == []


def test_untag_takes_the_name_and_keeps_the_image(store: Store) -> None:
    image = store.image("app")
    store.images.untag(Reference.parse("app"))
    assert store.images.resolve(image.id).references == ()
    with pytest.raises(NotFound):
        store.images.untag(Reference.parse("app"))


def test_tagging_what_is_not_there_fails(store: Store) -> None:
    store.image("app")
    with pytest.raises(NotFound):
        store.images.tag(Digest.of(b"none"), Reference.parse("app"))
    assert store.images.resolve("app")


def test_size_is_the_sum_of_the_layers(store: Store) -> None:
    assert store.image("app", layers=("12345", "678")).size == 8


def test_the_manifest_names_uncompressed_layers_and_is_always_the_same(store: Store, tmp_path: Path) -> None:
    image = store.image("app", layers=("base", "top"))
    manifest = store.images.manifest(image)
    assert [layer.digest.hex for layer in manifest.layers] == [one.hex for one in image.layers]
    other = make(tmp_path / "other")
    assert other.image("elsewhere", layers=("base", "top")).manifest == image.manifest
    other.db.close()


def test_a_removal_is_refused_when_a_container_came_meanwhile(store: Store) -> None:
    image = store.image("app")
    store.container("c1", image)
    with pytest.raises(Conflict, match="is being used by"):
        store.images.remove(image, image.references, delete=True, known_users=())
    assert store.images.resolve("app") == image


def test_a_removal_is_refused_when_a_name_came_meanwhile(store: Store) -> None:
    image = store.image("app")
    store.images.tag(image.id, Reference.parse("other"))
    with pytest.raises(Conflict, match="given a name"):
        store.images.remove(image, image.references, delete=True, known_users=())
    assert store.images.resolve("app")


def test_an_image_that_comes_back_is_shown_again(store: Store) -> None:
    image = store.image("app")
    store.container("c1", image)
    store.images.remove(image, image.references, delete=True, known_users=["c1"])
    with pytest.raises(NotFound):
        store.images.resolve("app")
    assert store.image("app").id == image.id


def test_index_json_lists_every_image_as_an_oci_layout_does(store: Store) -> None:
    image, dangling = store.image("app:1"), store.image(created="2026-01-01T00:00:00Z")
    index = Index.from_bytes(Path(store.paths.root, "index.json").read_bytes())
    by_name = {one.annotations.get("io.containerd.image.name"): one for one in index.manifests}
    assert set(by_name) == {"docker.io/library/app:1", None}
    assert by_name["docker.io/library/app:1"].digest == image.manifest
    assert by_name["docker.io/library/app:1"].annotations["org.opencontainers.image.ref.name"] == "1"
    assert by_name["docker.io/library/app:1"].size == store.blobs.size(image.manifest)
    assert by_name[None].digest == dangling.manifest
    assert json.loads(Path(store.paths.root, "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


def test_a_lost_database_is_rebuilt_from_the_folders(store: Store, tmp_path: Path) -> None:
    config = ContainerConfig(labels={"a": "b"})
    images = [store.image("app:1", "app:2", layers=("base", "top"), config=config), store.image()]
    store.db.close()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        Path(store.paths.root, name).unlink(missing_ok=True)
    again = make(tmp_path)
    assert again.images.list() == []
    assert rebuild(again.paths, again.db, again.blobs, again.layers) == 2
    found = {one.id: one for one in again.images.list()}
    for image in images:
        assert found[image.id]._replace(added_ns=0) == image._replace(added_ns=0)
    assert again.collector.collect() == ((), (), 0)
    again.db.close()


def test_a_rebuild_leaves_out_what_lost_a_layer(store: Store, tmp_path: Path) -> None:
    image = store.image("app")
    other = store.image("other", layers=("x",))
    store.db.close()
    os.rename(store.layers.path(image.layers[0]), f"{tmp_path}/away")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        Path(store.paths.root, name).unlink(missing_ok=True)
    again = make(tmp_path)
    assert rebuild(again.paths, again.db, again.blobs, again.layers) == 1
    assert [one.id for one in again.images.list()] == [other.id]
    again.db.close()


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_times_survive_being_written_and_read(moment: int) -> None:
    assert created_ns(rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("2026-02-30T00:00:00Z", 0),
        ("yesterday", 0),
        ("", 0),
        ("0001-01-01T00:00:00Z", int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 10**9),
    ],
)
def test_times_of_image_configs(text: str, moment: int) -> None:
    assert created_ns(text) == moment
