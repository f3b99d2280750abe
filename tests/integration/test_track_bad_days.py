"""Tracking on bad days: ten million points, a full disk, a folder that goes, programs that share a run and die."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

import wherry
import wherry.track
from wherry.track.metrics import HEADER, HEADER_BYTES, MAGIC, RECORD_BYTES
from wherry.track.record import Record

SOURCE = str(Path(wherry.__file__).parents[1])
HEAD = "import os, sys, time\nimport wherry.track as track\n"
MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "WHERRY_RUNS": str(home), "WHERRY_TRACK_GIT": "0",
            "WHERRY_ROOT": str(home / "root"), "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip


def python(home: Path, text: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HEAD + text, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.PIPE, text=True, env=environment(home), cwd=home.parent)  # fmt: skip


def told(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", MAIN, *words], env=environment(home), capture_output=True, text=True,
                          check=False, cwd=home.parent, timeout=120)  # fmt: skip


def only(home: Path) -> Record:
    (found,) = (one for one in home.iterdir() if len(one.name) == 32)
    return Record(str(found))


def test_ten_million_points_are_drawn_in_little_memory(tmp_path: Path) -> None:
    home, count, block = tmp_path / "runs", 10_000_000, 1_000_000
    with python(home, "with track.run('x', name='big'): pass") as child:
        pass
    assert child.returncode == 0
    folder = Path(only(home).folder)
    with open(folder / "metrics" / "1-a.bin", "wb") as file:
        file.write(HEADER.pack(MAGIC, HEADER_BYTES, RECORD_BYTES).ljust(HEADER_BYTES, b"\0"))
        for start in range(0, count, block):
            # As metrics.py writes it, a column at a time
            data = bytearray(block * RECORD_BYTES)
            view = memoryview(data)
            view.cast("q")[::4] = memoryview(array("q", range(start, start + block)))
            view.cast("d")[2::4] = memoryview(array("d", range(start, start + block)))
            view.cast("I")[7::8] = memoryview(array("I", [1]) * block)
            file.write(data)
    (folder / "metrics" / "1-a.names").write_text('"loss"\n')
    summary = {"count": count, "last": count - 1, "last_step": count - 1}
    (folder / "end.json").write_text(json.dumps({"status": "finished", "ended_ms": 1, "metrics": {"loss": summary}}))
    # Not getrusage: its maximum begins with the process that forked this one
    status = "print(open('/proc/self/status').read(), file=sys.stderr)"
    main = MAIN.replace("sys.exit(main(sys.argv[1:]))", f"main(sys.argv[1:]); {status}")
    done = subprocess.run([sys.executable, "-c", main, "runs", "plot", "-m", "loss", "-o", "-", "big"], text=True,
                          env=environment(home), capture_output=True, check=True)  # fmt: skip
    shutil.rmtree(folder)
    assert ">8000000</text>" in done.stdout.replace("8e+06", "8000000")
    assert len(done.stdout) < 200_000
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", done.stderr, re.MULTILINE)
    assert int(peak) < 100_000


def test_two_programs_share_a_run_and_one_is_killed(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    text = """
run = track.run()
for i in range(5000): run.log({sys.argv[1]: i}, step=i)
print("logged", flush=True)
sys.stdin.readline()
run.finish()
"""
    with wherry_run(home) as run:
        env = environment(home) | {"WHERRY_RUN": run.folder}
        both = [
            subprocess.Popen([sys.executable, "-c", HEAD + text, name], stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                             text=True, env=env) for name in ("one", "two")
        ]  # fmt: skip
        for child in both:
            assert child.stdout
            assert child.stdout.readline() == "logged\n"
        both[0].send_signal(signal.SIGKILL)
        both[1].communicate("\n")
        both[0].communicate()
    assert both[1].returncode == 0
    document = only(home).document
    assert {name: one["count"] for name, one in document["metrics"].items()} == {"one": 5000, "two": 5000}
    assert document["status"] == "finished"


def wherry_run(home: Path) -> wherry.track.Run:
    """A run in `home`, whose environment variable is given to children by hand."""
    from wherry.track.run import begin, join

    folder = begin(str(home), {"experiment": "x", "name": "shared", "params": {}, "tags": {}})
    return join(folder, is_joined=False)


def test_nan_and_infinity_go_all_the_way(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    text = "with track.run('x', name='n', params={'cut': float('inf')}) as run:\n"
    text += " for v in (1.0, float('nan'), float('inf'), -float('inf'), 2.0, float('nan')): run.log(loss=v)"
    with python(home, text) as child:
        pass
    assert child.returncode == 0
    (document,) = json.loads(told(home, "runs", "inspect", "n").stdout)
    assert document["params"] == {"cut": "Infinity"}
    assert document["metrics"]["loss"] == {"count": 6, "last": "NaN", "last_step": 5, "min": "-Infinity", "min_step": 3,
                                           "max": "Infinity", "max_step": 2, "nan": 2}  # fmt: skip
    assert told(home, "runs", "ls", "--format", "{{.Metrics}}").stdout == "loss=NaN\n"
    assert [line.split(",")[5] for line in told(home, "runs", "export", "n").stdout.splitlines()[1:]] == [
        "1.0", "nan", "inf", "-inf", "2.0", "nan",
    ]  # fmt: skip
    for words in (("show", "n"), ("plot", "n"), ("plot", "--log", "-o", "-", "n"), ("compare", "-a", "n", "n")):
        done = told(home, "runs", *words)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.requires("root")
def test_a_full_disk_costs_points_and_not_the_training(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", home], check=True)
    try:
        text = """
run = track.run("x")
for i in range(200_000): run.log(loss=i)
print("trained", flush=True)
run.finish()
"""
        with python(home, text) as child:
            said, complaint = child.communicate()
        assert (child.returncode, said) == (0, "trained\n")
        assert "No space left on device" in complaint
        assert "points were lost" in complaint
        assert "Traceback" not in complaint
        (folder,) = home.iterdir()
        kept = sum(1 for _ in Record(str(folder)).points("loss"))
        assert 20_000 < kept < 200_000
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.parametrize("under_track", [False, True])
def test_a_folder_that_is_removed_while_it_runs(tmp_path: Path, under_track: bool) -> None:
    home = tmp_path / "runs"
    text = """
run = track.run("x")
run.log(loss=1)
print(run.folder, flush=True)
sys.stdin.readline()
for i in range(5000): run.log(loss=i)
run.finish()
print("trained")
"""
    words = [sys.executable, "-c", HEAD + text]
    if under_track:
        words = [sys.executable, "-c", MAIN, "track", "--", *words]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment(home), cwd=tmp_path) as child:  # fmt: skip
        assert child.stdout
        folder = child.stdout.readline().strip()
        assert told(home, "runs", "rm", "--force", "latest").returncode == 0
        assert not os.path.exists(folder)
        said, complaint = child.communicate("\n")
    assert (child.returncode, said) == (0, "trained\n")
    assert "is not recorded: its folder is gone" in complaint
    assert "Traceback" not in complaint
    assert told(home, "runs", "ls", "-q").stdout == ""
