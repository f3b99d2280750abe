"""Points: what was stored is read again, whole and in order, wherever the file is cut."""

from __future__ import annotations

import math
import mmap
import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.track.metrics import HEADER_BYTES, RECORD_BYTES, Writer
from wherry.track.points import Curve, Summary, batches, last, points, summaries

STEPS = st.integers(-(1 << 63), (1 << 63) - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
POINTS = st.lists(st.tuples(NAMES, STEPS, st.floats()), max_size=60)


def writer(folder: Path, name: str = "1") -> Writer:
    (folder / "metrics").mkdir(exist_ok=True)
    return Writer(str(folder / "metrics" / f"{name}.bin"))


def same(one: float, two: float) -> bool:
    return struct.pack("<d", one) == struct.pack("<d", two) or (math.isnan(one) and math.isnan(two))


@given(POINTS)
def test_points_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, given: list) -> None:
    folder = tmp_path_factory.mktemp("run")
    with_file = writer(folder)
    for number, (name, step, value) in enumerate(given):
        with_file.add({name: value}, step, float(number))
    before = list(points(str(folder)))  # still open: as after a kill -9
    with_file.close()
    assert repr(before) == repr(list(points(str(folder))))
    assert [(name, step) for name, step, _, _ in before] == [(name, step) for name, step, _ in given]
    assert all(same(one[3], two[2]) for one, two in zip(before, given, strict=True))


@given(st.integers(0, 30), st.data())
def test_a_file_cut_at_any_byte_gives_the_whole_records_before_it(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
    file = writer(folder)
    for step in range(count):
        file.add({"loss": 0.5}, step, 0.0)
    file.close()
    path = folder / "metrics" / "1.bin"
    whole = path.read_bytes()
    assert len(whole) == HEADER_BYTES + count * RECORD_BYTES
    at = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:at])
    kept = max(0, at - HEADER_BYTES) // RECORD_BYTES
    assert [step for _, step, _, _ in points(str(folder))] == list(range(kept))


def test_a_record_without_its_last_word_is_passed_over(tmp_path: Path) -> None:
    file = writer(tmp_path)
    file.add({"loss": 1.0}, 0, 0.0)
    file.add({"loss": 2.0}, 1, 0.0)
    file.close()
    path = tmp_path / "metrics" / "1.bin"
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 28 : HEADER_BYTES + 32] = bytes(4)
    path.write_bytes(data)
    assert [value for _, _, _, value in points(str(tmp_path))] == [2.0]


@pytest.mark.parametrize("data", [b"", b"short", b"X" * 200, b"WHRYPTS1" + bytes(100)])
def test_a_foreign_file_has_no_points(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "1.bin").write_bytes(data)
    assert list(points(str(tmp_path))) == []


def test_steps_count_on_when_they_are_left_out(tmp_path: Path) -> None:
    file = writer(tmp_path)
    for step in (None, None, 10, None, 3.0):
        file.add({"a": 1, "b": True}, step, 0.0)  # type: ignore[arg-type]
    file.close()
    assert [step for _, step, _, _ in points(str(tmp_path), "a")] == [0, 1, 10, 11, 3]


@pytest.mark.parametrize(
    ("values", "step"),
    [({"a": "x"}, 0), ({"a": None}, 0), ({"a": [1]}, 0), ({"a": 1}, 1.5), ({"a": 1}, "1x"), ({"a": 1}, 1 << 63),
     ({"": 1}, 0), ({3: 1}, 0), ({"n" * 251: 1}, 0)],
)  # fmt: skip
def test_a_mistake_is_told_and_leaves_no_point(tmp_path: Path, values: dict, step: object) -> None:
    file = writer(tmp_path)
    file.add({"before": 1}, 0, 0.0)
    with pytest.raises(TypeError):
        file.add(values, step, 0.0)  # type: ignore[arg-type]
    file.add({"after": 1}, 1, 0.0)
    file.close()
    assert [name for name, _, _, _ in points(str(tmp_path))] == ["before", "after"]


def test_numbers_beyond_a_float_are_infinite(tmp_path: Path) -> None:
    file = writer(tmp_path)
    file.add({"a": 10**400, "b": -(10**400)}, 0, 0.0)
    file.close()
    assert [value for _, _, _, value in points(str(tmp_path))] == [math.inf, -math.inf]


def test_a_file_system_that_maps_nothing_gets_a_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    file = writer(tmp_path)
    file.add({"a": 1.0}, 0, 100.0)  # the first is flushed at once, then one a second
    assert len(list(points(str(tmp_path)))) == 1
    for step in range(1, 5000):
        file.add({"a": 1.0}, step, 100.5)
    file.close()
    assert [step for _, step, _, _ in points(str(tmp_path))] == list(range(5000))


