"""Words and variables, against BuildKit's own cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wherry.dockerfile.shell import Lex, WordError

ENV = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}


def test_buildkits_230_words_expand(corpus: Callable[[str], Path]) -> None:
    tried = 0
    for number, line in enumerate((corpus("buildkit") / "shell" / "envVarTest").read_text().splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        tried += 1
        platform, source, expected = (part.strip() for part in line.split("|"))
        if platform == "W":
            continue
        try:
            got = Lex().process(source, ENV)
        except WordError:
            got = "error"
        assert got == expected, f"line {number}: {source}"
    assert tried >= 230


def test_buildkits_28_splits(corpus: Callable[[str], Path]) -> None:
    env: dict[str, str] = {}
    tried = 0
    for line in (corpus("buildkit") / "shell" / "wordsTest").read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("ENV "):
            name, _, value = line[4:].lstrip(" ").partition("=")
            env[name] = value
            continue
        tried += 1
        source, expected = line.split("|")
        try:
            got = Lex().words(source.strip(), env)
        except WordError:
            got = ["error"]
        assert got == expected.lstrip(" ").split(","), source
    assert tried >= 20
