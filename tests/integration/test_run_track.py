"""`wherry run --track`: a container as a training run, whoever is there when it ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, eventually
from tests.integration.lesson import Lesson

pytestmark = pytest.mark.requires("root", "runc", "busybox")

SCRIPT = """\
echo '{"loss": 0.5, "step": 0}' >> $WHERRY_RUN/metrics.jsonl
echo '{"loss": 0.25, "step": 1}' >> $WHERRY_RUN/metrics.jsonl
echo weights > $WHERRY_RUN/outputs/model.bin
ln -s /etc/passwd $WHERRY_RUN/outputs/link
"""


def document(wherry: Wherry, run: str = "latest") -> dict[str, Any]:
    (found,) = json.loads(wherry("runs", "inspect", run).stdout)
    return dict(found)


def track(wherry: Wherry, *words: str, code: int = 0) -> str:
    return wherry("run", "--track", "--network", "none", *words, code=code).stdout


def test_a_program_that_knows_nothing_of_it_is_recorded(wherry: Wherry) -> None:
    track(wherry, "--rm", "-u", "1234", "--read-only", "--experiment", "iris", "--param", "lr=0.1", "busybox", "sh",
          "-c", SCRIPT + "exit 3", code=3)  # fmt: skip
    found = document(wherry)
    assert (found["experiment"], found["params"], found["status"], found["exit_code"]) == (
        "iris",
        {"lr": 0.1},
        "failed",
        3,
    )
    assert found["metrics"]["loss"] | {"last": 0.25, "min": 0.25, "max": 0.5} == found["metrics"]["loss"]
    assert [(one["name"], one["size"]) for one in found["artifacts"]] == [("model.bin", 8)]
    assert found["image"]["name"] == "busybox"
    assert found["image"]["id"].startswith("sha256:")
    assert found["command"][:2] == ["sh", "-c"]
    assert len(found["container"]["id"]) == 64
    with wherry.engine() as engine:
        assert next(one.id for one in engine.runs.of_image(found["image"]["id"])) == found["id"]


def test_a_detached_one_runs_and_ends_with_nobody_there(wherry: Wherry, tmp_path: Path) -> None:
    id = track(wherry, "-d", "--rm", "-v", f"{tmp_path}:/t", "busybox", "sh", "-c",
               "until [ -e /t/go ]; do sleep 0.05; done; exit 4").strip()  # fmt: skip
    assert document(wherry)["status"] == "running"
    assert "goes on" in wherry("runs", "rm", "latest", code=1).stderr
    (tmp_path / "go").touch()
    eventually(lambda: not wherry("ps", "-aq", "--no-trunc", "-f", f"id={id}").stdout, "it goes", 10)
    found = document(wherry)
    assert (found["status"], found["exit_code"], found["container"]["id"]) == ("failed", 4, id)


def test_a_container_that_is_started_again_goes_on_with_its_run(wherry: Wherry) -> None:
    track(wherry, "--name", "again", "busybox", "sh", "-c", "echo '{\"n\": 1}' >> $WHERRY_RUN/metrics.jsonl")
    first = document(wherry)
    wherry("start", "-a", "again")
    second = document(wherry)
    assert (first["id"], first["metrics"]["n"]["count"]) == (second["id"], 1)
    assert second["metrics"]["n"]["count"] == 2
    assert second["ended_ms"] > first["ended_ms"]


def test_one_that_is_killed_with_its_monitor_is_settled_by_the_next_look(wherry: Wherry) -> None:
    track(wherry, "-d", "--name", "hit", "busybox", "sleep", "1000")
    for pid in (wherry.monitor_pid("hit"), wherry.pid("hit")):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: wherry.status("hit") == "exited", "it ends", 10)
    assert document(wherry)["status"] == "killed"
    wherry("rm", "hit")


def test_a_container_that_replaces_files_of_its_run_reaches_nothing_outside(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept\n")
    script = f"""
cd $WHERRY_RUN; rm -rf outputs artifacts events.jsonl run.json
ln -s {tmp_path}/precious outputs; ln -s {tmp_path}/precious artifacts; ln -s {tmp_path}/precious/file events.jsonl
ln -s {tmp_path}/precious/file metrics.jsonl; mkfifo end.json
"""
    track(wherry, "--name", "bad", "busybox", "sh", "-c", script)
    assert [one.name for one in (tmp_path / "precious").iterdir()] == ["file"]
    assert (tmp_path / "precious" / "file").read_text() == "kept\n"
    wherry("runs", "ls")
    wherry("rm", "bad")


@pytest.mark.parametrize(("words", "code"), [(["busybox", "nosuch"], 127), (["-v", "a:b:c:d:e", "busybox"], 125)])
def test_what_can_not_start_is_a_failed_run_or_none(wherry: Wherry, words: list[str], code: int) -> None:
    before = wherry("runs", "ls", "-q").stdout.split()
    track(wherry, "--rm", *words, code=code)
    after = wherry("runs", "ls", "-q").stdout.split()
    assert len(after) - len(before) == (code == 127)
    if code == 127:
        found = document(wherry)
        assert (found["status"], found["exit_code"]) == ("failed", 127)
        assert "nosuch" in found["error"]


def test_a_label_of_an_image_makes_no_run(wherry: Wherry, tmp_path: Path) -> None:
    wherry("run", "--rm", "--network", "none", "--label", "wherry.track.run=" + "0" * 32, "busybox", "true")
    assert "add --track" in wherry("run", "--param", "a=1", "busybox", code=125).stderr
    assert "--param must be NAME=VALUE" in wherry("run", "--track", "--param", "a", "busybox", code=125).stderr


@pytest.mark.requires("mmdebstrap", "mirror")
def test_a_python_program_finds_wherry_track_in_an_image_that_lacks_it(lesson: Lesson, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import wherry.track as track, sys\n"
        "with track.run('inside', params={'lr': 0.1}) as run:\n"
        "    for step in range(1000): run.log(loss=1 / (step + 1), step=step)\n"
        "    run.artifact('/proc/self/status', 'status.txt')\n"
        "print(sys.path)\n"
    )
    said = lesson.must("run", "--track", "--rm", "--network", "none", "-e", "PYTHONPATH=/mine",
                       "-v", f"{tmp_path}:/src:ro",
                       lesson.base, "python", "/src/train.py")  # fmt: skip
    assert said.index("/mine") < said.index("/.wherry/python")
    (found,) = json.loads(lesson.must("runs", "inspect", "latest"))
    assert (found["experiment"], found["status"], found["params"]) == ("inside", "finished", {"lr": 0.1})
    assert found["metrics"]["loss"]["count"] == 1000
    assert found["environment"]["os"].startswith("Debian")
    assert "pip" in found["environment"]["packages"]
