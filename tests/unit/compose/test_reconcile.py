"""Plans from what is wanted and what is there: one case a file, in tests/cases/compose/plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.compose import plan_cases
from wherry.compose.plan import Plan
from wherry.compose.reconcile import reconcile
from wherry.compose.reconcile_down import reconcile_down
from wherry.errors import WherryError

CASES = Path(__file__).parents[2] / "cases" / "compose" / "plans"


def shown(plan: Plan) -> str:
    warnings = "".join(f"warning: {text}\n".replace("\nSet", " Set") for text in plan.warnings)
    unchanged = "".join(f"unchanged: {one.name}\n" for one in plan.unchanged)
    return warnings + plan.text() + unchanged


def planned(text: str) -> str:
    parts = plan_cases.sections(text)
    desired = plan_cases.project(parts.get("desired", ""))
    there = plan_cases.observed(parts.get("observed", ""), desired)
    if "down" in parts:
        model = desired if "desired" in parts else None
        return shown(reconcile_down(there, plan_cases.down_options(parts["down"]), model))
    asked = parts.get("options", "")
    try:
        return shown(reconcile(desired, there, plan_cases.standard(desired, asked), plan_cases.options(asked)))
    except WherryError as fault:
        return f"error: {fault.message}\n"


@pytest.mark.parametrize("path", plan_cases.cases(CASES), ids=lambda path: path.stem)
def test_the_plan_is_the_expected_one(path: Path) -> None:
    text = path.read_text()
    before, mark, expected = text.partition("== plan\n")
    assert mark, f"{path.name} has no == plan"
    assert planned(before) == expected
