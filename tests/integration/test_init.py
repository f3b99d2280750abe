"""`wherry init`, and what it wrote: built, run by any uid on a read-only root, and asked for a prediction."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from tests.integration.lesson import PROJECT, Lesson

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")
CASES = PROJECT / "tests" / "cases" / "init"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answer(lesson: Lesson, name: str, path: str) -> dict[str, float]:
    """What GET gives, once somebody listens."""
    port = lesson.must("port", name).rpartition(":")[2].strip()
    deadline = time.monotonic() + 30
    while True:
        try:
            with _OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=5) as found:
                document: dict[str, float] = json.load(found)
                return document
        except OSError:
            assert time.monotonic() < deadline, lesson.wherry("logs", name)
            time.sleep(0.1)


def newest(lesson: Lesson) -> str:
    """A Python that what the locks name runs on (the lesson's own is older), with the image that init names for it."""
    offers = lesson.must("bootstrap", "--list")
    found = next(version for version in ("3.13", "3.12") if f"python:{version} " in offers)
    lesson.must("bootstrap", f"python:{found}-slim-trixie")
    return found


def write(lesson: Lesson, case: str, tmp_path: Path) -> Path:
    """The case's project with its files."""
    folder = tmp_path / case
    shutil.copytree(CASES / case / "project", folder)
    lesson.must("init", "--pin=false", "--python", newest(lesson), str(folder))
    return folder


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_project_is_written_built_run_and_asked(lesson: Lesson, case: str, tmp_path: Path) -> None:
    folder = write(lesson, case, tmp_path)
    name = f"init-{case}"
    lesson.must("build", "-q", "-t", name, str(folder))
    # A uid that no file of the image knows, a root that nobody can write to
    lesson.must("run", "-d", "--name", name, "--user", "12345:0", "--read-only", "--tmpfs", "/tmp",
                "-p", "127.0.0.1::8000", name)  # fmt: skip
    try:
        assert answer(lesson, name, "/predict?x=3")["y"] == 7.0
        assert lesson.must("inspect", "--format", "{{.Config.User}}", name).strip() == "12345:0"
        started = time.monotonic()
        lesson.must("stop", "-t", "20", name)
        assert time.monotonic() - started < 15, "SIGTERM did not reach the application"
    finally:
        lesson.wherry("rm", "-f", name)


def test_build_auto_builds_the_same_and_writes_nothing(lesson: Lesson, tmp_path: Path) -> None:
    folder = tmp_path / "auto"
    shutil.copytree(CASES / "fastapi-pip" / "project", folder)
    (folder / ".env").write_text("TOKEN=x\n")
    (folder / ".python-version").write_text(newest(lesson) + "\n")
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
