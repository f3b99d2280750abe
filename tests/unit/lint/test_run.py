"""Rules of a test's own, run, silenced and repaired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wherry.dockerfile.instructions import Workdir
from wherry.errors import InputError
from wherry.lint.choice import Checks, Choice, parse_checks
from wherry.lint.rule import Hit, rule
from wherry.lint.ruleset import load
from wherry.lint.run import fix, run
from wherry.lint.subject import Subject


@rule("DL9999", "warning", "WORKDIR x")
def no_x(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Workdir) and one.path == "x":
            yield Hit(one.span, edits=subject.edit(one.span, "x", "/x"))


@rule("WorkdirX", "warning", "the same by another name")
def no_x_either(subject: Subject) -> Iterator[Hit]:
    return iter(no_x.check(subject))


def subject(text: str) -> Subject:
    return Subject.parse(text.encode(), "Dockerfile")


def lines(text: str, choice: Choice = Choice()) -> list[int]:  # noqa: B008
    return [finding.span.first for finding in run(subject(text), [no_x], choice)]


def test_a_hit_is_told_with_the_rules_level_and_description() -> None:
    (finding,) = run(subject("FROM a\nWORKDIR x\n"), [no_x], Choice())
    assert (finding.level, finding.message, finding.span.first) == ("warning", "WORKDIR x", 2)


@pytest.mark.parametrize("comment", ["hadolint ignore=DL9999 # why", "wherry lint ignore=DL1 , DL9999"])
def test_a_comment_silences_the_instruction_below_it_alone(comment: str) -> None:
    assert lines(f"FROM a\n# {comment}\n# more\nWORKDIR x\nWORKDIR x\n") == [5]


def test_a_global_comment_silences_the_file() -> None:
    assert lines("# hadolint global ignore=DL9999\nFROM a\nWORKDIR x\nWORKDIR x\n") == []


def test_ignore_only_and_levels_choose() -> None:
    text = "FROM a\nWORKDIR x\n"
    assert lines(text, Choice(ignore=frozenset({"DL9999"}))) == []
    assert lines(text, Choice(only=frozenset({"DL1"}))) == []
    assert lines(text, Choice(levels={"DL9999": "ignore"})) == []


def test_of_two_rules_with_one_meaning_one_is_told() -> None:
    twin = no_x._replace(same_as="WorkdirX")
    found = run(subject("FROM a\nWORKDIR x\n"), [twin, no_x_either], Choice())
    assert [finding.rule.name for finding in found] == ["WorkdirX"]


@pytest.mark.parametrize("name", ["DL9999", "WorkdirX"])
def test_who_silences_one_of_two_names_silences_both(name: str) -> None:
    twin = no_x._replace(same_as="WorkdirX")
    commented = subject(f"FROM a\n# hadolint ignore={name}\nWORKDIR x\n")
    assert not run(commented, [twin, no_x_either], Choice())
    assert not run(subject("FROM a\nWORKDIR x\n"), [twin, no_x_either], Choice(ignore=frozenset({name})))
    (one,) = run(subject("FROM a\nWORKDIR x\n"), [twin, no_x_either], Choice(only=frozenset({name})))
    assert one.rule.name == name


def test_a_rule_that_is_off_does_not_silence_its_twin() -> None:
    twin = no_x._replace(same_as="WorkdirX", level="ignore")
    (one,) = run(subject("FROM a\nWORKDIR x\n"), [twin, no_x_either], Choice())
    assert one.rule.name == "WorkdirX"


def test_a_fix_changes_the_span_and_nothing_else() -> None:
    text = "FROM a\r\n  WORKDIR \\\r\n# why\r\n x\r\n"
    looked = subject(text)
    fixed, done = fix(looked.text, run(looked, [no_x], Choice()))
    assert fixed == text.replace(" x", " /x")
    assert len(done) == 1
    assert not run(subject(fixed), [no_x], Choice())


def test_the_check_directive_is_read_as_buildkit_reads_it() -> None:
    assert parse_checks("skip=A, B;error=true") == Checks(skip=frozenset({"A", "B"}), is_error=True)
    assert parse_checks("skip=all;experimental=all") == Checks(skips_all=True, all_experimental=True)
    for wrong, message in [("skip", 'invalid check option "skip"'), ("error=yes", "failed to parse check option")]:
        with pytest.raises(InputError, match=message):
            parse_checks(wrong)


def test_urls_are_those_of_the_rules_authors() -> None:
    assert no_x.url == "https://github.com/hadolint/hadolint/wiki/DL9999"
    named = no_x._replace(name="JSONArgsRecommended")
    assert named.url == "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"


def test_all_families_can_be_loaded() -> None:
    assert len({one.name for one in load()}) == len(load())
