"""wherry track and wherry runs, on runs of this machine: no container, no root."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import wherry.track
from wherry.cli import runs, runs_plot, track
from wherry.cli.flags import parse
from wherry.cli.render import Output
from wherry.engine import Engine
from wherry.engine.runs import Runs
from wherry.errors import CommandNotFound, Conflict, InputError, NotExecutable, NotFound
from wherry.host.linux import LinuxHost


class Quiet(Output):
    """Whose standard input is /dev/null, whatever pytest did with ours."""

    @property
    def in_fd(self) -> int:
        return self.out_fd


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        env = {"PATH": os.environ["PATH"], "WHERRY_RUNS": str(folder / "runs"), "WHERRY_TRACK_GIT": "0",
               "PYTHONPATH": str(Path(wherry.track.__file__).parents[2])}  # fmt: skip
        settings = SimpleNamespace(env=env, cwd=str(folder), paths=SimpleNamespace(root=str(folder)))
        self.engine = cast("Engine", SimpleNamespace(settings=settings, host=LinuxHost(env)))
        self.engine.runs = Runs(self.engine)

    def track(self, *argv: str) -> int:
        with open(os.devnull, "r+") as null:
            return track.run(self.engine, parse("wherry track", track.VERB, argv), Quiet(null, null, {}))

    def runs(self, name: str, *argv: str) -> str:
        out = io.StringIO()
        module = runs_plot if name in {"plot", "export"} else runs
        verb = module.VERB[f"runs {name}"]
        self.code = module.run(
            f"runs {name}", self.engine, parse(f"wherry runs {name}", verb, argv), Output(out, out, {})
        )
        return out.getvalue()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("WHERRY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WHERRY_TRACK_GIT", "0")
    monkeypatch.delenv("WHERRY_RUN", raising=False)
    return Lab(tmp_path)


def make(lab: Lab, name: str, lr: float, losses: list[float]) -> None:
    with wherry.track.run("iris", name=name, params={"lr": lr}) as run:
        for loss in losses:
            run.log(loss=loss)


def test_a_command_is_recorded_with_what_it_logs_itself(lab: Lab) -> None:
    program = "import wherry.track as t\nwith t.run(params={'b': 2}) as r: r.log(loss=0.5)"
    assert lab.track("-e", "iris", "-p", "a=0.1", "--tag", "who=me", "--", sys.executable, "-c", program) == 0
    (found,) = json.loads(lab.runs("inspect", "latest"))
    assert found["experiment"] == "iris"
    assert found["params"] == {"a": 0.1, "b": 2}
    assert found["tags"] == {"who": "me"}
    assert found["metrics"]["loss"]["last"] == 0.5
    assert (found["status"], found["exit_code"]) == ("finished", 0)
    assert found["command"][1] == "-c"
    assert found["environment"]["python"]


@pytest.mark.parametrize(
    ("script", "code", "status"),
    [("exit 3", 3, "failed"), ("kill -9 $$", 128 + signal.SIGKILL, "killed"), ("exit 0", 0, "finished")],
)
def test_how_the_command_ends_is_how_the_run_ends(lab: Lab, script: str, code: int, status: str) -> None:
    assert lab.track("sh", "-c", script) == code
    document = lab.engine.runs.find("latest").document
    assert (document["status"], document["exit_code"]) == (status, code)


class Hasty(LinuxHost):
    """Somebody sends SIGTERM before we know the pid of what was started."""

    def spawn(self, *args: Any, **options: Any) -> int:
        pid = super().spawn(*args, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return pid


def test_a_signal_that_comes_at_once_is_passed_on_too(lab: Lab) -> None:
    lab.engine.host = Hasty(lab.engine.settings.env)
    assert lab.track("sleep", "60") == 128 + signal.SIGTERM
    assert lab.engine.runs.find("latest").document["status"] == "killed"


def test_a_command_of_another_kind_says_nothing_of_python(lab: Lab) -> None:
    lab.track("sh", "-c", "true")
    found = lab.engine.runs.find("latest").document["environment"]
    assert "packages" not in found
    assert "python" not in found
    assert found["arch"]


def test_a_command_that_is_not_there_is_127_and_a_failed_run(lab: Lab) -> None:
    with pytest.raises(CommandNotFound, match="no-such-program: no such command"):
        lab.track("no-such-program")
    assert lab.engine.runs.find("latest").document["exit_code"] == 127
    (lab.folder / "plain").write_text("x")
    with pytest.raises(NotExecutable, match="plain: Permission denied"):
        lab.track(str(lab.folder / "plain"))
    document = lab.engine.runs.find("latest").document
    assert (document["status"], document["exit_code"], document["error"]) == ("failed", 126, "Permission denied")
    with pytest.raises(InputError, match="--param must be NAME=VALUE; got 'lr'"):
        lab.track("-p", "lr", "true")


def test_runs_are_listed_filtered_sorted_and_found(lab: Lab) -> None:
    make(lab, "first", 0.1, [1.0, 0.5])
    make(lab, "second", 0.01, [1.0, 0.9])
    assert lab.runs("ls", "--format", "{{.Name}} {{.Metrics}}") == "second loss=0.9\nfirst loss=0.5\n"
    assert lab.runs("ls", "--format", "{{.Name}}", "--filter", "metric.loss<0.6", "-f", "param.lr=0.1") == "first\n"
    assert lab.runs("ls", "--format", "{{.Name}}", "--sort", "param.lr", "-n", "1") == "second\n"
    header, first, _ = lab.runs("ls").splitlines()
    assert header.split("  ")[0] == "RUN ID"
    assert "second" in first
    assert json.loads(lab.runs("ls", "-n", "1", "--format", "json"))["Experiment"] == "iris"
    ids = lab.runs("ls", "-q", "--no-trunc").split()
    assert lab.engine.runs.find(ids[1][:6]).document["name"] == "first"


def test_a_run_is_shown_to_people(lab: Lab) -> None:
    make(lab, "first", 0.1, [1.0, 0.5])
    text = lab.runs("show", "first")
    assert text.startswith("Run:         first (")
    assert "\nStatus:      finished\n" in text
    assert "\nParameters:\n  lr  0.1\n" in text
    assert "\n  loss  0.5  min 0.5 at 1  max 1 at 0  2 points\n" in text
    with wherry.track.run("x", name="\x1b[31m") as run:
        run.param("\x1b]0;x", "\x07")
    assert "\x1b" not in lab.runs("show", "latest")
    assert lab.runs("show", "--format", "{{.name}}", "first") == "first\n"
    assert lab.runs("show", "--diff", "first") == ""


def test_what_is_not_there_is_said_with_the_nearest_name(lab: Lab) -> None:
    make(lab, "first", 0.1, [1.0])
    with pytest.raises(NotFound, match="No such run: frist") as caught:
        lab.engine.runs.find("frist")
    assert caught.value.hint == "did you mean first?"
    make(lab, "first", 0.1, [1.0])
    with pytest.raises(Conflict, match="2 runs are called first"):
        lab.engine.runs.find("first")
    assert lab.runs("rm", "nobody").startswith("Error: No such run: nobody")
    assert lab.code == 1


def test_a_folder_with_a_broken_beginning_is_no_run(lab: Lab) -> None:
    make(lab, "first", 0.1, [1.0])
    for name, text in (("a" * 32, "{"), ("b" * 32, "[]"), ("c" * 32, '{"id": "c"}')):
        (lab.folder / "runs" / name).mkdir()
        (lab.folder / "runs" / name / "run.json").write_text(text)
    assert lab.runs("ls", "--format", "{{.Name}}") == "first\n"


def test_a_run_that_goes_on_is_removed_by_force_alone(lab: Lab) -> None:
    with wherry.track.run("x", name="live"):
        assert "goes on" in lab.runs("rm", "live")
        assert lab.code == 1
        assert lab.runs("ls", "-f", "status=running", "--format", "{{.Name}}") == "live\n"
    assert lab.runs("rm", "live") == "live\n"
    assert lab.runs("ls", "-q") == ""


def test_runs_are_compared(lab: Lab) -> None:
    make(lab, "first", 0.1, [0.5])
    make(lab, "second", 0.2, [0.5])
    lines = [line.split() for line in lab.runs("compare", "first", "second").splitlines()]
    assert lines[0] == ["KIND", "WHAT", "first", "second"]
    assert ["param", "lr", "0.1", "0.2"] in lines
    assert not [line for line in lines if line[0] == "metric"]
    rows = [json.loads(line) for line in lab.runs("compare", "-a", "--format", "json", "first", "second").splitlines()]
    assert {"kind": "metric", "name": "loss", "values": ["0.5", "0.5"], "differs": False} in rows


def test_metrics_are_exported_and_drawn(lab: Lab) -> None:
    make(lab, "first", 0.1, [1.0, float("nan"), 0.5])
    header, *lines = lab.runs("export", "first").splitlines()
    assert header == "run,name,metric,step,time,value"
    assert [line.split(",")[3::2] for line in lines] == [["0", "1.0"], ["1", "nan"], ["2", "0.5"]]
    document = json.loads(lab.runs("export", "--format", "json", "first"))
    assert [point[3] for point in document["points"]] == [1.0, "NaN", 0.5]
    assert "first" in lab.runs("plot", "-m", "loss", "first")
    lab.runs("plot", "-o", "loss.svg", "first")
    assert (lab.folder / "loss.svg").read_text() == lab.runs("plot", "-o", "-", "first")
    with pytest.raises(NotFound, match="has no metric los") as caught:
        lab.runs("plot", "-m", "los", "first")
    assert caught.value.hint == "did you mean loss?"
    lab.runs("plot", "-o", "loss.png", "first")
    assert (lab.folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="plots are SVG or PNG"):
        lab.runs("plot", "-o", "x.gif", "first")
    with pytest.raises(InputError, match="--smooth must be"):
        lab.runs("plot", "--smooth", "1", "first")


def test_no_name_steers_the_terminal(lab: Lab) -> None:
    with wherry.track.run(
        "e\x1b[2J", name="na\x1b]0;x\x07me", params={"p\x1b": "v\x1b\n"}, tags={"t\x1b": "\n"}
    ) as run:
        run.tag("t\x1b", "\n")
        run.log({"lo\x1b[31mss": 1.0, "n\nl": 2.0})
    for words in (("ls",), ("ls", "--no-trunc"), ("show", "latest"), ("compare", "-a", "latest", "latest"),
                  ("plot", "latest")):  # fmt: skip
        shown = lab.runs(*words)
        assert shown.replace("\n", "").isprintable(), words
        assert "na�]0;x�me" in shown
