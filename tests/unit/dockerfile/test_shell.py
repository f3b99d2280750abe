"""Words and variables, against BuildKit's own cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.dockerfile.shell import Lex, WordError

WORDS = Path(__file__).parents[2] / "cases" / "dockerfile" / "words"
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


def cases(name: str) -> Iterator[tuple[Lex, dict[str, str], str, str, str]]:
    """(lex, environment, word, arrow, expected) of a file in tests/cases/dockerfile/words."""
    env: dict[str, str] = {}
    lex = Lex()
    for line in (WORDS / name).read_text().splitlines():
        arrow = "=>" if " =>" in line else "=x"
        word, found, expected = line.partition(f" {arrow}")
        if line.startswith("#"):
            continue
        if found:
            yield lex, dict(env), word, arrow, expected.removeprefix(" ")
        elif line.startswith("escape "):
            lex = Lex(line[-1])
        else:
            key, _, value = line.partition("=")
            env[key] = value


@pytest.mark.parametrize(("lex", "env", "word", "arrow", "expected"), list(cases("expand.txt")))
def test_a_word_expands(lex: Lex, env: dict[str, str], word: str, arrow: str, expected: str) -> None:
    if arrow == "=>":
        assert lex.process(word, env) == expected
    else:
        with pytest.raises(WordError) as caught:
            lex.process(word, env)
        assert expected in str(caught.value)


@pytest.mark.parametrize(("lex", "env", "word", "arrow", "expected"), list(cases("split.txt")))
def test_a_word_splits(lex: Lex, env: dict[str, str], word: str, arrow: str, expected: str) -> None:
    if arrow == "=>":
        assert "|".join(lex.words(word, env)) == expected
    else:
        with pytest.raises(WordError, match=expected):
            lex.words(word, env)


def test_a_trace_names_what_was_looked_up() -> None:
    found = Lex().trace('$A ${B:-$C} "${D+x}"', {"A": "1", "D": ""})
    assert found.text == "1  x"
    assert found.words == ("1", "x")
    assert (found.used, found.missing) == ({"A", "D"}, {"B", "C"})


def test_unset_variables_can_stay_as_they_are_written() -> None:
    lex = Lex(skips_unset=True)
    assert lex.process("$A ${A} ${A:-x} ${A+y} ${A/b/c} ${B}", {"B": "1"}) == "$A ${A} ${A:-x} ${A+y} ${A/b/c} 1"


def test_quotes_and_escapes_can_stay() -> None:
    assert Lex(keeps_quotes=True, keeps_escapes=True).process('"a" \'b\' \\c "\\$d"', {}) == '"a" \'b\' \\c "\\$d"'
    assert Lex(ignores_quotes=True).process('it\'s "$A"', {"A": "1"}) == 'it\'s "1"'


def test_variables_nest_only_so_deep() -> None:
    assert Lex().process("${A:-" * 60 + "x" + "}" * 60, {}) == "x"
    with pytest.raises(WordError, match="inside each other"):
        Lex().process("${A:-" * 5000 + "}" * 5000, {})


@given(st.text(st.sampled_from("$\\{}:-+?#%/*'\"` aA1_<\t\n"), max_size=30), st.sampled_from("\\`"))
def test_any_text_expands_or_is_a_word_error(text: str, escape: str) -> None:
    for lex in (Lex(escape), Lex(escape, True, True, False, True), Lex(escape, ignores_quotes=True)):
        try:
            found = lex.trace(text, {"A": "a*b", "a": ""})
        except WordError:
            continue
        assert lex.process(text, {"A": "a*b", "a": ""}) == found.text
        assert lex.words(text, {"A": "a*b", "a": ""}) == list(found.words)


@given(st.text(st.characters(exclude_characters="$\\'\"<"), max_size=30))
def test_a_word_without_special_characters_is_itself(text: str) -> None:
    assert Lex().process(text, {}) == Lex().trace(text, {}).text == text
