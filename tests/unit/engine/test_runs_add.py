"""A run from elsewhere becomes one of this root, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from wherry.engine.runs import Artifact
from wherry.engine.runs_add import add
from wherry.errors import Conflict, InputError, IntegrityError
from wherry.track.folder import folders

ID = "0123456789abcdef" * 2
DOCUMENT: dict[str, Any] = {
    "schema": 1, "id": ID, "name": "glad-robin", "experiment": "iris", "status": "failed", "exit_code": 3,
    "error": "ValueError", "started_ms": 1000, "ended_ms": 3000, "params": {"lr": 0.1}, "tags": {"who": "me"},
    "metrics": {"loss": {"count": 2, "last": "NaN", "last_step": 1}}, "artifacts": [], "command": ["python"],
}  # fmt: skip


def a_file(folder: Path, data: bytes) -> Artifact:
    (folder / "file").write_bytes(data)
    return Artifact("out/model.bin", "sha256:" + sha256(data).hexdigest(), len(data), str(folder / "file"))


def test_what_is_added_is_read_back_as_it_was(tmp_path: Path) -> None:
    home = str(tmp_path / "runs")
    points = [("loss", 0, 1.5, 0.25), ("loss", 1, 2.5, float("nan"))]
    one = a_file(tmp_path, b"weights")
    record = add(home, DOCUMENT, points, [one])
    assert record.document == DOCUMENT | {"artifacts": [{"name": one.name, "digest": one.digest, "size": 7}]}
    found = list(record.points("loss"))
    assert found[0] == (0, 1.5, 0.25)
    assert found[1][2] != found[1][2]
    assert Path(record.artifact("out/model.bin")).read_bytes() == b"weights"
    with pytest.raises(Conflict, match=r"glad-robin .* is already here"):
        add(home, DOCUMENT, [], [])


def test_a_run_that_went_on_elsewhere_is_lost_here(tmp_path: Path) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "ended_ms"} | {"status": "running"}
    assert add(str(tmp_path), document, [], []).document["status"] == "lost"


def broken() -> Iterator[tuple[str, int, float, float]]:
    yield "loss", 0, 0.0, 1.0
    raise IntegrityError("metrics", expected="a", actual="b")


def test_nothing_is_left_of_what_can_not_be_added_whole(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    other = a_file(tmp_path, b"x")._replace(digest="sha256:" + "0" * 64)
    for points, artifacts in ((broken(), []), ([], [other])):
        with pytest.raises(IntegrityError):
            add(str(home), DOCUMENT, points, artifacts)
        assert os.listdir(home) == []


@pytest.mark.parametrize("change", [{"id": "../x"}, {"id": "ab"}, {"name": 3}, {"started_ms": "x"}, {"experiment": ""}])
def test_what_is_no_run_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        add(str(tmp_path / "runs"), DOCUMENT | change, [], [])
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_being_added_is_not_seen(tmp_path: Path) -> None:
    add(str(tmp_path), DOCUMENT, [], [])
    (tmp_path / ID).rename(tmp_path / f".{ID}.1")
    assert list(folders(str(tmp_path))) == []
