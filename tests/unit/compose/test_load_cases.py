"""tests/cases/compose/load: what files come to, what is told, where faults are. docker-compose is asked elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose_cases import Case, ask_wherry, cases

CASES = cases("load")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_project_loads_as_its_case_says(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    result = ask_wherry(case, folder)
    if "want" in case.talk:
        assert (result.error, result.output) == ("", case.talk["want"])
    else:
        assert f"{result.where}\n{result.error}".rstrip("\n") == case.talk["error"].rstrip("\n")
    assert result.warnings == case.warnings


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) > 200
