"""The tutorial's commands, typed one after the other."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs_text import beside, runnable
from tests.integration.lesson import PROJECT, Lesson, is_alone

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.05)
        else:
            return


def end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does."""
    os.kill(process.pid, signal.SIGINT)
    process.wait(30)


def test_the_tutorial_works_from_its_first_command_to_its_last(lesson: Lesson, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    port, registry = free_port(), free_port()

    def here(text: str) -> str:
        """As on this machine: the Python that it has, and a port that is free."""
        text = text.replace("python:3.10", lesson.base)
        text = text.replace("localhost:5000", f"localhost:{registry}")
        return text.replace("8000:8000", f"{port}:8000").replace("localhost:8000", f"localhost:{port}")

    dockerfile = tmp_path / "examples" / "iris" / "Dockerfile"
    dockerfile.write_text(here(dockerfile.read_text()))
    programs = tmp_path / "bin"
    programs.mkdir()
    main = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    (programs / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{main}' \"$@\"\n")
    (programs / "wherry").chmod(0o755)
    env = {**lesson.env, "PATH": f"{programs}:{lesson.env['PATH']}", "no_proxy": "localhost", "NO_PROXY": "localhost"}
    page, said = PROJECT / "docs" / "tutorial.md", []
    others = beside(page)
    with ExitStack() as stack:
        for block in runnable(page):
            if block in others:
                stack.callback(end, subprocess.Popen(["bash", "-euc", f"exec {here(block)}"], cwd=tmp_path, env=env,
                                                     stdin=subprocess.DEVNULL))  # fmt: skip
                listens(registry)
                continue
            done = subprocess.run(
                ["bash", "-euc", here(block)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
                stdin=subprocess.DEVNULL, timeout=600,
            )  # fmt: skip
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
            said.append(done.stdout + done.stderr)
    everything = "".join(said)
    assert "hello from inside" in everything
    assert '"species":"setosa"' in everything
    assert '"species":"virginica"' in everything
    assert "Downloaded newer image for localhost:" in everything
    assert "CACHED" in everything
    assert lesson.must("ps", "-aq") == ""
    assert is_alone(lesson.root)
