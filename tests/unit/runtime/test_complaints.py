from __future__ import annotations

import json
from pathlib import Path

import pytest

from wherry.runtime.complaints import explain, last_message

CASES = Path(__file__).parents[2] / "cases" / "runtime" / "complaints"
ROWS = [
    pytest.param(row, id=f"{file.stem}: {row['case']}")
    for file in sorted(CASES.glob("*.json"))
    for row in json.loads(file.read_text())
]


@pytest.mark.parametrize("row", ROWS)
def test_each_complaint_of_a_runtime_is_one_of_our_errors(row: dict[str, object]) -> None:
    fault = explain(str(row["said"]))
    assert (fault.message, fault.exit_code) == (row["message"], row["exit_code"])


@pytest.mark.parametrize("row", ROWS)
def test_the_log_as_json_says_the_same(row: dict[str, object]) -> None:
    warning = json.dumps({"level": "warning", "msg": "unable to get oom kill count"})
    log = json.dumps({"level": "error", "msg": row["said"]})
    assert explain(f"{log}\n{warning}\n").message == row["message"]


def test_runcs_text_log_is_read_too() -> None:
    assert last_message('time="2026-11-24T13:41:27Z" level=error msg="container does not exist"') == (
        "container does not exist"
    )


def test_a_runtime_that_says_nothing_still_gives_an_error() -> None:
    assert explain("").message == "failed to start the container: the runtime gave no reason"


def test_an_unknown_complaint_is_told_without_its_prefixes() -> None:
    said = "runc run failed: unable to start container process: error during container init: the moon is full"
    assert explain(said).message == "failed to start the container: the moon is full"
