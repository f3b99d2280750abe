"""BuildKit's checks in a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.build.options import BuildOptions
from wherry.dockerfile import parse
from wherry.engine.build_lint import check
from wherry.engine.builds import Described
from wherry.errors import InputError


def names(text: bytes, context: str = "") -> list[str]:
    described = Described(parse(text), text, "Dockerfile", context)
    return [one.rule.name for one in check(described, BuildOptions(), None)]


def test_findings_are_given() -> None:
    assert names(b"FROM a as b\nENV k v\n") == ["FromAsCasing", "LegacyKeyValueFormat"]
    assert names(b"\xef\xbb\xbfFROM a\n") == []


def test_a_build_of_a_file_that_wants_errors_fails() -> None:
    text = b"# check=error=true;skip=FromAsCasing\nFROM a as b\n"
    assert names(text) == []
    with pytest.raises(InputError, match="lint violation found for rules: LegacyKeyValueFormat"):
        names(text + b"ENV k v\n")


def test_what_dockerignore_hides_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("secret\n")
    text = b"FROM a\nCOPY secret /\n"
    assert names(text, str(tmp_path)) == []
    assert names(b"# check=experimental=CopyIgnoredFile\n" + text, str(tmp_path)) == ["CopyIgnoredFile"]


def test_a_comment_for_hadolint_silences_the_check_of_the_same_meaning() -> None:
    assert names(b"FROM a:1\nCMD run\n") == ["JSONArgsRecommended"]
    assert names(b"FROM a:1\n# hadolint ignore=DL3025\nCMD run\nRUN sudo x\n") == []
