"""Whole projects: what is written for them, letter for letter. The integration tests build and ask them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.scaffold.plan import Wishes, plan
from wherry.scaffold.read import read
from wherry.scaffold.write import texts

CASES = Path(__file__).parents[2] / "cases" / "init"


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_a_project_gets_the_files_that_were_expected(case: Path) -> None:
    found = read(str(case / "project"))
    decided = plan(found._replace(name="shop"), Wishes(python="3.13"))
    for name, text in texts(decided).items():
        assert text == (case / f"{name}.expected").read_text(), name
