"""One record of --mount, as docker's reader takes it."""

from __future__ import annotations

import csv
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.runtime.csv_record import record


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("a,", ["a", ""]),
        (",", ["", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b"', ['a"b']),
        ('""', [""]),
        ("a b , c", ["a b ", " c"]),
    ],
)
def test_fields_are_taken_apart(text: str, fields: list[str]) -> None:
    assert record(text) == fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "EOF"),
        ('a"b', 'parse error on line 1, column 2: bare " in non-quoted-field'),
        ('ä"b', 'parse error on line 1, column 3: bare " in non-quoted-field'),
        ('"a', 'parse error on line 1, column 3: extraneous or missing " in quoted-field'),
        ('x,"a"b', 'parse error on line 1, column 5: extraneous or missing " in quoted-field'),
    ],
)
def test_a_fault_is_told_with_its_column(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        record(text)
    assert caught.value.message == message


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=2))
def test_what_a_writer_of_csv_wrote_comes_back(fields: list[str]) -> None:
    text = ",".join('"' + one.replace('"', '""') + '"' for one in fields)
    assert record(text) == fields


@given(st.text(st.sampled_from('a,"'), max_size=12))
def test_what_is_taken_is_what_pythons_reader_takes(text: str) -> None:
    with suppress(InputError):
        assert record(text) == next(csv.reader([text], strict=True))
