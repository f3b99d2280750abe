"""Names and ids of containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import containers_rows as rows
from wherry.engine.containers_names import free_name, new_id
from wherry.errors import Conflict, InputError, NotFound
from wherry.runtime.options import RunOptions
from wherry.store.db import Database

IMAGE = "sha256:" + "0" * 64


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "state.db"))
    with found.write() as write:
        write.execute("INSERT INTO image (id, manifest, created_ns, size, added_ns) VALUES (?, '', 1, 1, 1)", (IMAGE,))
    yield found
    found.close()


def row(id: str, name: str, created_ns: int = 1) -> rows.ContainerRow:
    return rows.ContainerRow(
        id, name, IMAGE, "image", created_ns, "ready", "", ("sh", "-c"), {"a": "b"}, ("80/tcp",), True,
        '{"tty": true}',
    )  # fmt: skip


def test_a_row_comes_back_as_it_went_in(db: Database) -> None:
    one = row("a" * 64, "one")
    rows.insert(db, one)
    assert rows.find(db, "one") == one
    assert rows.find(db, "/one") == one
    assert rows.find(db, "a" * 64) == one
    assert rows.find(db, "aaa") == one
    assert one.options() == RunOptions(tty=True)
    assert one.short_id == "a" * 12


def test_a_name_wins_over_the_prefix_of_an_id(db: Database) -> None:
    rows.insert(db, row("abc" + "0" * 61, "one"))
    rows.insert(db, row("d" * 64, "abc"))
    assert rows.find(db, "abc").id == "d" * 64


def test_a_prefix_that_fits_several_is_refused(db: Database) -> None:
    rows.insert(db, row("ab" + "0" * 62, "one"))
    rows.insert(db, row("ab" + "1" * 62, "two"))
    with pytest.raises(Conflict, match="multiple containers found"):
        rows.find(db, "ab")
    assert rows.find(db, "ab1").name == "two"


@pytest.mark.parametrize("name", ["", "nope", "%", "_", "abc'", "a" * 65])
def test_what_is_not_there_is_not_found(db: Database, name: str) -> None:
    rows.insert(db, row("e" * 64, "one"))
    with pytest.raises(NotFound, match="No such container"):
        rows.find(db, name)


def test_the_nearest_name_is_offered(db: Database) -> None:
    rows.insert(db, row("e" * 64, "database"))
    with pytest.raises(NotFound) as fault:
        rows.find(db, "databse")
    assert fault.value.hint == "did you mean database?"


def test_a_taken_name_names_its_holder(db: Database) -> None:
    rows.insert(db, row("e" * 64, "one"))
    with pytest.raises(Conflict, match='"/one" is already in use by container "' + "e" * 64):
        rows.insert(db, row("f" * 64, "one"))
    rows.insert(db, row("f" * 64, "two"))
    with pytest.raises(Conflict, match="already in use"):
        rows.rename(db, rows.find(db, "two"), "one")


def test_rename_frees_the_old_name(db: Database) -> None:
    rows.insert(db, row("e" * 64, "one"))
    rows.rename(db, rows.find(db, "one"), "/other")
    assert rows.find(db, "other").id == "e" * 64
    with pytest.raises(NotFound):
        rows.find(db, "one")


@pytest.mark.parametrize("name", ["", "a", "-a", "a b", "a/b", "ä1", "--privileged", ".x"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="Invalid container name") as caught:
        rows.check_name(name)
    assert bool(caught.value.hint) == (len(name) < 2)


def test_an_image_that_was_removed_meanwhile_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound, match="No such image: image"):
        rows.insert(db, row("e" * 64, "one")._replace(image_id="sha256:" + "1" * 64))
    assert rows.every(db) == []


def test_rows_come_newest_first_and_go(db: Database) -> None:
    rows.insert(db, row("e" * 64, "old", 1))
    rows.insert(db, row("f" * 64, "new", 2))
    assert [one.name for one in rows.every(db)] == ["new", "old"]
    rows.set_phase(db, "f" * 64, "removing")
    assert rows.find(db, "new").phase == "removing"
    rows.delete(db, "f" * 64)
    assert [one.name for one in rows.every(db)] == ["old"]


def test_made_names_are_names_and_ids_are_ids(db: Database) -> None:
    for _ in range(200):
        rows.check_name(free_name(db))
        id = new_id()
        assert len(id) == 64
        assert not id[:12].isdecimal()
