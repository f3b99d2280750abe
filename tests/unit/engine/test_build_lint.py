"""BuildKit's checks in a build."""

from __future__ import annotations

import pytest

from wherry.build.options import BuildOptions
from wherry.dockerfile import parse
from wherry.engine.build_lint import check
from wherry.errors import InputError


def names(text: bytes) -> list[str]:
    return [one.rule.name for one in check(parse(text), text, BuildOptions())]


def test_findings_are_given() -> None:
    assert names(b"FROM a as b\nENV k v\n") == ["FromAsCasing", "LegacyKeyValueFormat"]
    assert names(b"\xef\xbb\xbfFROM a\n") == []


def test_a_build_of_a_file_that_wants_errors_fails() -> None:
    text = b"# check=error=true;skip=FromAsCasing\nFROM a as b\n"
    assert names(text) == []
    with pytest.raises(InputError, match="lint violation found for rules: LegacyKeyValueFormat"):
        names(text + b"ENV k v\n")
