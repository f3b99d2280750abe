"""wherry.lean_json is json: the same values, the same text, the same errors."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO, StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry import lean_json

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20)


@given(VALUES, st.booleans(), st.sampled_from([None, (",", ":"), (", ", ": ")]))
def test_what_is_written_is_what_json_writes(value: object, ascii: bool, separators: tuple[str, str] | None) -> None:
    text = lean_json.dumps(value, ensure_ascii=ascii, separators=separators)
    assert text == json.dumps(value, ensure_ascii=ascii, separators=separators)


@given(st.dictionaries(st.text(), VALUES))
def test_keys_are_sorted_and_lines_are_indented(value: object) -> None:
    for options in ({"sort_keys": True}, {"indent": 2}):
        ours, theirs = partial(lean_json.dumps, **options), partial(json.dumps, **options)
        assert outcome(ours, value) == outcome(theirs, value)


@given(VALUES, st.sampled_from(["", " ", "\n\t", "\r\n  "]), st.sampled_from(["", "\n", " \t"]), st.booleans())
def test_what_is_read_is_what_json_reads(value: object, before: str, after: str, ascii: bool) -> None:
    text = before + json.dumps(value, ensure_ascii=ascii) + after
    assert lean_json.loads(text) == json.loads(text)
    data = text.encode("utf-8", "surrogatepass")
    assert lean_json.loads(data) == lean_json.load(BytesIO(data)) == lean_json.load(StringIO(text)) == json.loads(data)


def outcome(read: Any, text: object) -> tuple[str, str]:
    try:
        return "value", repr(read(text))
    except Exception as fault:
        return type(fault).__name__, str(fault)


ODD: list[Any] = [
    "", " ", "nul", "{", "[1,]", '{"a" 1}', "1 2", "\ufeff1", "NaN", "-Infinity", '"\x01"', '"\\ud800"', "01", "1e999",
    b"", b"1", b"12", b"123", b"\xef\xbb\xbf{}", b'"\xff"', "[1]".encode("utf-16"), "[1]".encode("utf-32-be"),
    b"[1]\x00", "\u00a01", "1\u2028", "9" * 400, None, 7, [], bytearray(b'{"a": [1]}'), '{"a": 1, "a": 2}', "\x0c1",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:30])
def test_what_is_odd_ends_as_with_json(text: object) -> None:
    assert outcome(lean_json.loads, text) == outcome(json.loads, text)


@given(st.text(alphabet='{}[]",:0123456789.eE+-\\u truefalsn \n\t') | st.binary(max_size=12))
def test_noise_ends_as_with_json(text: object) -> None:
    assert outcome(lean_json.loads, text) == outcome(json.loads, text)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", {(1, 2): 3}, CIRCLE, float("nan"), float("-inf"), [1.5e300], (1, (2,)), "\ud800"]
)
def test_what_json_refuses_is_refused_in_its_words(value: object) -> None:
    assert outcome(lean_json.dumps, value) == outcome(json.dumps, value)


def test_a_decoder_can_refuse_what_is_no_number() -> None:
    def refuse(text: str) -> None:
        raise ValueError(f"{text} is no number")

    decoder = lean_json.Decoder(parse_constant=refuse)
    assert decoder.decode(' {"a": [1.5, null]} ') == {"a": [1.5, None]}
    with pytest.raises(ValueError, match="-Infinity is no number"):
        decoder.decode("[-Infinity]")
    with pytest.raises(json.JSONDecodeError):
        decoder.decode("[1")
