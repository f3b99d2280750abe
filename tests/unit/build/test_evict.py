from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build.cache import StepCache
from wherry.build.evict import Policy, cached_steps, forget_steps, kept_bytes, victims
from wherry.oci.digest import DiffID
from wherry.store.db import Database

GB = 1000**3
A, B, C = (DiffID.of(name) for name in (b"a", b"b", b"c"))


class Thing(NamedTuple):
    used_ns: int
    size: int
    is_shared: bool = False
    is_in_use: bool = False


@pytest.mark.parametrize(
    ("policy", "free", "kept"),
    [
        (Policy(), 0, None),
        (Policy(reserved=2), 0, 2),
        (Policy(max_used=7), 0, 7),
        (Policy(reserved=8, max_used=7), 0, 8),
        (Policy(min_free=5), 2, 7),
        (Policy(min_free=5), 5, 10),
        (Policy(min_free=50), 2, 0),
        (Policy(min_free=50, reserved=3), 2, 3),
        (Policy(min_free=5, max_used=6), 2, 6),
        (Policy(min_free=5, max_used=9), 2, 7),
    ],
)
def test_how_much_may_stay_of_ten_bytes(policy: Policy, free: int, kept: int | None) -> None:
    assert kept_bytes(10, free, policy) == kept


def test_without_a_limit_all_goes_but_what_is_shared_or_in_use() -> None:
    things = [Thing(3, 1), Thing(1, 1), Thing(2, 1, is_shared=True), Thing(4, 1, is_in_use=True)]
    assert victims(things, Policy()) == [things[1], things[0]]
    assert victims(things, Policy(everything=True)) == [things[1], things[2], things[0]]


def test_the_least_recently_used_go_until_the_limit_is_kept() -> None:
    things = [Thing(1, 4), Thing(2, 4), Thing(3, 4)]
    assert victims(things, Policy(max_used=8)) == things[:1]
    assert victims(things, Policy(max_used=7)) == things[:2]
    assert victims(things, Policy(max_used=12)) == []


def test_what_was_used_since_stays() -> None:
    things = [Thing(1, 4), Thing(5, 4)]
    assert victims(things, Policy(before_ns=3)) == things[:1]


@given(
    st.lists(st.builds(Thing, st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans())),
    st.integers(0, 40),
)
def test_what_is_in_use_never_goes_and_the_limit_is_kept_where_it_can_be(things: list[Thing], limit: int) -> None:
    gone = victims(things, Policy(max_used=limit))
    assert not [one for one in gone if one.is_in_use or one.is_shared]
    left = sum(one.size for one in things) - sum(one.size for one in gone)
    movable = [one for one in things if not (one.is_in_use or one.is_shared)]
    assert not limit or left <= limit or len(gone) == len(movable)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = Database(str(tmp_path / "state.db"))
    with db.write() as conn:
        conn.executemany("INSERT INTO layer (diff_id, size, created_ns) VALUES (?, ?, 0)", [(A, 10), (B, 20), (C, 30)])
    yield db
    db.close()


def used(db: Database, **when: int) -> None:
    with db.write() as conn:
        conn.executemany("UPDATE step SET used_ns = ? WHERE key = ?", [(ns, key) for key, ns in when.items()])


def lease(db: Database, diff_id: DiffID) -> None:
    with db.write() as conn:
        conn.execute("INSERT INTO lease VALUES (1, 'build', 1, 1, 'x', 0)")
        conn.execute("INSERT INTO lease_item VALUES (1, 'layer', ?)", (diff_id,))


def test_a_layer_of_several_steps_goes_with_the_one_used_last(db: Database) -> None:
    cache = StepCache(db)
    cache.put("one", (A, B), "RUN one")
    cache.put("two", (A,), "RUN two", kind="traced")
    used(db, one=1, two=2)
    assert [(step.key, step.size, step.kind) for step in cached_steps(db)] == [
        ("one", 20, "ordinary"), ("two", 10, "traced"),
    ]  # fmt: skip


def test_a_step_whose_layers_an_image_has_is_shared_and_takes_nothing(db: Database) -> None:
    StepCache(db).put("one", (A,), "RUN one")
    StepCache(db).put("two", (A, B), "RUN two")
    with db.write() as conn:
        conn.execute("INSERT INTO image VALUES ('i', 'm', 0, 0, 0, 0)")
        conn.execute("INSERT INTO image_layer VALUES ('i', 0, ?)", (A,))
    assert {step.key: (step.is_shared, step.size) for step in cached_steps(db)} == {
        "one": (True, 0),
        "two": (False, 20),
    }


def test_a_leased_step_is_in_use_and_is_not_forgotten_even_when_it_was_chosen(db: Database) -> None:
    StepCache(db).put("one", (A, B), "RUN one")
    StepCache(db).put("two", (C,), "RUN two")
    lease(db, B)
    assert {step.key: step.is_in_use for step in cached_steps(db)} == {"one": True, "two": False}
    assert forget_steps(db, ["one", "two", "three"]) == ("two",)
    assert [step.key for step in cached_steps(db)] == ["one"]
    assert not db.read().execute("SELECT 1 FROM step_layer WHERE key = 'two'").fetchall()
