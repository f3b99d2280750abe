"""The tutorial's commands, typed one after the other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs_text import beside, files, runnable
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


def programs(folder: Path) -> Path:
    """A folder for PATH that has `wherry` in it."""
    folder.mkdir()
    main = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    (folder / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{main}' \"$@\"\n")
    (folder / "wherry").chmod(0o755)
    return folder


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
    env = {**lesson.env, "PATH": f"{programs(tmp_path / 'bin')}:{lesson.env['PATH']}",
           "no_proxy": "localhost", "NO_PROXY": "localhost"}  # fmt: skip
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


class Page:
    """A page whose commands are typed into one shell, one after the other."""

    def __init__(self, lesson: Lesson, folder: Path, name: str) -> None:
        self.lesson, self.folder, self.path = lesson, folder, PROJECT / "docs" / name
        # 8001 is the tutorials' second copy
        self.ports = {"8000": free_port(), "8001": free_port()}

    def here(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(f"localhost:{port}", f"localhost:{free}").replace(f"PORT={port}", f"PORT={free}")
        return text.replace("python:3.10", self.lesson.base)

    def type_all(self, **env: str) -> str:
        for name, text in files(self.path).items():
            (self.folder / name).write_text(self.here(text))
        path = f"{programs(self.folder / 'bin')}:{self.lesson.env['PATH']}"
        quiet = {"no_proxy": "localhost", "NO_PROXY": "localhost"}
        done = subprocess.run(
            ["bash", "-euxc", "\n".join(map(self.here, runnable(self.path)))], cwd=self.folder,
            env=self.lesson.env | quiet | {"PATH": path} | env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=900,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert self.lesson.must("ps", "-aq", "--filter", "label=com.docker.compose.project") == ""
        assert is_alone(self.lesson.root)
        return done.stdout


def test_the_tutorial_of_several_services_works_from_its_first_command_to_its_last(
    lesson: Lesson, postgres: str, tmp_path: Path
) -> None:
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    page = Page(lesson, tmp_path, "tutorial-compose.md")
    for dockerfile in tmp_path.rglob("Dockerfile"):
        dockerfile.write_text(page.here(dockerfile.read_text()))
    port = str(page.ports["8000"])
    said = page.type_all(API_PORT=port, SERVE_PORT=port)
    assert '"species":"setosa"' in said
    assert "migrated: 0001_predictions.sql" in said
    assert "stopped by the gate, exit code 1" in said
    assert "its accuracy 0.622 is below 0.900" in said
    assert '"species":"virginica"' in said
    assert "learned from petal_length, petal_width" in said
    assert "\n1.4.0\n" in said


def test_the_page_on_compose_works_from_its_first_command_to_its_last(lesson: Lesson, tmp_path: Path) -> None:
    page = Page(lesson, tmp_path, "compose.md")
    said = page.type_all(GREETER_PORT=str(page.ports["8000"]))
    assert said.count("\nhello\n") == 2
    assert re.search(r"\n2  stop container greeter-web-1: .*\(after 1\)\n", said)
    assert 'published: "80"' in said
    assert "a service of a profile, by its name" in said


class Watched(Page):
    """Its loops end when the watch beside them does."""

    def here(self, text: str) -> str:
        return super().here(text).replace("do sleep", "do jobs -r | grep -q .; sleep")


def test_the_page_on_watching_works_from_its_first_command_to_its_last(lesson: Lesson, tmp_path: Path) -> None:
    page = Watched(lesson, tmp_path, "compose-watch.md")
    said = page.type_all(API_PORT=str(page.ports["8000"]))
    assert 'Syncing service "api" after 1 changes were detected' in said
    assert 'service "api" successfully built' in said
    assert "1.0 million" in said
