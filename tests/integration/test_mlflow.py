"""Runs to and from a real MLflow server with SQLite, seen by MLflow's own client; and servers that are none."""

from __future__ import annotations

import http.server
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docs_text import runnable
from tests.integration.test_tracking_share_page import PAGE, environment, typed
from tests.registries.real import free_port
from wherry.engine import Engine
from wherry.engine.mlflow_export import export
from wherry.engine.mlflow_import import fetch
from wherry.engine.mlflow_server import Server, connect
from wherry.errors import HostError, InputError, NotFound, TrackingError
from wherry.host.fake import FakeHost
from wherry.runs.mlflow import Point, key_of
from wherry.settings import Paths, Settings
from wherry.track import Run
from wherry.track.points import points
from wherry.track.record import Record
from wherry.track.run import begin, join

pytestmark = pytest.mark.requires("mlflow", "sqlalchemy")

ENV = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that runs for all tests here: its start takes seconds."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/runs.db",
             "--artifacts-destination", f"{folder}/artifacts", "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1"]  # fmt: skip
    # Jobs would be more processes, in sessions of their own
    env = ENV | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                 "HOME": str(folder)}  # fmt: skip
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=env, cwd=folder, start_new_session=True)
        try:
            for _ in range(1200):
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def server(uri: str) -> Server:
    return connect(uri)


