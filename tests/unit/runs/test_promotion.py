"""Which artifacts a promotion takes, where they go, and the labels that lead back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError, NotFound
from wherry.runs.promotion import LABEL, Chosen, choose, dockerfile, labels, origin

RUN: dict[str, Any] = {
    "id": "ab" * 16, "name": "glad-robin", "experiment": "iris",
    "artifacts": [{"name": name, "digest": f"sha256:{name}", "size": 1} for name in ("m/a.bin", "m/b.bin", "top.txt")],
    "git": {"commit": "c" * 40, "dirty": True, "remote": "https://host/a.git"},
    "image": {"name": "trainer:1", "id": "sha256:1", "digest": "sha256:2"},
    "data": [{"name": "train", "digest": "sha256:3", "size": 5}],
}  # fmt: skip
ONE = RUN | {"artifacts": RUN["artifacts"][2:]}


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        (["top.txt"], {"top.txt": "top.txt"}),
        (["m/a.bin"], {"m/a.bin": "m/a.bin"}),
        (["m/a.bin=/models/"], {"m/a.bin": "/models/a.bin"}),
        (["m/a.bin=/x.bin", "top.txt"], {"m/a.bin": "/x.bin", "top.txt": "top.txt"}),
        (["m/"], {"m/a.bin": "m/a.bin", "m/b.bin": "m/b.bin"}),
        (["m/=/models"], {"m/a.bin": "/models/a.bin", "m/b.bin": "/models/b.bin"}),
        (["top.txt", "top.txt"], {"top.txt": "top.txt"}),
    ],
)
def test_artifacts_are_chosen_by_name_or_folder(wishes: list[str], found: dict[str, str]) -> None:
    assert {one.name: one.target for one in choose(RUN, wishes)} == found


def test_the_only_artifact_needs_no_name() -> None:
    assert choose(ONE, []) == (Chosen("top.txt", "top.txt", "sha256:top.txt"),)


@pytest.mark.parametrize(
    ("document", "wishes", "kind", "said"),
    [
        (RUN, [], InputError, "has 3 artifacts: m/a.bin, m/b.bin, top.txt"),
        (RUN | {"artifacts": []}, [], NotFound, "run glad-robin has no artifacts"),
        (RUN, ["top.text"], NotFound, "the run has no artifact top.text"),
        (RUN, ["n/"], NotFound, "the run has no artifact n/"),
        (RUN, ["top.txt="], InputError, "says no target"),
        (RUN, ["top.txt=../../etc/x"], InputError, "can't be a place in an image"),
        (RUN, ["top.txt=/$HOME/x"], InputError, "can't be a place in an image"),
        (RUN, ["top.txt=/a\nRUN x"], InputError, "can't be a place in an image"),
    ],
)
def test_what_can_not_be_chosen_is_said(document: Any, wishes: list[str], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        choose(document, wishes)


def test_the_dockerfile_has_a_layer_for_each() -> None:
    assert dockerfile(choose(RUN, ["m/=/models"])) == (
        'FROM base\nCOPY --from=run ["0", "/models/a.bin"]\nCOPY --from=run ["1", "/models/b.bin"]\n'
    )


def test_labels_lead_back() -> None:
    found = labels(RUN, choose(RUN, ["top.txt"]))
    assert found[LABEL] == RUN["id"]
    assert found[LABEL + ".commit"] == "c" * 40 + "-dirty"
    assert found[LABEL + ".image"] == "trainer:1@sha256:2"
    assert json.loads(found[LABEL + ".data"]) == {"train": "sha256:3"}
    back = origin(found)
    assert back is not None
    assert (back.id, back.name, back.experiment) == (RUN["id"], "glad-robin", "iris")
    assert (back.artifacts, back.data) == ({"top.txt": "sha256:top.txt"}, {"train": "sha256:3"})
    bare = labels({"id": "a", "name": "b", "experiment": "c"}, ())
    assert set(bare) == {LABEL, LABEL + ".name", LABEL + ".experiment"}
    assert origin({}) is None


@given(st.dictionaries(st.sampled_from([LABEL + one for one in ("", ".name", ".data", ".artifacts")]), st.text()))
def test_any_label_is_read(found: dict[str, str]) -> None:
    origin(found)
