"""A container has its run's folder in its hands. What it makes of it harms neither the machine nor other runs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.containers_rows import TRACKED, ContainerRow
from wherry.engine.runs import Runs, open_artifact
from wherry.engine.runs_container import RUN_TARGET, over
from wherry.engine.runs_points import write_points
from wherry.engine.runs_promote import _place
from wherry.engine.runs_record import end
from wherry.errors import HostError, InputError, IntegrityError, InvalidSpec, NotFound
from wherry.host.fake import FakeHost
from wherry.runs.promotion import choose
from wherry.runtime.monitor_spaces import hold as monitor_hold
from wherry.settings import Paths, Settings
from wherry.track.folder import append, hold, is_held, load, open_inside
from wherry.track.points import summaries
from wherry.track.record import Record, read
from wherry.track.run import begin

HASH = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = Path(begin(str(tmp_path / "runs"), {"experiment": "iris", "name": "glad-robin"}, 0o777))
    (made / "outputs").mkdir()
    return made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """The machine's, which the container can't see."""
    made = tmp_path / "etc"
    made.mkdir()
    (made / "passwd").write_text("root")
    return made


def moved_away(folder: Path, name: str, put: Callable[[Path], None]) -> None:
    """Put something in the place of a file or folder of the run."""
    place = folder / name
    if place.is_dir():
        place.rename(folder / "was")
    elif place.exists():
        place.unlink()
    put(place)


def test_outputs_that_are_a_link_take_no_files_from_elsewhere(folder: Path, outside: Path) -> None:
    moved_away(folder, "outputs", lambda place: place.symlink_to(outside))
    end(str(folder), 0)
    assert (outside / "passwd").read_text() == "root"
    assert read(str(folder))["artifacts"] == []


@pytest.mark.parametrize("name", ["artifacts", "artifacts/sha256"])
def test_artifacts_that_are_a_link_are_written_nowhere_else(folder: Path, outside: Path, name: str) -> None:
    moved_away(folder, name, lambda place: place.symlink_to(outside))
    (folder / "outputs" / "crontab").write_text("* * * * * root id")
    end(str(folder), 0)
    assert [one.name for one in outside.iterdir()] == ["passwd"]
    assert (folder / "outputs" / "crontab").exists()
    assert "crontab could not be kept as an artifact" in read(str(folder))["error"]


def test_a_link_in_the_place_of_a_file_is_never_written_through(folder: Path, outside: Path) -> None:
    for name in ("events.jsonl", "lock", "end.json"):
        moved_away(folder, name, lambda place: place.symlink_to(outside / "passwd"))
    (folder / f"end.json.{os.getpid()}.tmp").symlink_to(outside / "passwd")
    with pytest.raises(OSError, match="plain file"):
        append(str(folder), {"type": "tag", "name": "x", "value": "$(id)"})
    with pytest.raises(OSError, match="plain file"):
        hold(str(folder))
    end(str(folder), 3)
    assert (outside / "passwd").read_text() == "root"
    assert read(str(folder))["exit_code"] == 3


def test_a_link_that_leads_nowhere_makes_no_file(folder: Path, outside: Path) -> None:
    moved_away(folder, "lock", lambda place: place.symlink_to(outside / "nologin"))
    with pytest.raises(OSError, match="plain file"):
        hold(str(folder))
    assert not (outside / "nologin").exists()


@pytest.mark.parametrize(
    "name", ["run.json", "events.jsonl", "end.json", "lock", "metrics.jsonl", "metrics/x.bin", "metrics/x.names"]
)
def test_a_fifo_keeps_nobody_waiting(folder: Path, name: str) -> None:
    moved_away(folder, name, os.mkfifo)
    if name == "metrics/x.names":
        (folder / "metrics/x.bin").write_bytes(b"WHRYPTS1" + bytes(56))
    document = Record(str(folder)).document
    assert document["metrics"] == {}
    assert not is_held(str(folder))


def test_of_a_file_of_holes_little_is_read(folder: Path) -> None:
    header = b"WHRYPTS1" + (64).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(48)
    for name, data in (("run.json", b"{"), ("metrics/x.bin", header), ("metrics/x.names", b'"loss')):
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.write(data)
            file.truncate(1 << 42)
    assert load(str(folder / "run.json")) is None
    assert summaries(str(folder)) == {}


def test_a_file_that_only_looks_like_one_is_not_opened(folder: Path, outside: Path) -> None:
    moved_away(folder, "metrics", lambda place: place.symlink_to(outside))
    with pytest.raises(NotADirectoryError):
        open_inside(str(folder), "metrics/passwd", os.O_RDONLY)


WRONG: list[dict[str, Any]] = [
    {"name": 3, "experiment": [], "started_ms": "soon"}, {"started_ms": 10**300}, {"started_ms": True},
    {"params": [1], "tags": 3, "metrics": {"loss": 1}, "artifacts": "none"},
    {"command": [1, None], "git": {"commit": 5}},
    {"git": {"diff": 1, "untracked": {}, "branch": None}, "image": {"name": 3, "id": []}, "container": [1]},
    {"environment": {"gpus": 3, "packages": [], "variables": "x", "cpu_count": "many"}, "exit_code": 10**40},
    {"data": [1, {"name": "x"}, {"name": 1, "digest": 2, "size": "3"}], "promoted": {"image": 1}, "parent": 1},
    {"promoted": [{"image": {}}, {"image": {"name": "a", "id": "b"}, "at_ms": "c"}, 7]},
    {"error": {}, "ended_ms": -(10**30)},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: "-".join(one)[:40])
@pytest.mark.parametrize("name", ["run.json", "end.json"])
def test_whatever_it_says_everybody_can_show(folder: Path, wrong: dict[str, Any], name: str) -> None:
    start = json.loads((folder / "run.json").read_text())
    (folder / name).write_text(json.dumps({**start, **wrong, **({"status": "failed"} if name == "end.json" else {})}))
    for event in ({"type": kind, "name": ["x"], "value": one} for kind in wrong for one in wrong.values()):
        append(str(folder), event)
    append(str(folder), {"type": "artifact", "name": "m", "digest": "sha256:../../../etc/passwd", "size": "big"})
    append(str(folder), {"type": "artifact", "name": "n", "digest": "sha256:" + HASH, "size": {}})
    show_all(Record(str(folder)))


def show_all(record: Record) -> None:
    """What every verb does with a run's document."""
    from wherry.cli.render import Output
    from wherry.cli.runs import _row
    from wherry.cli.runs_show import show
    from wherry.runs.compare import compare
    from wherry.runs.document import decode, encode
    from wherry.runs.promotion import labels
    from wherry.runs.query import sort

    out = io.StringIO()
    document = record.document
    show(Output(out, out, {}), record)
    assert "glad-robin" in out.getvalue() or document["name"] != "glad-robin"
    _row(document, record.folder, whole=True)
    compare([document, document], all=True)
    for key in ("started", "duration", "commit", "image", "param.x", "metric.loss", "exit_code", "name"):
        sort([document, document], key if key != "exit_code" else "status")
    labels(document, ())
    assert decode(encode(document), "it")["id"] == record.id


