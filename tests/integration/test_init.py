"""`wherry init`, and what it wrote: built, run by any uid on a read-only root, and asked for a prediction."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.lesson import PROJECT, Lesson

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")
CASES = PROJECT / "tests" / "cases" / "init"
_LONGEST = ("sklearn-joblib", "lightgbm", "poetry", "pdm", "django")
PATHS = {"uvicorn-run-src": "/v1/predict?x=3"}
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answer(lesson: Lesson, name: str, port: str, path: str) -> dict[str, float]:
    """What GET gives, once somebody listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with _OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=5) as found:
                document: dict[str, float] = json.load(found)
                return document
        except OSError:
            assert time.monotonic() < deadline, lesson.wherry("logs", name)
            time.sleep(0.1)


def last_line(lesson: Lesson, name: str) -> dict[str, float]:
    """What one without a port wrote, once it has."""
    deadline = time.monotonic() + 30
    while not (lines := lesson.must("logs", name).splitlines()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    document: dict[str, float] = json.loads(lines[-1])
    return document


def is_healthy(lesson: Lesson, name: str, check: list[str]) -> bool:
    """Whether the image's own check, run now, is content: waiting for its interval would take 10 s a case."""
    assert check[0] == "CMD"
    return lesson.wherry("exec", name, *check[1:]).returncode == 0


@pytest.fixture(scope="module")
def newest(lesson: Lesson) -> str:
    """A Python that what the locks name runs on (the lesson's own is older), with the image that init names for it."""
    offers = lesson.must("bootstrap", "--list")
    found = next(version for version in ("3.13", "3.12") if f"python:{version} " in offers)
    lesson.must("bootstrap", f"python:{found}-slim-trixie")
    return found


def try_out(lesson: Lesson, case: str, python: str, folder: Path) -> None:
    """Written, built, run, asked, stopped."""
    shutil.copytree(CASES / case / "project", folder)
    lesson.must("init", "--pin=false", "--python", python, str(folder))
    name = f"init-{case}"
    lesson.must("build", "-q", "-t", name, str(folder))
    (built,) = json.loads(lesson.must("image", "inspect", name))
    exposed = built["Config"].get("ExposedPorts") or {}
    publish = [word for port in exposed for word in ("-p", f"127.0.0.1::{port.partition('/')[0]}")]
    # A uid that no file of the image knows, a root that nobody can write to
    lesson.must("run", "-d", "--name", name, "--user", "12345:0", "--read-only", "--tmpfs", "/tmp", *publish, name)
    try:
        (there,) = json.loads(lesson.must("inspect", name))
        assert there["Config"]["User"] == "12345:0"
        if publish:
            port = next(iter(there["NetworkSettings"]["Ports"].values()))[0]["HostPort"]
            said = answer(lesson, name, port, PATHS.get(case, "/predict?x=3"))
        else:
            said = last_line(lesson, name)
        assert said["y"] == 7.0
        if publish:
            assert is_healthy(lesson, name, built["Config"]["Healthcheck"]["Test"]), lesson.wherry("logs", name)
        started = time.monotonic()
        lesson.must("stop", "-t", "20", name)
        assert time.monotonic() - started < 15, "the signal did not reach the application"
    finally:
        lesson.wherry("rm", "-f", name)


@pytest.fixture(scope="module")
def trials(
    lesson: Lesson, newest: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """All cases that were chosen, two at a time: each waits for its installer as much as it computes."""
    folder = tmp_path_factory.mktemp("init")
    chosen = [one.callspec.params["case"] for one in request.session.items if _is_case(one)]
    # The longest first, so that none of them is left to run alone
    chosen.sort(key=lambda case: (_LONGEST.index(case) if case in _LONGEST else len(_LONGEST), case))
    with ThreadPoolExecutor(2) as pool:
        yield {case: pool.submit(try_out, lesson, case, newest, folder / case) for case in chosen}


def _is_case(item: pytest.Item) -> bool:
    return item.path == Path(__file__) and "case" in getattr(getattr(item, "callspec", None), "params", {})


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_project_is_written_built_run_and_asked(trials: dict[str, Future[None]], case: str) -> None:
    trials[case].result()


def test_build_auto_builds_the_same_and_writes_nothing(lesson: Lesson, newest: str, tmp_path: Path) -> None:
    folder = tmp_path / "auto"
    shutil.copytree(CASES / "fastapi-pip" / "project", folder)
    (folder / ".env").write_text("TOKEN=x\n")
    (folder / ".python-version").write_text(newest + "\n")
    before = sorted(path.name for path in folder.iterdir())
    lesson.must("build", "-q", "--auto", "-t", "init-auto", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == before
    listed = lesson.must("run", "--rm", "--network", "none", "init-auto", "ls", "-a", "/app").split()
    assert "main.py" in listed
    assert ".env" not in listed


def test_without_a_dockerfile_the_error_names_both_ways(lesson: Lesson, tmp_path: Path) -> None:
    done = lesson.wherry("build", str(tmp_path))
    assert done.returncode == 1
    assert "`wherry init` writes one" in done.stderr
    assert "--auto" in done.stderr


def test_what_is_there_stays_without_force(lesson: Lesson, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(CASES / "fastapi-pip" / "project", folder)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    done = lesson.wherry("init", "--pin=false", str(folder))
    assert done.returncode == 1
    assert "nothing was written: Dockerfile is there already" in done.stderr
    assert not (folder / "compose.yaml").exists()
    assert "-FROM scratch" in lesson.must("init", "--pin=false", "--diff", str(folder))
    lesson.must("init", "--pin=false", "--force", str(folder))
    assert "uvicorn" in (folder / "Dockerfile").read_text()
    found = json.loads(lesson.must("init", "--pin=false", "--format", "json", "--print", str(folder)))
    assert found["app"] == "main:app"
    assert found["written"] == []
