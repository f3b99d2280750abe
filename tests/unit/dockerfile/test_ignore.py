"""Patterns of .dockerignore, against moby's own cases and the file's rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.dockerfile.ignore import Matcher
from wherry.errors import InputError


def test_mobys_67_patterns(corpus: Callable[[str], Path]) -> None:
    lines = (corpus("dockerignore") / "matches.tsv").read_text().splitlines()[1:]
    assert len(lines) == 67
    for line in lines:
        pattern, path, expected = line.split("\t")
        assert Matcher([pattern]).excludes(path) == (expected == "true"), line


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs/", "!docs/README.md"], "docs/README.md", False),
        (["docs/*", "!docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md"], "docs/other.md", True),
        (["*.go", "!main.go"], "main.go", False),
        (["!main.go", "*.go"], "main.go", True),
        (["**", "!util/docker/web"], "util/docker/web/foo", False),
        (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
        (["**", "!dist/*.whl"], "dist/a-2.4.0+g08-py3-none-any.whl", False),
        (["**/*.md", "!docs"], "docs/README.md", False),
        (["*.go"], ".", False),
        (["*"], "a/b/c", True),
        (["a/*"], "a/b/c", True),
        (["/secret"], "secret", True),
        (["./a/../b//c/"], "b/c", True),
        (["  spaced  "], "spaced", True),
        (["[]"[:1] + "[]"], "[", True),
        (["[x\\-]"], "-", True),
        (["[\\]a]"], "]", True),
        (["[a-ζ]*"], "α", True),
        (["*[a-ζ]"], "A", False),
        (["a?b"], "a☺b", True),
        (["a?b"], "a/b", False),
        (["a\\*b"], "a*b", True),
        (["a\\*b"], "axb", False),
        (["a*b*c*d*e*/f"], "axbxcxdxexxx/f", True),
        (["a*b*c*d*e*/f"], "axbxcxdxe/xxx/f", False),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["**file"], "myfile", True),
        (["**/file"], "myfile", False),
        (["foo**"], "foobar/x", True),
        (["a.b"], "axb", False),
        (["name\n"], "name", True),
    ],
)
def test_the_last_line_that_matches_wins(patterns: list[str], path: str, excluded: bool) -> None:
    assert Matcher(patterns).excludes(path) is excluded


@pytest.mark.parametrize(
    "pattern", ["[", "[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[^", "[^bc", "a[", "[z-a]", "!"]
)
def test_a_malformed_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(InputError):
        Matcher([pattern])


def test_the_file_has_comments_in_the_first_column_only_and_may_begin_with_a_bom() -> None:
    matcher = Matcher.of_file(b"\xef\xbb\xbfa\r\n#b\r\n\r\n #c\n! /d/e \nd\n!/d/keep\n")
    assert [matcher.excludes(path) for path in ("a", "b", "#c", "d/x", "d/keep", "d/e")] == [
        True, False, True, True, False, True,
    ]  # fmt: skip


def test_a_fault_of_the_file_names_its_line() -> None:
    with pytest.raises(InputError, match="illegal exclusion pattern") as caught:
        Matcher.of_file(b"a\n!\n", "app.dockerignore")
    assert caught.value.where == "app.dockerignore:2"
    with pytest.raises(InputError, match="too much"):
        Matcher.of_file(b"a\n" * (1 << 20))


def test_a_walk_may_leave_out_a_folder_only_when_nothing_below_can_come_back() -> None:
    assert Matcher(["node_modules"]).prunes("node_modules")
    assert not Matcher(["node_modules"]).prunes("src")
    matcher = Matcher(["data", "!data/keep/one.csv", "logs", "!other"])
    assert not matcher.prunes("data")
    assert not matcher.prunes("data/keep")
    assert matcher.prunes("data/drop")
    assert matcher.prunes("logs")
    assert not Matcher(["logs", "!**/keep"]).prunes("logs/a/b")
    assert not Matcher(["logs", "!l*/keep"]).prunes("logs")
    assert Matcher(["!logs/keep", "logs"]).prunes("logs")


SEGMENT = st.text(st.sampled_from("ab.*?[]^-\\!#c"), min_size=1, max_size=4)
PATH = st.lists(st.text(st.sampled_from("abc.]"), min_size=1, max_size=3).filter(lambda s: set(s) != {"."}), min_size=1)


@given(st.lists(st.lists(SEGMENT, min_size=1, max_size=3).map("/".join), max_size=5), PATH.map("/".join))
def test_what_is_pruned_is_excluded_with_everything_below(patterns: list[str], path: str) -> None:
    try:
        matcher = Matcher(patterns)
    except InputError:
        return
    if matcher.prunes(path):
        for below in ("a", "b/c", "]", "a/b/c"):
            assert matcher.excludes(f"{path}/{below}")


@given(st.binary(max_size=200))
def test_any_bytes_are_patterns_or_an_input_error(data: bytes) -> None:
    try:
        matcher = Matcher.of_file(data)
    except InputError:
        return
    matcher.excludes("a/b")
    matcher.prunes("a")
