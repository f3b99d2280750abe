from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.image.tar import pax

keys = st.binary(min_size=1, max_size=20).filter(lambda key: b"=" not in key and b"\0" not in key)


@given(st.lists(st.tuples(keys, st.binary(max_size=200))))
def test_what_is_encoded_is_decoded(records: list[tuple[bytes, bytes]]) -> None:
    assert pax.decode(pax.encode(records)) == records


@pytest.mark.parametrize("length", range(1, 120))
def test_the_length_counts_its_own_digits(length: int) -> None:
    record = pax.encode([(b"k", b"v" * length)])
    assert int(record.split(b" ")[0]) == len(record)


@pytest.mark.parametrize(
    "data",
    [
        b"x", b"9 a=b\n", b"6 a=b\n!", b"5 a=b\n", b"06 a=b\n", b"6 ab=\0", b"6 =ab\n", b"7 abcd\n", b"-6 a=b\n",
        b" a=b\n", b"99999999999999999999 a=b\n", b"4 \0=\n", b"2 \n", b"1", b"6 a=b" + b"x",
    ],
)  # fmt: skip
def test_a_broken_record_is_an_error(data: bytes) -> None:
    with pytest.raises(InvalidSpec):
        pax.decode(data)


@given(st.integers(-(2**80), 2**80))
def test_times_survive_to_the_nanosecond(ns: int) -> None:
    assert pax.parse_time(pax.format_time(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (b"1", 10**9), (b"1.5", 1_500_000_000), (b"-1.5", -1_500_000_000), (b"0.0000000019", 1), (b"1.", 10**9),
        (b"-0.0000000019", -2),
    ],
)  # fmt: skip
def test_decimals_of_a_time_are_cut_towards_the_past(text: bytes, ns: int) -> None:
    assert pax.parse_time(text) == ns


@pytest.mark.parametrize("text", [b"", b"-", b".5", b"1e9", b"1" * 5000, b"0x1", b" 1", b"1_0"])
def test_what_is_no_time_is_an_error(text: bytes) -> None:
    with pytest.raises(InvalidSpec):
        pax.parse_time(text)


@pytest.mark.parametrize("text", [b"", b"-1", b"1" * 5000, b"1.0", b"0x1", b"1_0", b"+1"])
def test_what_is_no_number_is_an_error(text: bytes) -> None:
    with pytest.raises(InvalidSpec):
        pax.integer(text, "uid")
