"""A project's own commands. No docker in them: the second column is what each stands beside, as its title says."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from bench.engines import PROJECT, Engine
from bench.rows import Pair, Row, Setup, alternate, lesson

FILES = 2000
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# What `verify` gives its container (docs/verify.md)
_AS_VERIFY = (
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--cpus",
    "1",
    "--memory",
    "2g",
    "--user",
    "12345:0",
    "--cap-drop",
    "ALL",
)


def init(setup: Setup) -> Pair:
    """`wherry init --print` on a project of 2,000 Python files, beside Python that parses them all."""
    folder = setup.folder / "project"
    _fill(folder)
    count = (
        "import ast, pathlib, sys; "
        "print(sum(len(ast.parse(one.read_bytes()).body) for one in pathlib.Path(sys.argv[1]).rglob('*.py')))"
    )

    def one(engine: Engine, _: int) -> float:
        if engine.name == "wherry":
            return engine.run("init", "--print", "--pin=false", str(folder))
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", count, str(folder)], check=True, capture_output=True)
        return time.monotonic() - began

    return alternate(setup, 9, one)._replace(unit="s within")


def _fill(folder: Path) -> None:
    """The lesson's API, and packages beside it as a project that has grown has them."""
    shutil.copytree(PROJECT / "examples" / "iris", folder)
    (folder / "Dockerfile").unlink()
    source = (PROJECT / "src" / "wherry" / "durations.py").read_text()
    for number in range(FILES - len(list(folder.rglob("*.py")))):
        place = folder / f"package{number // 50}" / f"module{number}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(source)


def verify(setup: Setup) -> Pair:
    """All of `wherry verify`, over what the application itself needs: from `run` to its first answer, and to stop."""
    wherry = setup.wherry
    folder = lesson(setup, wherry, "lesson")
    wherry.build(folder)

    def one(engine: Engine, number: int) -> float:
        if engine.name == "wherry":
            return wherry.run("verify", "--no-attach", "-c", str(folder / "contract.yaml"), "bench")
        return _start(setup, f"start{number}")

    found = alternate(setup, 7, one)
    _, start = found.medians
    return Pair([max(0.0, took - start) for took in found.wherry], found.docker, "s over")


def _start(setup: Setup, name: str) -> float:
    """Seconds to the first answer, and to stop once it was asked to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    setup.wherry.run("run", "-d", "--name", name, "-p", f"127.0.0.1:{port}:8000", *_AS_VERIFY, "bench")
    try:
        _answers(f"http://127.0.0.1:{port}/healthz")
        setup.wherry.run("stop", name)
        return time.monotonic() - began
    finally:
        setup.wherry.run("rm", "-f", name)


def _answers(url: str) -> None:
    while True:
        try:
            with _DIRECT.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.01)


ROWS = (
    Row("init", "init of a project of 2,000 files (and Python that parses them)", init, 0.50),
    Row("verify", "verify, over the application's own start and stop (and those)", verify, 1.00),
)
