"""verify and record against real containers: busybox's httpd with a script that predicts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.container_lab import _ENV, Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")

PREDICT = """#!/bin/sh
printf 'Content-Type: application/json\\r\\n\\r\\n{"species": "setosa", "score": %s}' SCORE
"""
CONTRACT = """version: 1
app: {ready: /index.html, grace: 2s}
requests:
- name: setosa
  path: /cgi-bin/predict
  json: {a: 1}
  latency: {repeat: 3, warm-up: 1}
  expect:
    json: {species: setosa, score: 0.97}
"""
SERVER = "trap 'kill $!; exit 0' TERM; echo ready; httpd -f -p {address}${{PORT:-8000}} -h /www & wait"


@pytest.fixture
def build(wherry: Wherry, tmp_path: Path) -> Callable[..., str]:
    """An image whose predictions have this score, started by this line of shell."""

    def make(name: str = "api", score: str = "0.97", line: str = SERVER.format(address="0.0.0.0:")) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "predict").write_text(PREDICT.replace("SCORE", score))
        (folder / "contract.yaml").write_text(CONTRACT)
        (folder / "Dockerfile").write_text(
            "FROM busybox\nCOPY --chmod=755 predict /www/cgi-bin/predict\nCOPY --chmod=644 Dockerfile /www/index.html\n"
            f"EXPOSE 8000\nUSER 1000\nCMD {json.dumps(['sh', '-c', line])}\n"
        )
        wherry("build", "-t", name, str(folder))
        return name

    return make


def contract(tmp_path: Path, text: str = CONTRACT) -> str:
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    return str(path)


def containers(wherry: Wherry) -> str:
    return wherry("ps", "-aq").stdout


def test_an_image_that_keeps_its_contract(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    name, junit = build(), tmp_path / "v.xml"
    done = wherry("verify", "-c", contract(tmp_path), "--junit", str(junit), "--format", "json", name)
    found = json.loads(done.stdout)
    assert found["passed"] is True
    assert [one["status"] for one in found["requests"]] == [200]
    assert {one["name"]: one["state"] for one in found["checks"]} == dict.fromkeys(
        ("alive", "port", "user", "logs", "read-only", "stop"), "passed"
    )
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "0"
    attached = wherry("image", "inspect", name, "--format", "{{json .}}").stdout
    assert attached
    with wherry.engine() as engine:
        from wherry.engine.attach import attachments

        kinds = [one.artifact_type for one in attachments(engine, engine.images.resolve(name))]
    assert kinds == ["application/vnd.wherry.verification.v1+json"]
    assert not containers(wherry)


def test_an_answer_that_drifted_breaks_it(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    done = wherry("verify", "--no-attach", "-c", contract(tmp_path), build(score="0.91"), code=1)
    assert "BROKEN" in done.stdout
    assert "$.score: expected 0.97 within 1e-06 or 0.0001 of it, got 0.91" in done.stdout


def test_two_images_are_compared(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    path = contract(tmp_path, CONTRACT.replace("0.97}", "0.97}\n    tolerance: {abs: 0.1}"))
    build("old"), build("new", "0.95"), build("far", "0.7")
    done = wherry("verify", "-c", path, "old", "new")
    assert "Compared with old:" in done.stdout
    assert "0.02" in done.stdout
    assert "DIFFERS" in wherry("verify", "-c", path, "old", "far", code=1).stdout


def test_a_deployment_and_an_image(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    build("here"), build("there", "0.5")
    path = contract(tmp_path)
    wherry("run", "-d", "-p", "127.0.0.1:18471:8000", "--name", "deployed", "here")
    url = "http://127.0.0.1:18471"
    assert "all as expected" in wherry("verify", "-c", path, url, "--against", "here").stdout
    assert "DIFFERS" in wherry("verify", "-c", path, url, "--against", "there", code=1).stdout
    wherry("rm", "-f", "deployed")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("echo model missing; exit 3", "it ended with code 3 before it was ready; its last lines:\nmodel missing"),
        (SERVER.format(address="127.0.0.1:"), "listens on 127.0.0.1 only"),
        ("trap 'exit 0' TERM; sleep 60 & wait", "it is not ready after 1 s: it listens on no TCP port"),
        (f"touch /data.db || exit 1; {SERVER.format(address='0.0.0.0:')}", "touch: /data.db: Read-only file system"),
    ],
)
def test_one_that_never_gets_ready_says_why(
    wherry: Wherry, build: Callable[..., str], tmp_path: Path, line: str, said: str
) -> None:
    done = wherry("verify", "-c", contract(tmp_path), "--timeout", "1s", build(line=line), code=1)
    assert said in done.stderr
    assert not containers(wherry)


def test_a_root_that_is_needed_is_named(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    line = f"echo x > /www/data.db || exit 1; {SERVER.format(address='0.0.0.0:')}"
    name = build(line=line)
    done = wherry("verify", "-c", contract(tmp_path), "--timeout", "2s", "--user", "0", name, code=1)
    assert "with a writable root it gets ready: it writes /www/data.db" in done.stderr


def test_signals_are_heeded_and_a_crash_is_told(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    stuck = build("stuck", line="trap '' TERM; httpd -f -p 0.0.0.0:$PORT -h /www & wait; sleep 60")
    done = wherry("verify", "-c", contract(tmp_path), stuck, code=1)
    assert "SIGTERM did not end it within 2 s" in done.stdout
    dies = build("dies", line="httpd -f -p 0.0.0.0:$PORT -h /www & sleep 0.5; echo out of luck; exit 4")
    slow = CONTRACT.replace("repeat: 3", "repeat: 5000")
    done = wherry("verify", "-c", contract(tmp_path, slow), dies, code=1)
    assert "it ended with code 4 while it was asked" in done.stdout
    assert "out of luck" in done.stdout


def test_an_interrupt_leaves_nothing(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    name = build(line="trap 'exit 0' TERM; sleep 60 & wait")
    process = subprocess.Popen(wherry.argv("verify", "-c", contract(tmp_path), name), env=_ENV, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not containers(wherry) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr
    process.stderr.close()
    assert not containers(wherry)


def test_what_is_recorded_is_kept(wherry: Wherry, build: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "recorded.yaml"
    ask = 'wget -qO- --header="Authorization: Bearer s3cret" --post-data=x=1 "$WHERRY_URL/cgi-bin/predict"'
    script = f"{ask}; {ask}; wget -qO- $WHERRY_URL/index.html"
    argv = ("record", "--listen", "127.0.0.1:0", "-o", str(path), build())
    done = wherry(*argv, "--", "busybox", "sh", "-c", script)
    assert "2 requests of 3 seen" in done.stdout
    assert "s3cret" not in path.read_text()
    assert "authorization was sent, and is not written" in done.stderr
    wherry("verify", "--no-attach", "-c", str(path), "api")
    assert "is there already" in wherry(*argv, "--", "true", code=1).stderr
    assert not containers(wherry)
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_the_validator_comes_without_the_grammars_of_formats() -> None:
    """They would be compiled at each start where rfc3987_syntax is installed, as it is for these tests."""
    pytest.importorskip("rfc3987_syntax", reason="nothing to leave out")
    code = (
        "import sys; from wherry.contract.openapi import require_validator as v; v(); "
        "assert 'jsonschema' in sys.modules and 'lark' not in sys.modules"
    )
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source})
