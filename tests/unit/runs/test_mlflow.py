"""What needs no server: names, batches, documents of other tools."""

from __future__ import annotations

import json
import math
import posixpath
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runs.test_document import WHOLE
from wherry.runs.mlflow import Foreign, batched, document_of, file_of, identity, key_of, millis, outgoing, value_of

FOREIGN = Foreign("f" * 32, "http://x", "", "iris", "FINISHED", 5, 9, {}, {})


def is_key(key: str) -> bool:
    """As mlflow/utils/validation.py decides."""
    is_path = posixpath.normpath(key) == key and key != "." and not key.startswith(("..", "/"))
    return re.fullmatch(r"[/\w.\- :]*", key) is not None and is_path and 0 < len(key) <= 250


@given(st.text(min_size=1, max_size=400) | st.text("a./?", min_size=1))
def test_each_name_is_one_that_mlflow_takes(name: str) -> None:
    key = key_of(name)
    assert is_key(key)
    assert key == name or not is_key(name)
    assert key_of(key) == key


def test_two_names_stay_two() -> None:
    names = ["a?b", "a!b", "a_b", "a//b", "a/b", "/a/b", "x" * 300, "x" * 301, "x" * 250, ".", "..", "_"]
    assert len({key_of(name) for name in names}) == len(names)
    files = ["a#b", "a?b", "a_b", "a%b", "c/.#x", ".#x", "d#e/f"]
    assert len({file_of(name) for name in files}) == len(files)
    assert file_of("out/a b+ü.bin") == "out/a b+ü.bin"


def test_a_call_has_not_too_much_in_it() -> None:
    pairs = [(f"k{number}", "ü" * 6000) for number in range(250)]
    batches = list(batched(pairs, 100))
    assert [pair for batch in batches for pair in batch] == pairs
    assert all(len(json.dumps(batch)) < 900_000 and len(batch) <= 100 for batch in batches)
    assert [len(one) for one in batched([("a", "b")] * 201, 100)] == [100, 100, 1]
    assert list(batched([], 100)) == []


def test_points_are_one_when_a_server_takes_them_for_one() -> None:
    assert identity(1, 2, math.nan) == identity(1, 2, float("nan"))
    assert identity(1, 2, math.inf) == identity(1, 2, 1.7976931348623157e308)
    assert value_of(1.7976931348623157e308) == math.inf
    assert value_of(-1.7976931348623157e308) == -math.inf
    assert (millis(1.0004), millis(-5), millis(math.nan)) == (1000, 0, 0)


@pytest.mark.parametrize(("text", "value"), [
    ("3", 3), ("-0.5", -0.5), ("1e-05", 1e-05), ("007", "007"), ("1e5", "1e5"), ("nan", "nan"), ("", ""),
    ("1_0", "1_0"), (" 1", " 1"), ("True", "True"),
])  # fmt: skip
def test_a_parameter_is_a_number_when_it_is_written_as_one(text: str, value: Any) -> None:
    found = document_of(FOREIGN._replace(params={"p": text}))["params"]["p"]
    assert (found, type(found)) == (value, type(value))


def test_a_run_of_another_tool_becomes_a_document() -> None:
    tags = {"mlflow.docker.image.uri": "a/b@sha256:1", "mlflow.source.name": "train.py", "mlflow.user": "me"}
    found = document_of(FOREIGN._replace(tags=tags))
    assert found["image"] == {"name": "a/b", "digest": "sha256:1"}
    assert found["command"] == ["train.py"]
    assert found["tags"] == {"mlflow.user": "me", "mlflow.run.id": "f" * 32, "mlflow.run.uri": "http://x"}
    assert found["name"]
    assert "git" not in found
    assert re.fullmatch("[0-9a-f]{32}", document_of(FOREIGN._replace(id="databricks-like_1"))["id"])


def test_a_run_that_goes_on_has_no_end_there() -> None:
    assert outgoing(WHOLE | {"status": "running"}).ended_ms is None
    sent = outgoing(WHOLE | {"status": "lost"}, "p" * 32)
    assert (sent.status, sent.ended_ms, sent.tags["wherry.run.status"]) == ("FAILED", 3000, "lost")
    assert sent.tags["mlflow.parentRunId"] == "p" * 32
    assert sent.params == {"lr": "0.1", "z": "None"}
