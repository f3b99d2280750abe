from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.errors import Conflict, InputError, NotFound
from wherry.store.db import Database
from wherry.volume.driver import check_options
from wherry.volume.model import VolumeWish
from wherry.volume.store import VolumeStore, check_name, natural


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VolumeStore]:
    db = Database(str(tmp_path / "state.db"))
    yield VolumeStore(db, str(tmp_path / "volumes"))
    db.close()


@pytest.mark.parametrize("name", ["data", "a1", "A.b-c_d", "0" * 64])
def test_dockers_names_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["a", "../etc", "a/b", ".hidden", "-x", "a b", "ä1", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"invalid characters for a local volume name|name is too short"):
        check_name(name)


@pytest.mark.parametrize("options", [{"size": "1"}, {"type": "nfs"}, {"device": "/x"}])
def test_options_that_make_no_mount_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InputError):
        check_options("data", options)


def test_creating_twice_gives_the_same_volume(store: VolumeStore) -> None:
    first = store.create("data", {"a": "b"}, {})
    assert os.path.isdir(first.folder)
    assert store.create("data", {}, {}) == first
    # As docker: what is there stays as it is
    assert store.create("data", {"c": "d"}, {"type": "none", "o": "bind", "device": "/srv"}) == first


def test_an_anonymous_volume_says_so_in_its_labels(store: VolumeStore) -> None:
    volume = store.create("", {}, {})
    assert volume.is_anonymous
    assert len(volume.name) == 64
    assert volume.labels == {"com.docker.volume.anonymous": ""}


def test_a_container_keeps_its_volumes(store: VolumeStore) -> None:
    wanted = [VolumeWish("/a", "", True), VolumeWish("/b", "data", False)]
    first = store.use("c1", wanted)
    assert store.use("c1", wanted) == first
    assert [(use.target, use.needs_copy) for use in store.uses("c1")] == [("/a", True), ("/b", False)]
    assert store.use("c2", wanted)["/a"] != first["/a"]
    assert store.users("data") == ["c1", "c2"]


def test_a_folder_that_was_removed_by_hand_comes_back(store: VolumeStore) -> None:
    volume = store.create("data", {}, {})
    shutil.rmtree(os.path.dirname(volume.folder))
    store.use("c1", [VolumeWish("/b", "data", False)])
    assert os.path.isdir(volume.folder)


def test_a_volume_in_use_is_not_removed(store: VolumeStore) -> None:
    store.use("c1", [VolumeWish("/b", "data", False)])
    with pytest.raises(Conflict, match=r"remove data: volume is in use - \[c1\]"):
        store.remove("data")
    assert store.forget("c1") == (), "it is not an anonymous one"
    gone = store.remove("data")
    assert os.path.isdir(gone)
    assert list(store.leftovers()) == [gone]
    with pytest.raises(NotFound, match="get data: no such volume"):
        store.remove("data")


def test_only_the_last_user_frees_an_anonymous_volume(store: VolumeStore) -> None:
    name = store.use("c1", [VolumeWish("/a", "", True)])["/a"].name
    store.use("c2", [VolumeWish("/a", name, False)])
    assert store.forget("c1") == ()
    assert store.forget("c2") == (name,)


def test_a_volume_given_by_name_outlives_its_container_even_without_a_name_of_its_own(store: VolumeStore) -> None:
    name = store.create("", {}, {}).name
    store.use("c1", [VolumeWish("/a", name, is_named=True), VolumeWish("/b", "")])
    gone = store.forget("c1")
    assert name not in gone
    assert len(gone) == 1


def test_the_list_is_in_dockers_order(store: VolumeStore) -> None:
    wanted = ["0a", "9f", "56c", "6676d", "M1", "a5", "a40", "ma", "vol", "vol1", "vol02", "vol10", "vol.1_-"]
    assert sorted(wanted, key=natural) == wanted
    for name in reversed(wanted):
        store.create(name, {}, {})
    assert [one.name for one in store.list()] == wanted
