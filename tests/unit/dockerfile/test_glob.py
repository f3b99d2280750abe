"""Shell patterns, compared with the regular expressions that they stand for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.dockerfile.glob import PatternError, replace, trim_prefix, trim_suffix

PATTERN = st.text(st.sampled_from("ab*?"), max_size=6)
VALUE = st.text(st.sampled_from("abc\n"), max_size=10)


def expression(pattern: str, star: str) -> str:
    return "".join(star if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


@given(PATTERN, VALUE, st.booleans())
def test_a_prefix_goes_as_the_regular_expression_says(pattern: str, value: str, longest: bool) -> None:
    match = re.match(expression(pattern, ".*" if longest else ".*?"), value)
    assert trim_prefix(value, pattern, longest) == (value[match.end() :] if match else value)


@given(PATTERN, VALUE, st.booleans())
def test_a_suffix_is_a_prefix_from_behind(pattern: str, value: str, longest: bool) -> None:
    assert trim_suffix(value, pattern, longest) == trim_prefix(value[::-1], pattern[::-1], longest)[::-1]


@given(PATTERN.filter(lambda pattern: pattern.strip("*")), VALUE)
def test_every_match_is_replaced(pattern: str, value: str) -> None:
    assert replace(value, pattern, "<>", every=True) == re.sub(expression(pattern, ".*"), "<>", value)
    assert replace(value, pattern, "<>", every=False) == re.sub(expression(pattern, ".*"), "<>", value, count=1)


def test_an_empty_pattern_matches_between_all_characters_as_in_go() -> None:
    assert replace("ab", "", "-", every=True) == "-a-b-"
    assert replace("ab", "", "-", every=False) == "-ab"
    assert replace("ab", "*", "-", every=True) == "-"


@pytest.mark.parametrize("pattern", ["\\", "\\x", "\\\\\\"])
def test_a_backslash_needs_something_to_escape(pattern: str) -> None:
    with pytest.raises(PatternError):
        trim_prefix("x", pattern, False)


def test_no_pattern_takes_forever() -> None:
    assert trim_prefix("a" * 3000, "a*" * 200 + "b", True) == "a" * 3000
