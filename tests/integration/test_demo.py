"""make demo, as a newcomer meets it: first, again, with the port taken, interrupted, with Debian's Python only."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.lesson import PROJECT, Lesson, is_alone

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")
DEMO = [sys.executable, "tools/demo.py"]


def demo(env: dict[str, str]) -> str:
    done = subprocess.run(
        DEMO, cwd=PROJECT, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def port_of(text: str) -> int:
    found = re.search(r"POST http://localhost:(\d+)/predict", text)
    assert found, text
    return int(found[1])


def prediction(port: int) -> str:
    flower = {"sepal_length": 6.9, "sepal_width": 3.1, "petal_length": 5.4, "petal_width": 2.1}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", json.dumps(flower).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        species: str = json.load(answer)["species"]
        return species


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_demo_predicts_and_again_at_once_and_beside_a_taken_port(lesson: Lesson, busy_port: int) -> None:
    env = {**lesson.env, "DEMO_PORT": str(busy_port)}
    try:
        first = demo(env)
        assert f"Port {busy_port} is taken" in first
        assert '"species": "setosa"' in first
        assert all(step in first for step in ("base image", "build", "start", "prediction", "Three things to try"))
        assert "COPY . /app: miss: main.py changed" in first
        assert "RUN pip install -r requirements.txt: hit (read 1 file of yours: requirements.txt)" in first
        # None when another test has built the same before
        assert first.count("Collecting fastapi") <= 1, "pip ran again although only main.py had changed"
        assert prediction(port_of(first)) == "virginica"
        again = demo(env)
        assert "Collecting" not in again, "pip ran again although nothing had changed"
        assert "CACHED" in again
        assert prediction(port_of(again)) == "virginica"
        assert lesson.must("ps", "-q").count("\n") == 1, "the demo before must have been replaced"
    finally:
        lesson.must("rm", "-f", "wherry-demo")
    assert is_alone(lesson.root)


def test_ctrl_c_in_the_middle_of_the_build_leaves_nothing_running(lesson: Lesson) -> None:
    env = {**lesson.env, "PYTHONUNBUFFERED": "1"}
    lesson.must("builder", "prune", "-af")
    with subprocess.Popen(
        DEMO, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "Collecting" in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        rest = process.stdout.read()
        assert process.wait(60) == 130, rest
    assert "cleaning up" in rest
    assert lesson.must("ps", "-aq") == ""
    assert is_alone(lesson.root)
    assert list((lesson.root / "tmp").iterdir()) == []


def test_with_debians_python_alone_the_demo_takes_that_and_says_so(tmp_path: Path) -> None:
    trust = {name: value for name, value in os.environ.items() if name == "SSL_CERT_FILE" or "proxy" in name.lower()}
    env = {**trust, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "WHERRY_ROOT": str(tmp_path / "r"),
           "DEMO_PORT": "18300"}  # fmt: skip
    plain = Lesson(tmp_path, env)
    plain.env["WHERRY_ROOT"] = env["WHERRY_ROOT"]
    if "python:3.10 " in plain.must("bootstrap", "--list"):
        pytest.skip("this machine has a Python 3.10 in /usr/local or /opt")
    try:
        said = demo(plain.env)
        assert "This machine has no Python for python:3.10: the demo uses python:3." in said
        assert '"species": "setosa"' in said
    finally:
        plain.must("rm", "-f", "wherry-demo")
    assert "FROM python:3.10\n" in (PROJECT / "examples" / "iris" / "Dockerfile").read_text()