@pytest.fixture
def client(server: Server) -> Any:
    """MLflow's own."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server.uri)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, os.geteuid(), "/")
    with Engine(settings, FakeHost()) as made:
        yield made


def a_run(engine: Engine, experiment: str, **start: Any) -> Run:
    whole = {"experiment": experiment, "command": ["python", "train.py"], **start}
    return join(begin(engine.runs.home, whole), is_joined=False)


def trained(engine: Engine, folder: Path, experiment: str) -> Record:
    """More of all than one call takes, and names that MLflow has not."""
    start = {
        "image": {"name": "localhost:5000/iris/train:1", "id": "sha256:" + "1" * 64, "digest": "sha256:" + "2" * 64},
        "git": {"commit": "c" * 40, "branch": "main", "dirty": True, "remote": "https://example.org/x", "diff": "+é"},
    }  # fmt: skip
    with a_run(engine, experiment, **start) as run:
        run.params({f"p{number}": number for number in range(230)})
        run.params(lr=0.1, nan=float("nan"), empty="", none=None, flag=True, long="x" * 7000)
        run.params({"a?b": 1, "a!b": 2, "/abs": 3})
        for number in range(130):
            run.tag(f"t{number}", "v" * 900)
        for step in range(1200):
            run.log({"loss": 1 / (step + 1), "bad name?": [math.nan, math.inf, -math.inf, 1.5][step % 4]}, step=step)
        (folder / "model.bin").write_bytes(b"weights" * 1000)
        run.artifact(folder / "model.bin")
        run.artifact(folder / "model.bin", "out/a #1%20?.bin")
    return Record(run.folder)


def rounded(run: Record) -> list[str]:
    """Points as a server keeps them: in milliseconds, as texts, since NaN is not NaN."""
    return sorted(f"{name} {step} {round(time * 1000)} {value!r}" for name, step, time, value in points(run.folder))


def test_what_was_exported_comes_back(engine: Engine, server: Server, client: Any, tmp_path: Path) -> None:
    run = trained(engine, tmp_path, "back")
    document, before = run.document, rounded(run)
    sent = export(engine, server, run)
    assert (sent.is_new, sent.points, sent.artifacts) == (True, 2400, 2)
    assert sent.warnings == ("long is longer than MLflow takes, and was cut",)
    there = client.get_run(sent.run_id)
    assert (there.info.status, there.info.run_name) == ("FINISHED", document["name"])
    assert (there.info.start_time, there.info.end_time) == (document["started_ms"], document["ended_ms"])
    assert {there.data.params[key_of(name)] for name in ("a?b", "a!b", "/abs")} == {"1", "2", "3"}
    assert len(there.data.params) == len(document["params"])
    history = client.get_metric_history(sent.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(step, 1 / (step + 1)) for step in range(1200)]
    assert document["started_ms"] <= history[0].timestamp <= document["ended_ms"]
    engine.runs.remove(run)
    got = fetch(engine, server, sent.run_id)
    assert got.is_new
    assert rounded(got.run) == before
    assert got.run.document == document
    assert Path(got.run.artifact("out/a #1%20?.bin")).read_bytes() == b"weights" * 1000
    assert not fetch(engine, server, sent.run_id).is_new
    assert fetch(engine, server, sent.run_id, force=True).run.document == document


def test_image_and_code_are_tags_that_mlflow_knows(engine: Engine, server: Server, client: Any, tmp_path: Path) -> None:
    from mlflow.utils import mlflow_tags as known

    run = trained(engine, tmp_path, "tags")
    tags = client.get_run(export(engine, server, run).run_id).data.tags
    image = run.document["image"]
    assert tags[known.MLFLOW_DOCKER_IMAGE_URI] == f"{image['name']}@{image['digest']}"
    assert tags[known.MLFLOW_DOCKER_IMAGE_ID] == image["id"]
    assert tags[known.MLFLOW_PROJECT_ENV] == "docker"
    assert tags[known.MLFLOW_GIT_COMMIT] == "c" * 40
    assert (tags[known.MLFLOW_GIT_BRANCH], tags[known.MLFLOW_GIT_DIRTY]) == ("main", "true")
    assert (tags[known.MLFLOW_GIT_REPO_URL], tags[known.MLFLOW_GIT_DIFF]) == ("https://example.org/x", "+é")
    assert tags[known.MLFLOW_SOURCE_NAME] == "python train.py"
    assert tags["t129"] == "v" * 900


def test_a_second_export_goes_on(engine: Engine, server: Server, client: Any, tmp_path: Path) -> None:
    with a_run(engine, "goes on") as run:
        run.log(loss=1.0, nan=math.nan, inf=math.inf)
        run.param("lr", 1)
        (tmp_path / "a").write_text("a")
        run.artifact(tmp_path / "a")
        first = export(engine, server, Record(run.folder))
        assert client.get_run(first.run_id).info.status == "RUNNING"
        run.log(loss=0.5, late=1.0)
        run.param("lr", 2)
        run.param("more", 3)
        run.artifact(tmp_path / "a", "b")
    second = export(engine, server, Record(run.folder))
    assert (second.run_id, second.is_new, second.points, second.artifacts) == (first.run_id, False, 2, 1)
    assert second.warnings == ("parameter lr was '1' at the last export, and MLflow lets none change",)
    there = client.get_run(first.run_id)
    assert (there.info.status, there.data.params) == ("FINISHED", {"lr": "1", "more": "3"})
    assert [one.value for one in client.get_metric_history(first.run_id, "loss")] == [1.0, 0.5]
    assert {key: len(client.get_metric_history(first.run_id, key)) for key in ("nan", "inf", "late")} == {
        "nan": 1, "inf": 1, "late": 1,
    }  # fmt: skip
    third = export(engine, server, Record(run.folder))
    assert (third.points, third.artifacts) == (0, 0)
    experiment = client.get_experiment_by_name("goes on").experiment_id
    assert len(client.search_runs([experiment])) == 1


class Breaking(Server):
    """Its connection is lost at the second thousand of points."""

    calls = 0

    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        self.calls += 1
        if self.calls == 2:
            raise TrackingError("no MLflow server answers")
        super().log_points(run_id, points)


def test_an_export_that_broke_off_goes_on(engine: Engine, server: Server, client: Any, tmp_path: Path) -> None:
    run = trained(engine, tmp_path, "broke off")
    with pytest.raises(TrackingError):
        export(engine, Breaking(client, server.uri), run)
    sent = export(engine, server, run)
    assert not sent.is_new
    assert sent.points == 1400
    assert sorted(one.step for one in client.get_metric_history(sent.run_id, "loss")) == list(range(1200))


def test_a_child_finds_its_parent(engine: Engine, server: Server, client: Any) -> None:
    with a_run(engine, "family") as parent, a_run(engine, "family", parent=parent.id) as child:
        pass
    above = export(engine, server, Record(parent.folder)).run_id
    below = export(engine, server, Record(child.folder)).run_id
    assert client.get_run(below).data.tags["mlflow.parentRunId"] == above


def test_a_run_of_another_tool_is_imported_and_exported_back(
    engine: Engine, server: Server, client: Any, tmp_path: Path
) -> None:
    run_id = client.create_run(client.create_experiment("others"), run_name="theirs", start_time=5000).info.run_id
    for key, value in (("lr", "0.1"), ("layers", "3"), ("code", "007"), ("who", "me")):
        client.log_param(run_id, key, value)
    client.set_tag(run_id, "team", "a")
    client.set_tag(run_id, "mlflow.source.git.commit", "d" * 40)
    client.log_metric(run_id, "acc", 0.5, timestamp=6000, step=3)
    client.log_metric(run_id, "acc", math.inf, timestamp=7000, step=4)
    client.log_dict(run_id, {"a": 1}, "conf/a.json")
    client.set_terminated(run_id, "FAILED", 9000)
    experiment = server.experiment("others")
    assert server.runs_of(experiment) == [run_id]
    got = fetch(engine, server, run_id).run
    document = got.document
    assert (got.id, document["name"], document["experiment"]) == (run_id, "theirs", "others")
    assert (document["status"], document["started_ms"], document["ended_ms"]) == ("failed", 5000, 9000)
    assert document["params"] == {"lr": 0.1, "layers": 3, "code": "007", "who": "me"}
    assert (document["tags"]["team"], document["git"]) == ("a", {"commit": "d" * 40})
    assert list(got.points("acc")) == [(3, 6.0, 0.5), (4, 7.0, math.inf)]
    assert json.loads(Path(got.artifact("conf/a.json")).read_text()) == {"a": 1}
    back = export(engine, server, got)
    assert (back.run_id, back.points, back.is_new) == (run_id, 0, False)
    assert len(client.search_runs([experiment])) == 1
    assert client.get_run(run_id).info.status == "FAILED"


def test_what_is_not_there_is_said(engine: Engine, server: Server, client: Any) -> None:
    with pytest.raises(NotFound, match=r"No such run at http://.*: nope"):
        fetch(engine, server, "nope")
    with pytest.raises(NotFound, match=r"No such experiment at .*: nope"):
        server.experiment("nope")
    client.delete_experiment(client.create_experiment("gone"))
    with a_run(engine, "gone") as run:
        pass
    with pytest.raises(TrackingError, match="experiment gone is deleted"):
        export(engine, server, Record(run.folder))


def test_the_page_works(uri: str, tmp_path: Path) -> None:
    block = runnable(PAGE)[1]
    assert "http://localhost:5000" in block
    said = typed(block.replace("http://localhost:5000", uri), tmp_path, environment(tmp_path))
    assert re.search(r"^second: exported as [0-9a-f]{32}: 1 point, 0 artifacts$", said, re.MULTILINE)
    assert re.search(r"^second: imported as [0-9a-f]{32}$", said, re.MULTILINE)
    assert re.search(r"^[0-9a-f]{12} +second +.*finished", said, re.MULTILINE)


def test_a_url_that_leads_nowhere_is_said() -> None:
    with pytest.raises(TrackingError, match=r"no MLflow server answers at http://127\.0\.0\.1:\d+"):
        connect(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match="'localhost:5000' is no URL"):
        connect("localhost:5000")


@pytest.mark.parametrize(("status", "body"), [(404, b"<h1>no</h1>"), (200, b"<h1>hello</h1>"), (200, b"[1]")])
def test_a_web_server_that_is_not_mlflow_is_said(status: int, body: bytes) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:\d+"):
                connect(f"http://127.0.0.1:{other.server_address[1]}")
        finally:
            other.shutdown()
            thread.join()


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(HostError, match="MLflow's SDK is not installed") as caught:
        connect("http://localhost:5000")
    assert caught.value.hint == "pip install 'wherry[mlflow]'"
