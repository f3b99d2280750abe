from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build import pattern

# From the documentation of Go's path/filepath.Match and its table of tests
MATCHES = [
    ("abc", "abc", True), ("*", "abc", True), ("*c", "abc", True), ("a*", "a", True), ("a*", "abc", True),
    ("a*b*c*d*e*", "axbxcxdxe", True), ("a*b?c*x", "abxbbxdbxebxczzx", True), ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True), ("ab[b-d]", "abc", True), ("ab[e-g]", "abc", False), ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False), ("ab[^e-g]", "abc", True), ("a\\*b", "a*b", True), ("a\\*b", "ab", False),
    ("a?b", "a☺b", True), ("a[^a]b", "a☺b", True), ("a???b", "a☺b", False), ("[a-ζ]*", "α", True),
    ("[\\]a]", "]", True), ("[\\-]", "-", True), ("[x\\-]", "x", True), ("[x\\-]", "-", True), ("[x\\-]", "z", False),
    ("[\\-x]", "-", True), ("[z-a]", "m", False), ("[^z-a]", "m", True), ("*x", "xxx", True), ("**", "ab", True),
    ("[!a]", "!", True),
]  # fmt: skip
BAD = ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a["]


@pytest.mark.parametrize(("wanted", "name", "fits"), MATCHES)
def test_names_match_as_in_go(wanted: str, name: str, fits: bool) -> None:
    assert pattern.match(wanted, name) is fits


@pytest.mark.parametrize("wanted", BAD)
def test_what_go_calls_a_bad_pattern_is_not_valid_and_fits_nothing(wanted: str) -> None:
    assert not pattern.match(wanted, "a")
    if pattern.has_wildcards(wanted):
        assert not pattern.is_valid(f"dir/{wanted}")


def test_a_backslash_makes_a_wildcard_plain() -> None:
    assert not pattern.has_wildcards("a\\*b")
    assert pattern.has_wildcards("\\\\*")
    assert pattern.plain("a\\*b\\\\c") == "a*b\\c"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_an_escaped_name_fits_itself(name: str) -> None:
    assert pattern.match("".join(f"\\{char}" for char in name), name)
    assert pattern.match("*", name)


def test_many_stars_do_not_take_for_ever() -> None:
    assert not pattern.match("*a" * 12 + "b", "a" * 60)


@given(st.text(alphabet="ab*?[]\\^-/", max_size=12))
def test_a_literal_fits_itself_only(path: str) -> None:
    assert pattern.plain(pattern.literal(path)) == path
    assert not pattern.has_wildcards(pattern.literal(path))
