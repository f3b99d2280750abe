from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.build.cache import StepCache
from wherry.build.traced_store import MOST_SETS, TracedStore, shortened
from wherry.oci.digest import DiffID
from wherry.store.db import Database
from wherry.trace.observe import NODE, Look, PathSet

A, B = DiffID.of(b"a"), DiffID.of(b"b")


def paths(*names: str) -> PathSet:
    return PathSet(tuple(Look(0, name.encode(), NODE) for name in names))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = Database(str(tmp_path / "state.db"))
    yield db
    db.close()


@pytest.fixture
def store(db: Database) -> TracedStore:
    return TracedStore(StepCache(db))


def count(db: Database, table: str) -> int:
    found: int = db.read().execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def test_a_result_is_found_by_what_was_found_at_its_paths(store: TracedStore) -> None:
    store.put("w", paths("x"), ["1"], [A, B], "RUN x")
    store.put("w", paths("x"), ["2"], [B], "RUN x")
    (one,), damaged = store.candidates("w")
    assert (one.paths, damaged) == (paths("x"), 0)
    assert store.get("w", one.id, ["1"]) == (A, B)
    assert store.get("w", one.id, ["2"]) == (B,)
    assert store.get("w", one.id, ["3"]) is None
    assert store.candidates("other") == ([], 0)


def test_the_set_used_last_comes_first(store: TracedStore) -> None:
    for name in "abc":
        store.put("w", paths(name), ["1"], [A], "RUN x")
    first = store.candidates("w")[0]
    assert [one.paths.looks[0].path for one in first] == [b"c", b"b", b"a"]
    store.touch("w", first[2].id)
    assert store.candidates("w")[0][0] == first[2]


def test_only_so_many_sets_are_kept_and_with_one_go_its_results(store: TracedStore, db: Database) -> None:
    for number in range(MOST_SETS + 3):
        store.put("w", paths(f"n{number}"), ["1"], [A], "RUN x")
        store.put("w", paths(f"n{number}"), ["2"], [A], "RUN x")
    store.put("v", paths("n0"), ["1"], [A], "RUN x")
    kept = [one.paths.looks[0].path for one in store.candidates("w")[0]]
    assert kept == [f"n{number}".encode() for number in range(MOST_SETS + 2, 2, -1)]
    assert count(db, "step") == count(db, "traced_result") == 2 * MOST_SETS + 1
    assert count(db, "traced_paths") == MOST_SETS + 1


def test_a_set_goes_with_the_last_step_that_needs_it(store: TracedStore, db: Database) -> None:
    store.put("w", paths("x"), ["1"], [A], "RUN x")
    store.put("w", paths("x"), ["2"], [A], "RUN x")
    keys = [row[0] for row in db.read().execute("SELECT key FROM step")]
    for left, key in zip((1, 0), keys, strict=True):
        with db.write() as connection:
            connection.execute("DELETE FROM step WHERE key = ?", (key,))
        assert (count(db, "traced_result"), count(db, "traced_paths"), count(db, "step_layer")) == (left, left, left)


def test_the_same_twice_is_there_once(store: TracedStore, db: Database) -> None:
    for layer in (A, B):
        store.put("w", paths("x"), ["1"], [layer], "RUN x")
    (one,), _ = store.candidates("w")
    assert store.get("w", one.id, ["1"]) == (B,)
    assert (count(db, "step"), count(db, "traced_result"), count(db, "traced_paths")) == (1, 1, 1)


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, "text", None])
def test_a_damaged_set_is_dropped_and_counted(store: TracedStore, db: Database, data: object) -> None:
    store.put("w", paths("x"), ["1"], [A], "RUN x")
    store.put("w", paths("y"), ["1"], [A], "RUN x")
    with db.write() as connection:
        value = b"" if data is None else data
        connection.execute("UPDATE traced_paths SET paths = ? WHERE id = (SELECT min(id) FROM traced_paths)", (value,))
    found, damaged = store.candidates("w")
    assert (len(found), damaged) == (1, 1)
    assert store.candidates("w") == (found, 0)
    assert (count(db, "step"), count(db, "traced_paths")) == (1, 1)


def test_a_set_of_another_id_is_not_believed(store: TracedStore, db: Database) -> None:
    """Both are well formed: only the id tells that it is not what was written."""
    store.put("w", paths("x"), ["1"], [A], "RUN x")
    with db.write() as connection:
        connection.execute("UPDATE traced_paths SET paths = ?", (paths("y").pack(),))
    assert store.candidates("w") == ([], 1)


def test_what_was_found_before_can_be_told(store: TracedStore, db: Database) -> None:
    assert store.earlier("w") == []
    store.put("w", paths("x", "y"), ["1", "2"], [A], "RUN x")
    (earlier,) = store.earlier("w")
    assert (earlier.paths, earlier.values) == (paths("x", "y"), ("1", "2"))
    with db.write() as connection:
        connection.execute("UPDATE traced_result SET vals = ?", (b"[1",))
    (earlier,) = store.earlier("w")
    assert earlier.values == ()


def test_long_values_are_kept_short_too_many_not_at_all_and_the_result_is_found_still(store: TracedStore) -> None:
    for count, is_kept in ((3000, True), (9000, False)):
        many = paths(*(f"{number:06}" for number in range(count)))
        values = [f"file 644 {number} " + "v" * 60 for number in range(count)]
        store.put(str(count), many, values, [A], "RUN x")
        (one,), _ = store.candidates(str(count))
        assert store.get(str(count), one.id, values) == (A,)
        (earlier,) = store.earlier(str(count))
        assert earlier.is_short is is_kept
        assert earlier.values == (shortened(values) if is_kept else ())
    assert shortened(["file 1", "file 2", "absent"])[0].startswith("file ")
    assert len(set(shortened(["file 1", "file 2", "absent"]))) == 3


def test_a_whole_set_and_a_build_that_keeps_nothing_leave_nothing(db: Database) -> None:
    TracedStore(StepCache(db)).put("w", PathSet(is_whole=True), [], [A], "RUN x")
    TracedStore(StepCache(db, remember=False)).put("w", paths("x"), ["1"], [A], "RUN x")
    assert (count(db, "step"), count(db, "traced_paths"), count(db, "traced_result")) == (0, 0, 0)
