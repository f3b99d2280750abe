from __future__ import annotations

import pytest

from wherry.cli.cp import split


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("box:/a", ("box", "/a")),
        ("box:a/b:c", ("box", "a/b:c")),
        ("box:", ("box", "")),
        ("file", ("", "file")),
        ("/a:b", ("", "/a:b")),
        ("./a:b", ("", "./a:b")),
        ("../a:b", ("", "../a:b")),
        ("-", ("", "-")),
        ("", ("", "")),
    ],
)
def test_a_container_stands_before_a_colon_unless_the_word_is_plainly_a_path(word: str, found: tuple[str, str]) -> None:
    assert split(word) == found
