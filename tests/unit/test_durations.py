"""Go's durations."""

from __future__ import annotations

import pytest

from wherry.durations import parse_duration_ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0), ("-0", 0), ("1s", 10**9), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("500ms", 5 * 10**8),
        (".5s", 5 * 10**8), ("5.s", 5 * 10**9), ("2us", 2000), ("2µs", 2000), ("2μs", 2000), ("3ns", 3),
        ("-1s", -(10**9)), ("+1s", 10**9), ("1h2m3s4ms5us6ns", 3723004005006), ("0.1ns", 0),
    ],
)  # fmt: skip
def test_a_duration_is_nanoseconds(text: str, ns: int) -> None:
    assert parse_duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "1", "1.5", "s", "1 s", "1x", "1s2", ".", "--1s", "-", "99999999999h", "١s"])
def test_what_is_no_duration_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration_ns(text)
