"""The documents of `--output`, word for word: tests/cases/deploy/ecs.

Written anew by `python -m tests.unit.deploy.ecs.test_documents`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.deploy.ecs_cases import CASES, FULL, FULL_CHOICE, PLAIN
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.documents import documents
from wherry.deploy.ecs.template import template

GOLDEN = Path(__file__).parents[3] / "cases" / "deploy" / "ecs"


@pytest.mark.parametrize("case", sorted(CASES))
def test_documents_are_as_agreed(case: str) -> None:
    made = {one.name: one.text for one in documents(*CASES[case])}
    assert made == {path.name: path.read_text() for path in (GOLDEN / case).iterdir()}


def test_there_is_no_case_without_code() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == CASES.keys()


def test_a_task_definition_is_what_the_sdk_takes() -> None:
    session = pytest.importorskip("botocore.session").get_session()
    shape = session.get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    from botocore.validate import ParamValidator

    for case, (app, choice) in CASES.items():
        for one in documents(app, choice):
            if one.name.endswith(".json"):
                report = ParamValidator().validate(json.loads(one.text), shape)
                assert not report.has_errors(), f"{case}: {report.generate_report()}"


def test_a_number_that_autoscaling_decides_is_not_in_the_template() -> None:
    fixed, scaled = template(PLAIN, Choice()), template(FULL, FULL_CHOICE)
    assert fixed["Resources"]["Service"]["Properties"]["DesiredCount"] == 1
    assert "DesiredCount" not in scaled["Resources"]["Service"]["Properties"]


if __name__ == "__main__":
    for case, values in CASES.items():
        (GOLDEN / case).mkdir(parents=True, exist_ok=True)
        for one in documents(*values):
            (GOLDEN / case / one.name).write_text(one.text)