@pytest.fixture
def kept(folder: Path) -> Path:
    """Where the run keeps its artifact."""
    (folder / "outputs" / "model.bin").write_bytes(b"password")
    end(str(folder), 0)
    (one,) = (folder / "artifacts" / "sha256").iterdir()
    assert one.name == HASH
    return one


def put_link(place: Path) -> None:
    place.symlink_to(place.parents[4] / "etc" / "passwd")


PLACED = {"link": put_link, "fifo": os.mkfifo, "other content": lambda place: place.write_bytes(b"passw0rd")}


@pytest.mark.parametrize("put", PLACED.values(), ids=PLACED)
def test_only_what_the_run_kept_is_promoted(
    folder: Path, outside: Path, kept: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    chosen = choose(read(str(folder)), ["model.bin"])
    _place(Record(str(folder)), ["0"], chosen, str(tmp_path / "good"))
    assert (tmp_path / "good" / "0").read_bytes() == b"password"
    kept.unlink()
    put(kept)
    with pytest.raises((NotFound, IntegrityError, HostError), match=r"model\.bin"):
        _place(Record(str(folder)), ["0"], chosen, str(tmp_path / "bad"))


@pytest.mark.parametrize("name", ["../x", ".", "a/../..", "n\0l", "0/b"])
def test_an_artifact_lies_where_it_was_asked_for(folder: Path, kept: Path, tmp_path: Path, name: str) -> None:
    chosen = choose(read(str(folder)), ["model.bin"]) * 2
    with pytest.raises(InputError, match=r"model\.bin"):
        _place(Record(str(folder)), ["0", name], chosen, str(tmp_path / "bad"))


@pytest.mark.parametrize("put", PLACED.values(), ids=PLACED)
def test_only_what_it_kept_is_sent_elsewhere(
    folder: Path, outside: Path, kept: Path, put: Callable[[Path], None]
) -> None:
    (one,) = Runs(cast("Engine", None)).artifacts(Record(str(folder)))
    with open_artifact(Record(str(folder)), one) as file:
        assert file.read() == b"password"
    kept.unlink()
    put(kept)
    if put is PLACED["other content"]:
        kept.write_bytes(b"more than it was")
    with pytest.raises((NotFound, IntegrityError), match=r"model\.bin"):
        open_artifact(Record(str(folder)), one)


def test_a_fifo_among_its_points_is_not_pushed(folder: Path, tmp_path: Path) -> None:
    for name in ("metrics/x.bin", "metrics.jsonl"):
        os.mkfifo(folder / name)
    assert write_points(str(folder), str(tmp_path / "points"), Cancel()).size == 0


def test_nobody_takes_another_runs_place(folder: Path, tmp_path: Path) -> None:
    """By a run below its own with that id, or by a link."""
    other = begin(str(tmp_path / "runs"), {"experiment": "mine"})
    start = (Path(other) / "run.json").read_bytes()
    (folder / "children").mkdir()
    (folder / "children" / Path(other).name).mkdir()
    (folder / "children" / Path(other).name / "run.json").write_bytes(start)
    (folder / "children" / ("e" * 32)).symlink_to(tmp_path / "runs")
    settings = Settings(Paths(str(tmp_path), str(tmp_path / "run")), {}, os.getuid(), "/")
    with Engine(settings, FakeHost()) as engine:
        assert {one.folder for one in engine.runs.list()} == {other, str(folder)}


def test_a_lock_that_is_none_starts_the_container_all_the_same(folder: Path, outside: Path) -> None:
    for put in (put_lock, os.mkfifo, os.mkdir):
        (folder / "lock").rename(folder / f"was{put.__name__}")
        put(folder / "lock")
        assert monitor_hold(f"{folder}/lock") == -1


def put_lock(place: Path) -> None:
    place.symlink_to(place.parents[2] / "etc" / "passwd")


@pytest.mark.parametrize("fault", [NotFound("image"), InvalidSpec("METADATA"), OSError("layer")], ids=repr)
def test_packages_that_nobody_can_read_take_no_end(folder: Path, fault: Exception) -> None:
    def get(_: object) -> None:
        raise fault

    state = SimpleNamespace(is_running=False, status="exited", exit_code=3, oom_killed=False, error="",
                            unrecorded=False, finished_ns=0)  # fmt: skip
    mount = SimpleNamespace(target=RUN_TARGET, type="bind", source=str(folder))
    row = SimpleNamespace(id="c", labels={TRACKED: ""}, image_id="sha256:" + HASH,
                          options=lambda: SimpleNamespace(mounts=[mount]))  # fmt: skip
    engine = SimpleNamespace(containers=SimpleNamespace(state=lambda _: state), image_store=SimpleNamespace(get=get))
    over(cast("Engine", engine), cast("ContainerRow", row))
    assert (read(str(folder))["status"], read(str(folder))["exit_code"]) == ("failed", 3)


def test_a_disk_that_is_full_leaves_the_outputs_where_they_are(folder: Path) -> None:
    (folder / "outputs" / "model.bin").write_bytes(b"x")
    (folder / "artifacts").rename(folder / "was")
    (folder / "artifacts").write_bytes(b"")
    end(str(folder), 0)
    document = read(str(folder))
    assert document["status"] == "finished"
    assert "model.bin could not be kept as an artifact" in document["error"]
    assert (folder / "outputs" / "model.bin").read_bytes() == b"x"


def test_a_folder_in_the_place_of_its_end_is_said(folder: Path) -> None:
    (folder / "end.json").mkdir()
    with pytest.raises(HostError, match="is not recorded"):
        end(str(folder), 0)
    assert not list(folder.glob("*.tmp"))
