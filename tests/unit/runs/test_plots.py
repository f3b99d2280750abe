"""What runs are drawn as, and how they are compared."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wherry.runs.braille import draw
from wherry.runs.compare import compare
from wherry.runs.glyphs import dots
from wherry.runs.png import png
from wherry.runs.scale import Axis, Curve, segments, smooth, ticks
from wherry.runs.svg import COLORS, svg

FALLING = Curve("a <b> & \x1b[31m", [(step, 100.0 / (step + 1)) for step in range(50)])
GAP = Curve("gap", [(0, 1.0), (1, float("nan")), (2, 3.0), (3, float("inf")), (4, 2.0), (5, 4.0)])
VALUES = st.floats(allow_nan=True, allow_infinity=True)


def test_an_svg_is_well_formed_and_the_same_each_time() -> None:
    text = svg([FALLING, GAP], "loss")
    root = ET.fromstring(text)
    assert text == svg([FALLING, GAP], "loss")
    words = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(word.startswith("a <b> & ") for word in words)
    assert "\x1b" not in text


def test_nan_and_infinity_are_gaps() -> None:
    assert segments(GAP.points, log=False) == [[(0, 1.0)], [(2, 3.0)], [(4, 2.0), (5, 4.0)]]
    assert svg([GAP], "x").count("<circle") == 2


def test_braille_is_as_wide_as_asked_and_ends_where_the_values_end() -> None:
    lines = draw([FALLING], width=60, height=8).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[-2].split() == ["0", "49"]
    assert "\x1b" not in draw([GAP], color=False)
    assert "\x1b[34m" in draw([GAP], color=True)
    assert draw([Curve("none", [(0, float("nan"))])]) == "no points\n"


@given(st.lists(st.tuples(st.integers(0, 10**12), VALUES), max_size=20), st.booleans())
@example(points=[(0, 1.2e308)], log=False)
@example(points=[(0, -1.7e308), (1, 1.7e308)], log=False)
def test_anything_can_be_drawn(points: list[tuple[int, float]], log: bool) -> None:
    ET.fromstring(svg([Curve("x", points)], "t", log=log))
    draw([Curve("x", points)], width=40, height=4, log=log)


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis(0, 10), ["0", "2", "4", "6", "8", "10"]),
        (Axis(-2, 1, is_log=True), ["0.01", "0.1", "1", "10"]),
        (Axis(0.001, 0.002), ["0.001", "0.0012", "0.0014", "0.0016", "0.0018", "0.002"]),
    ],
)
def test_ticks_are_round_numbers(axis: Axis, texts: list[str]) -> None:
    assert [text for _, text in ticks(axis)] == texts


def test_smoothing_starts_at_the_first_value_and_keeps_gaps() -> None:
    found = smooth([(0, 10.0), (1, 10.0), (2, float("nan")), (3, 0.0)], 0.5)
    assert found[:2] == [(0, 10.0), (1, 10.0)]
    assert found[2][1] != found[2][1]
    assert 0 < found[3][1] < 10


def test_compare_shows_what_differs_alone_unless_asked_for_all() -> None:
    one: dict[str, Any] = {
        "experiment": "iris", "status": "finished", "params": {"lr": 0.1, "depth": 3}, "tags": {},
        "metrics": {"acc": {"last": 0.9}}, "artifacts": [], "command": ["python", "train.py"],
        "environment": {"python": "3.12.1", "packages": {"numpy": "2.1", "six": "1"}}, "git": {"commit": "a" * 40},
        "image": {"name": "t:1", "id": "sha256:" + "1" * 64},
    }  # fmt: skip
    two = {**one, "params": {"lr": 0.2, "depth": 3}, "metrics": {}, "git": {"commit": "a" * 40, "diff": "+x\n"},
           "environment": {"python": "3.12.1", "packages": {"numpy": "2.2", "six": "1"}}}  # fmt: skip
    rows = [(row.kind, row.name, row.values) for row in compare([one, two])]
    assert ("param", "lr", ("0.1", "0.2")) in rows
    assert ("metric", "acc", ("0.9", "")) in rows
    assert ("package", "numpy", ("2.1", "2.2")) in rows
    assert {name for _, name, _ in rows} == {"lr", "acc", "numpy", "diff"}
    assert ("image id", ("1" * 12, "1" * 12)) in [(row.name, row.values) for row in compare([one, two], all=True)]


def dots_of(data: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and rows of RGB; every checksum is looked at."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + 3 * width
    assert len(raw) == stride * height
    assert set(raw[::stride]) == {0}
    return width, height, [raw[one * stride + 1 : (one + 1) * stride] for one in range(height)]


def test_a_png_has_each_curve_in_its_color() -> None:
    rising = Curve("rising", [(0, 0.0), (10, 10.0)])
    flat = Curve("\u03b1 flat", [(0, 5.0), (10, 5.0)])
    data = png([rising, flat], "loss", width=400, height=300)
    assert data == png([rising, flat], "loss", width=400, height=300)
    width, height, rows = dots_of(data)
    assert (width, height) == (400, 300)
    blue, red = bytes.fromhex(COLORS[0][1:]), bytes.fromhex(COLORS[1][1:])
    middle = (72 + 300 - 80) // 2
    found = [row[x * 3 : x * 3 + 3] for row in rows for x in range(width)]
    assert found.count(blue) > 200
    # The flat one runs through the middle, the rising one crosses it there
    assert any(rows[y][330 * 3 : 331 * 3] == red for y in range(middle - 2, middle + 3))
    assert all(rows[y][330 * 3 : 331 * 3] != blue for y in range(middle - 2, middle + 3))


def test_letters_are_dots() -> None:
    assert {x for x, _ in dots("|")} == {2}
    assert len(list(dots("8"))) == 17
    assert [*dots("\u03b1")] == [*dots("\u4e2d")]
    for code in range(33, 127):
        assert [*dots(chr(code))], chr(code)


@given(st.lists(st.tuples(st.integers(0, 10**12), VALUES), max_size=10), st.booleans(), st.text(max_size=10))
@settings(max_examples=25, deadline=None)
def test_anything_can_be_drawn_as_png(points: list[tuple[int, float]], log: bool, title: str) -> None:
    dots_of(png([Curve(title, points)], title, log=log, width=300, height=200))
