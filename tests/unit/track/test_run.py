"""Runs in one process, and what is read back of them."""

from __future__ import annotations

import ast
import os
import resource
import threading
from hashlib import sha256
from pathlib import Path

import pytest

import wherry.track as track
from wherry.track import facts
from wherry.track import folder as folders
from wherry.track.names import name_of
from wherry.track.record import read
from wherry.track.run import begin

SOURCES = sorted(Path(track.__file__).parent.glob("*.py"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WHERRY_TRACK_GIT", "0")
    monkeypatch.delenv("WHERRY_RUN", raising=False)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_package_is_python_38(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_a_run_is_read_as_it_was(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    with track.run("iris", params={"lr": 0.1, "adam": {"beta": 0.9}, "cut": float("inf")}, tags={"who": "me"}) as run:
        for step in range(3):
            run.log({"train/loss": 1 / (step + 1)}, step=step, acc=step)
        digest = run.artifact(model)
        run.param("lr", 0.2)
    (found,) = track.runs()
    document = found.document
    assert document["status"] == "finished"
    assert document["exit_code"] == 0
    assert document["params"] == {"lr": 0.2, "adam.beta": 0.9, "cut": "Infinity"}
    assert document["tags"] == {"who": "me"}
    assert document["metrics"]["train/loss"]["min_step"] == 2
    assert document["artifacts"] == [{"name": "model.bin", "digest": digest, "size": 7}]
    assert Path(found.artifact("model.bin")).read_bytes() == b"weights"
    assert [value for _, _, value in found.points("acc")] == [0, 1, 2]
    assert document["environment"]["packages"]["hypothesis"]
    assert document["ended_ms"] >= document["started_ms"]


def test_what_is_raised_is_recorded_and_goes_on_its_way() -> None:
    with pytest.raises(ZeroDivisionError), track.run("bad"):
        raise ZeroDivisionError("by hand")
    document = track.runs()[0].document
    assert (document["status"], document["exit_code"]) == ("failed", 1)
    assert document["error"] == "ZeroDivisionError: by hand"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(SystemExit(0), "finished", 0), (SystemExit(3), "failed", 3), (SystemExit("x"), "failed", 1),
     (KeyboardInterrupt(), "killed", 130)],
)  # fmt: skip
def test_exits_have_their_codes(fault: BaseException, status: str, code: int) -> None:
    with pytest.raises(type(fault)), track.run():
        raise fault
    document = track.runs()[0].document
    assert (document["status"], document["exit_code"]) == (status, code)


def test_a_run_inside_a_run_is_its_child() -> None:
    with track.run("outer") as outer:
        with track.run(name="inner") as inner:
            track.log(loss=1)
        track.log(acc=1)
    found = {one.document["name"]: one.document for one in track.runs()}
    assert found["inner"]["parent"] == outer.id
    assert found["inner"]["experiment"] == "outer"
    assert set(found["inner"]["metrics"]) == {"loss"}
    assert set(found[outer.name]["metrics"]) == {"acc"}
    assert inner.id != outer.id
    assert "WHERRY_RUN" not in os.environ


def test_threads_have_files_of_their_own() -> None:
    with track.run() as run:
        threads = [threading.Thread(target=lambda: [run.log(loss=1.0) for _ in range(3000)]) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert track.runs()[0].document["metrics"]["loss"]["count"] == 12_000


def test_after_the_end_nothing_is_logged() -> None:
    with track.run() as run:
        run.log(loss=1)
    for act in (lambda: run.log(loss=2), lambda: run.param("a", 1), lambda: run.artifact(__file__)):
        with pytest.raises(track.TrackError, match="is over"):
            act()
    run.finish()


def test_a_joined_run_is_ended_by_who_began_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from wherry.track.run import begin

    folder = begin(os.environ["WHERRY_RUNS"], {"experiment": "default"})
    monkeypatch.setenv("WHERRY_RUN", folder)
    with track.run("iris", name="mine", params={"lr": 1}) as run:
        run.log(loss=1)
        assert read(folder)["status"] == "running"
    document = read(folder)
    assert document["status"] == "killed"  # nobody holds it, nobody has ended it
    assert (document["experiment"], document["name"], document["params"]) == ("iris", "mine", {"lr": 1})
    folders.save(folder + "/end.json", {"status": "finished", "ended_ms": 1})
    assert read(folder)["status"] == "finished"


def test_a_run_of_a_machine_that_went_down_is_lost() -> None:
    with track.run() as run:
        pass
    os.unlink(run.folder + "/end.json")
    start = folders.load(run.folder + "/run.json")
    assert start
    folders.save(run.folder + "/run.json", {**start, "boot_id": "another"})
    assert read(run.folder)["status"] == "lost"


def test_torn_and_foreign_lines_are_passed_over() -> None:
    with track.run(params={"a": 1}) as run:
        pass
    with open(run.folder + "/events.jsonl", "ab") as file:
        file.write(b'nonsense\n[1]\n{"type": "param", "name": 3}\n{"type": "param", "name": "b", "value"')
    assert read(run.folder)["params"] == {"a": 1}


def test_a_folder_of_artifacts_keeps_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "a").write_text("same")
    (tmp_path / "out" / "sub" / "b").write_text("same")
    with track.run() as run:
        run.artifact(tmp_path / "out", "model")
    assert [one["name"] for one in read(run.folder)["artifacts"]] == ["model/a", "model/sub/b"]
    assert len(os.listdir(run.folder + "/artifacts/sha256")) == 1


def test_a_place_that_can_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHERRY_RUNS", str(tmp_path / "file"))
    with pytest.raises(track.TrackError, match="set WHERRY_RUNS"):
        track.run()
    monkeypatch.setenv("WHERRY_RUN", str(tmp_path))
    with pytest.raises(track.TrackError, match="no run's folder"):
        track.run()


def test_secrets_stay_out_of_the_command_line() -> None:
    words = ["train.py", "--api-key=abc", "--token", "abc", "--lr", "0.1", "--password", "--fast", "x"]
    assert facts.command_line(words) == [
        "train.py", "--api-key=***", "--token", "***", "--lr", "0.1", "--password", "--fast", "x",
    ]  # fmt: skip


def test_of_the_environment_only_names_on_the_list_are_kept() -> None:
    found = facts.environment(
        {"OMP_NUM_THREADS": "2", "AWS_SECRET_ACCESS_KEY": "x", "MINE": "1", "WHERRY_TRACK_ENV": "MINE"}
    )
    assert found["variables"] == {"MINE": "1", "OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    ("url", "kept"),
    [("https://me:TOKEN@host/a.git", "https://host/a.git"), ("git@host:a.git", "git@host:a.git"),
     ("ssh://git@host/a", "ssh://host/a"), ("/srv/a", "/srv/a")],
)  # fmt: skip
def test_a_remote_s_token_is_left_out(url: str, kept: str) -> None:
    assert facts._without_login(url) == kept


def test_a_name_follows_from_the_id() -> None:
    assert name_of("0" * 32) == name_of("0" * 31 + "1") == "amber-avocet"


def test_data_is_recorded_by_digest_and_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "b").mkdir(parents=True)
    (folder / "a.csv").write_text("1\n")
    (folder / "b" / "c.csv").write_text("2\n")
    with track.run("x") as run:
        one = run.data(folder / "a.csv", "train")
        two = run.data(folder)
        run.data(folder / "a.csv", "train")
    files = {b"a.csv": b"1\n", b"b/c.csv": b"2\n"}
    lines = [sha256(text).hexdigest().encode() + b"  " + name for name, text in files.items()]
    # As `sha256sum a.csv b/c.csv | sha256sum` has it
    assert two == "sha256:" + sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
    found = read(run.folder)["data"]
    assert [(one["name"], one["size"], one["files"]) for one in found] == [(str(folder), 4, 2), ("train", 2, 1)]
    assert found[1]["digest"] == one
    assert not (Path(run.folder) / "artifacts" / "sha256").exists()


def test_data_that_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "pipe")
    with track.run() as run, pytest.raises(OSError, match="not a plain file"):
        run.data(tmp_path / "set" / "pipe")
    with track.run() as run:
        run.data(tmp_path / "set")  # in a folder it is passed over
    assert read(run.folder)["data"][0]["files"] == 0


def test_a_run_that_found_no_room_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(track.TrackError, match="cannot make a run"):
            begin(str(tmp_path / "runs"), {"experiment": "x"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "runs").iterdir())
