"""docs/differences.md against the code and the cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.script import Outcome, Step, cases_of, compare, normal, outcomes
from tools import differences

PAGE = differences.TARGET.read_text()
CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))


def test_the_page_has_each_mark_of_the_code() -> None:
    assert differences.page(PAGE) == PAGE, "docs/differences.md is out of date: make docs"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_step_that_differs_is_on_the_page(path: Path) -> None:
    named = [rest for case in cases_of(path) for step in case.steps for rest in step.all("differs:")]
    plain = PAGE.replace("`", "")
    assert [words for words in named if words not in plain] == []


def test_titles_and_container_names_are_not_shared() -> None:
    titles = [case.title for path in CASES for case in cases_of(path)]
    assert len(titles) == len(set(titles))


def test_another_exit_code_or_output_or_message_is_a_difference(tmp_path: Path) -> None:
    same, step = (Outcome(0, "a\n", ""), tmp_path), Step("docker x")
    assert compare(step, same, same) == ""
    for other in (Outcome(1, "a\n", ""), Outcome(0, "b\n", ""), Outcome(0, "a\n", "oops\n")):
        assert compare(step, same, (other, tmp_path))


def test_ids_times_and_the_programs_names_are_none(tmp_path: Path) -> None:
    ours = f"wherry {'a' * 64} {tmp_path}/x 2026-01-02T03:04:05.123Z Up 3 seconds 172.17.0.2"
    theirs = f"docker {'b' * 64} {tmp_path}/x 2026-02-02T03:04:05Z Up 4 seconds 10.1.0.9"
    assert normal(ours, tmp_path) == normal(theirs, tmp_path)


def test_output_is_cut_at_the_marks() -> None:
    assert outcomes("a\n\n@@ 0\nb\n\n@@ 3\n", "\n@@ 0\ne\n\n@@ 3\n") == [
        Outcome(0, "a\n", ""),
        Outcome(3, "b\n", "e\n"),
    ]
