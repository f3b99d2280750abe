"""`wherry.track` in processes that die, fork and share a run, and in older Pythons."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wherry
from wherry.track.points import points
from wherry.track.record import read

SOURCE = str(Path(wherry.__file__).parents[1])


def program(tmp_path: Path, text: str, python: str = sys.executable, **env: str) -> subprocess.Popen[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "WHERRY_RUNS": str(tmp_path / "runs"),
           "PYTHONDONTWRITEBYTECODE": "1", **env}  # fmt: skip
    head = "import os, sys, time\nimport wherry.track as track\n"
    return subprocess.Popen([python, "-c", head + text], stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path)


def only(tmp_path: Path) -> str:
    (folder,) = (tmp_path / "runs").iterdir()
    return str(folder)


def test_kill_9_takes_no_point(tmp_path: Path) -> None:
    child = program(tmp_path, "run = track.run('x')\ni = 0\nwhile True:\n run.log(loss=i, step=i); i += 1\n print(i)\n")
    assert child.stdout
    told = 0
    with child:
        for line in child.stdout:
            told = int(line)
            if told == 5000:
                assert read(only(tmp_path))["status"] == "running"
                child.kill()
        # What was still in the pipe counts too: its log() had returned
    steps = [step for _, step, _, _ in points(only(tmp_path), "loss")]
    assert steps == list(range(len(steps)))
    assert len(steps) >= told >= 5000
    document = read(only(tmp_path))
    assert (document["status"], document["metrics"]["loss"]["count"]) == ("killed", len(steps))
    assert document["ended_ms"] >= document["started_ms"]


def test_children_of_every_kind_log_to_the_run(tmp_path: Path) -> None:
    text = """
import subprocess
with track.run("x") as run:
    track.log(parent=1)
    pid = os.fork()
    if not pid:
        for i in range(100): run.log(forked=i)
        os._exit(0)
    for i in range(100): run.log(parent=i)
    os.waitpid(pid, 0)
    code = "import wherry.track as track\\nwith track.run('y') as run: run.log(spawned=1); track.param('p', 2)"
    subprocess.run([sys.executable, "-c", code], check=True)
"""
    with program(tmp_path, text) as child:
        pass
    assert child.returncode == 0
    document = read(only(tmp_path))
    assert {name: one["count"] for name, one in document["metrics"].items()} == {
        "parent": 101, "forked": 100, "spawned": 1,
    }  # fmt: skip
    assert (document["experiment"], document["status"], document["params"]) == ("x", "finished", {"p": 2})


def test_a_run_that_nothing_encloses_ends_with_the_program(tmp_path: Path) -> None:
    with program(tmp_path, "track.log(loss=1)\ntrack.param('lr', 0.1)") as child:
        pass
    assert child.returncode == 0
    document = read(only(tmp_path))
    assert (document["status"], document["experiment"]) == ("finished", "default")


def test_an_uncaught_exception_is_recorded(tmp_path: Path) -> None:
    text = "sys.stderr = open(os.devnull, 'w')\ntrack.log(loss=1)\nraise ValueError('no data')"
    with program(tmp_path, text) as child:
        pass
    assert child.returncode == 1
    document = read(only(tmp_path))
    assert (document["status"], document["error"]) == ("failed", "ValueError: no data")


def test_the_commit_and_the_diff_are_recorded_without_env_files(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True,
                       capture_output=True)  # fmt: skip

    git("init", "-q")
    for name in ("train.py", ".env"):
        (tmp_path / name).write_text("first\n")
    git("add", ".")
    git("commit", "-qm", "one")
    git("remote", "add", "origin", "https://me:TOKEN@host/a.git")
    (tmp_path / "train.py").write_text("second\n")
    (tmp_path / ".env").write_text("KEY=hush\n")
    (tmp_path / "new.py").write_text("KEY=hush\n")
    with program(tmp_path, "track.log(loss=1)") as child:
        pass
    assert child.returncode == 0
    text = (Path(only(tmp_path)) / "run.json").read_text()
    assert "hush" not in text
    assert "TOKEN" not in text
    code = read(only(tmp_path))["git"]
    assert re.fullmatch("[0-9a-f]{40}", code["commit"])
    assert "+second" in code["diff"]
    assert code["dirty"] is True
    assert "new.py" in code["untracked"]


OLD = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))


@pytest.mark.parametrize("minor", [8, 9, 10])
def test_older_pythons_can_track(tmp_path: Path, minor: int) -> None:
    found = [str(one) for one in OLD if one.parts[-3].startswith(f"3.{minor}.")]
    if not found:
        pytest.skip(f"no CPython 3.{minor} below ~/.pyenv/versions")
    text = "with track.run('x') as run:\n [run.log(loss=i) for i in range(3000)]\n run.artifact(sys.executable)"
    with program(tmp_path, text, found[0]) as child:
        pass
    assert child.returncode == 0
    document = read(only(tmp_path))
    assert document["metrics"]["loss"]["count"] == 3000
    assert document["environment"]["python"].startswith(f"3.{minor}.")
