"""Filters and sorting of runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.runs.query import Condition, matches, parse, sort

RUN: dict[str, Any] = {
    "id": "ab12", "name": "glad-robin", "experiment": "iris", "status": "finished",
    "started_ms": 1000, "ended_ms": 3500,
    "params": {"lr": 0.1, "depth": 3, "opt": "adam", "seed": "07", "amp": True}, "tags": {"who": "me"},
    "metrics": {"acc": {"last": 0.91, "min": 0.2, "max": 0.95}, "loss": {"last": "NaN"}, "a.max": {"last": 7}},
    "data": [{"name": "train", "digest": "sha256:3f00", "size": 1}],
    "artifacts": [{"name": "model.bin", "digest": "sha256:99aa", "size": 1}],
    "promoted": [{"image": {"name": "iris:prod", "id": "sha256:5511"}, "at_ms": 1}],
    "image": {"name": "train:1", "id": "sha256:77aa"}, "git": {"commit": "deadbeef"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ("experiment=iris", True),
        ("experiment=ir*", True),
        ("experiment!=iris", False),
        ("status=failed status=finished", True),
        ("status=failed experiment=iris", False),
        ("param.lr<0.2", True),
        ("param.lr<=0.1", True),
        ("param.lr=1e-1", True),
        ("param.lr==0.1", True),
        ("param.opt=adam", True),
        ("param.opt>1", False),
        ("param.seed=7", False),
        ("param.seed=07", True),
        ("param.amp=true", True),
        ("param.none=1", False),
        ("param.none!=1", True),
        ("metric.acc>0.9", True),
        ("metric.acc.max>=0.95", True),
        ("metric.acc.min>0.2", False),
        ("metric.a.max=7", True),
        ("metric.loss<1", False),
        ("metric.loss>1", False),
        ("metric.other<1", False),
        ("tag.who=me", True),
        ("image=train:*", True),
        ("image=77", True),
        ("image=78", False),
        ("commit=dead", True),
        ("id=ab", True),
        ("duration>2", True),
        ("data=train", True),
        ("data=tr*", True),
        ("data=3f00", True),
        ("data=sha256:3f00", True),
        ("data=4f", False),
        ("data!=train", False),
        ("artifact=model.bin", True),
        ("artifact=99", True),
        ("artifact=", False),
        ("promoted=iris:*", True),
        ("promoted=5511", True),
        ("promoted=other:1", False),
    ],
)
def test_a_filter_holds_or_not(filters: str, holds: bool) -> None:
    assert matches(RUN, parse(filters.split())) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "invalid filter"),
        ("", "invalid filter"),
        ("colour=red", "runs have no 'colour'"),
        ("param.=1", "runs have no"),
        ("metric.acc>high", "'high' is no number"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse([text])


def test_a_name_that_is_almost_right_is_named() -> None:
    with pytest.raises(InputError) as caught:
        parse(["experimnt=x"])
    assert caught.value.hint == "did you mean experiment?"


def test_runs_without_the_value_and_nan_come_last_either_way() -> None:
    some = [{**RUN, "id": str(i), "metrics": {"acc": {"last": v}} if v is not None else {}}
            for i, v in enumerate([0.5, None, "NaN", 0.9, 0.1])]  # fmt: skip
    assert [one["id"] for one in sort(some, "metric.acc")] == ["4", "0", "3", "1", "2"]
    assert [one["id"] for one in sort(some, "-metric.acc")] == ["3", "0", "4", "1", "2"]


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        found = parse([text])
    except InputError:
        return
    assert all(isinstance(one, Condition) for one in found)
    matches(RUN, found)