def test_a_full_disk_costs_points_and_not_the_training(tmp_path: Path) -> None:
    file = writer(tmp_path)
    for step in range(2046):
        file.add({"a": 1.0}, step, 0.0)
    os.close(file._fd)
    file._fd = os.open("/dev/full", os.O_RDWR)  # the next window can't be reserved
    file.add({"a": 1.0}, 2046, 0.0)
    file.add({"a": 1.0}, 2047, 0.0)
    assert file.dropped == 2
    assert "cannot write metrics" in file.fault
    file.close()


def test_other_languages_append_lines(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"loss": 0.5, "step": 3, "time": 7.5}\n{"loss": "NaN"}\nnonsense\n[1]\n{"acc": 1, "note": "x", "step": 9}\n{"l'
    )
    found = list(points(str(tmp_path)))
    assert repr(found) == repr([("loss", 3, 7.5, 0.5), ("loss", 4, 0.0, math.nan), ("acc", 9, 0.0, 1.0)])


def test_the_newest_values_are_read_from_the_end_of_a_file_that_is_written_to(tmp_path: Path) -> None:
    file = writer(tmp_path)
    for step in range(40_000):
        file.add({"loss": step / 2}, step, float(step))
    assert last(str(tmp_path)) == {"loss": (39_999, 19_999.5)}
    file.close()


def test_summaries_leave_nan_out(tmp_path: Path) -> None:
    file = writer(tmp_path)
    for step, value in enumerate([math.nan, 2.0, -math.inf, math.inf, 1.0, math.nan]):
        file.add({"a": value}, step, float(step))
    file.add({"b": math.nan}, 0, 0.0)
    file.close()
    assert {name: one.document() for name, one in summaries(str(tmp_path)).items()} == {
        "a": {"count": 6, "last": "NaN", "last_step": 5, "min": "-Infinity", "min_step": 2, "max": "Infinity",
              "max_step": 3, "nan": 2},
        "b": {"count": 1, "last": "NaN", "last_step": 0, "nan": 1},
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.floats(allow_nan=False)), min_size=1, max_size=200))
def test_a_curve_keeps_the_extremes_and_the_ends(given: list[tuple[int, float]]) -> None:
    curve = Curve(8)
    for step, value in given:
        curve.add(step, value)
    found = curve.points()
    assert len(found) <= 40
    assert set(found) <= set(given)
    assert [step for step, _ in found] == sorted(step for step, _ in found)
    assert min(value for _, value in found) == min(value for _, value in given)
    assert max(value for _, value in found) == max(value for _, value in given)
    assert (found[0][0], found[-1][0]) == (min(given)[0], max(step for step, _ in given))


def test_memory_does_not_grow_with_the_points(tmp_path: Path) -> None:
    """100,000 here; docs/tracking.md has the figures of 10 million."""
    file = writer(tmp_path)
    tracemalloc.start()
    for step in range(100_000):
        file.add({"loss": float(step)}, step, 0.0)
    curve = Curve(100)
    for _, step, _, value in points(str(tmp_path)):
        curve.add(step, value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    file.close()
    assert curve.count == 100_000
    assert peak < 1 << 20


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-50, 50), st.floats(0, 10), st.floats(width=64)), max_size=200
    ),
    st.booleans(),
)
def test_points_in_batches_sum_up_and_draw_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, given: list, in_order: bool
) -> None:
    if in_order:
        given = [(name, step, float(place), value) for place, (name, step, _, value) in enumerate(given)]
        given.sort(key=lambda one: one[1])
    folder = tmp_path_factory.mktemp("run")
    (folder / "metrics").mkdir()
    writer = Writer(str(folder / "metrics" / "1-a.bin"))
    for name, step, time, value in given:
        writer.add({name: value}, step, time)
    writer.close()
    singly: dict[str, tuple[Summary, Curve]] = {}
    for name, step, time, value in points(str(folder)):
        summary, curve = singly.setdefault(name, (Summary(), Curve(4)))
        summary.add(step, time, value)
        curve.add(step, value)
    found = summaries(str(folder))
    assert {name: one.document() for name, one in found.items()} == {
        name: summary.document() for name, (summary, _) in singly.items()
    }
    for name, (_, curve) in singly.items():
        together = Curve(4)
        for _, steps, _, values in batches(str(folder), name):
            together.extend(steps, values)
        # repr: NaN is not equal to itself
        assert sorted(map(repr, together.points())) == sorted(map(repr, curve.points()))
        assert together.count == curve.count
