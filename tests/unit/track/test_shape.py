"""A run's folder that a hostile or broken program wrote into: nothing outside of it is read or written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.engine.runs_record import end
from wherry.engine.runs_seal import seal
from wherry.errors import HostError
from wherry.track import folder as folders
from wherry.track.artifacts import keep
from wherry.track.points import points, summaries
from wherry.track.record import Record, read
from wherry.track.run import begin
from wherry.track.shape import is_digest, shaped

ID = "ab" * 16
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["id", "name", "experiment", "started_ms", "ended_ms", "status", "params", "tags", "metrics",
                        "artifacts", "data", "promoted", "git", "image", "container", "environment",
                        "command"])  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(begin(str(tmp_path / "runs"), {"experiment": "x", "name": "n", "params": {}, "tags": {}}))


@given(st.dictionaries(KEYS, JSON))
def test_whatever_a_document_says_its_readers_can_rely_on_its_shape(document: dict[str, Any]) -> None:
    found = shaped(document, ID)
    assert found["id"] == ID
    assert all(isinstance(found[key], str) for key in ("name", "experiment"))
    assert all(isinstance(found[key], dict) for key in ("params", "tags", "metrics"))
    assert all(is_digest(one["digest"]) for key in ("artifacts", "data") for one in found.get(key, []))
    assert all(isinstance(one["image"]["name"], str) for one in found.get("promoted", []))
    assert shaped(found, ID) == found or "nan" in repr(found).lower()


@pytest.mark.parametrize(
    "value", ["sha256:../../../etc/passwd", "sha256:" + "g" * 64, "sha256:" + "A" * 64, "", None, 3]
)
def test_a_digest_is_no_path(value: object) -> None:
    assert not is_digest(value)


def test_an_artifact_with_another_digest_is_none(run: Path) -> None:
    folders.append(str(run), {"type": "artifact", "name": "a", "digest": "sha256:../../x", "size": 1})
    folders.append(str(run), {"type": "data", "value": {"name": "d", "digest": 3}})
    document = read(str(run))
    assert (document["artifacts"], document["data"]) == ([], [])
    with pytest.raises(KeyError):
        Record(str(run)).artifact("a")


@pytest.mark.parametrize("name", ["events.jsonl", "lock", "metrics.jsonl", "run.json", "end.json"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_no_file_of_a_run_leads_out_of_it_or_waits(run: Path, tmp_path: Path, name: str, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text('{"loss": 1, "name": "stolen", "status": "finished"}\n')
    before = outside.read_bytes()
    (run / name).unlink(missing_ok=True)
    os.symlink(outside, run / name) if kind == "link" else os.mkfifo(run / name)
    for act in (
        lambda: folders.append(str(run), {"type": "tag", "name": "x", "value": "y"}),
        lambda: end(str(run), 3),
        lambda: os.close(folders.hold(str(run))),
        lambda: folders.is_held(str(run)),
    ):
        try:
            act()
        except (OSError, HostError):
            continue
    document = read(str(run))
    assert document["name"] != "stolen"
    assert "loss" not in document["metrics"]
    assert outside.read_bytes() == before


def test_no_folder_of_a_run_leads_out_of_it(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    for name in ("metrics", "artifacts"):
        (run / name).rmdir()
        os.symlink(outside, run / name)
    os.symlink(outside, run / "outputs")
    os.symlink(tmp_path / "runs", run / "children")
    with pytest.raises(OSError, match="Not a directory"):
        keep(str(run), str(outside / "precious"))
    end(str(run), 0)
    assert list(points(str(run))) == []
    assert list(folders.folders(str(tmp_path / "runs"))) == [str(run)]
    assert [one.name for one in outside.iterdir()] == ["precious"]


def test_outputs_become_artifacts_and_links_among_them_do_not(run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep").write_text("hush")
    outputs = run / "outputs"
    (outputs / "m").mkdir(parents=True)
    (outputs / "m" / "model.bin").write_text("weights")
    os.symlink(tmp_path / "secret", outputs / "link")
    os.symlink(tmp_path / "folder", outputs / "m" / "folder")
    os.mkfifo(outputs / "fifo")
    end(str(run), 0)
    assert [one["name"] for one in read(str(run))["artifacts"]] == ["m/model.bin"]
    assert (tmp_path / "folder" / "deep").read_text() == "hush"
    seal(str(run))
    assert sorted(one.name for one in outputs.rglob("*")) == ["m"]
    assert (tmp_path / "secret").exists()


def test_a_run_has_the_id_of_its_folder(run: Path) -> None:
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(document | {"id": ID}))
    assert Record(str(run)).id == run.name
    assert read(str(run))["id"] == run.name
    assert summaries(str(run)) == {}
