"""`wherry pull` and `push` on a real terminal, with a registry in this process."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.integration.container_lab import busybox_tar
from tests.registries.fake import FakeRegistry
from tests.registries.programs import Wherry
from tests.registries.samples import Sample, make
from tests.screen import Screen

pytestmark = pytest.mark.requires("root", "busybox")
COLUMNS = 70


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make("oci", busybox_tar())


@pytest.fixture
def registry(sample: Sample) -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        sample.seed(fake, "shop/api", "1")
        yield fake


@pytest.fixture
def wherry(tmp_path: Path) -> Iterator[Wherry]:
    with Wherry(tmp_path / "wherry") as program:
        yield program


class Terminal:
    """One command on a pseudo-terminal; `screen` is what its user sees."""

    def __init__(self, wherry: Wherry, *argv: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.screen, self.seen = Screen(COLUMNS), ""
        self.child = subprocess.Popen(
            [*wherry.command(), *argv], env={**wherry.env, "TERM": "xterm"}, cwd=wherry.folder,
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
        )  # fmt: skip

    def end(self, timeout_s: float = 60) -> int:
        """Its exit code, once all that it wrote stands on the screen."""
        deadline = time.monotonic() + timeout_s
        while self.child.poll() is None:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self._feed(os.read(self.master, 65536))
        self.after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        self.slave = -1
        # With no writer left the end of it is told by an error, behind the last byte
        with suppress(OSError):
            while data := os.read(self.master, 65536):
                self._feed(data)
        return self.child.wait()

    def _feed(self, data: bytes) -> None:
        text = data.decode()
        self.seen += text
        self.screen.feed(text)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.master)
        if self.slave >= 0:
            os.close(self.slave)


def layers(sample: Sample) -> list[str]:
    """The first 12 digits of the layers' digests, base first."""
    manifest = json.loads(sample.manifests[sample.digest][0])
    return [layer["digest"].removeprefix("sha256:")[:12] for layer in manifest["layers"]]


def test_a_pull_ends_with_a_line_for_each_layer(wherry: Wherry, registry: FakeRegistry, sample: Sample) -> None:
    with Terminal(wherry, "pull", f"{registry.host}/shop/api:1") as terminal:
        assert terminal.end() == 0, terminal.seen
        assert terminal.screen.text == [
            "1: Pulling from shop/api",
            *(f"{layer}: Pull complete" for layer in layers(sample)),
            *wrapped(f"Digest: {sample.digest}"),
            f"Status: Downloaded newer image for {registry.host}/shop/api:1",
            f"{registry.host}/shop/api:1",
        ]
        assert terminal.after == terminal.before


def wrapped(line: str) -> list[str]:
    return [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)]


def test_a_push_ends_with_its_digest_below_the_layers(wherry: Wherry, registry: FakeRegistry) -> None:
    wherry.run("pull", "-q", f"{registry.host}/shop/api:1")
    wherry.run("tag", f"{registry.host}/shop/api:1", f"{registry.host}/shop/copy:2")
    with Terminal(wherry, "push", f"{registry.host}/shop/copy:2") as terminal:
        assert terminal.end() == 0, terminal.seen
        text = terminal.screen.text
        assert text[0] == f"The push refers to repository [{registry.host}/shop/copy]"
        assert re.fullmatch(r"[0-9a-f]{12}: (Pushed|Layer already exists|Mounted from shop/api)", text[1])
        assert text[-2].startswith("2: digest: sha256:")


def test_a_pipe_gets_dockers_lines(wherry: Wherry, registry: FakeRegistry, sample: Sample) -> None:
    lines = wherry.run("pull", f"{registry.host}/shop/api:1").splitlines()
    assert lines[0] == "1: Pulling from shop/api"
    assert f"Digest: {sample.digest}" in lines
    for layer in layers(sample):
        assert f"{layer}: Pulling fs layer" in lines
        assert f"{layer}: Pull complete" in lines
    assert "\x1b" not in "".join(lines)
    assert wherry.run("pull", "-q", f"{registry.host}/shop/api:1") == f"{registry.host}/shop/api:1\n"


def test_ctrl_c_leaves_the_terminal_as_it_was(wherry: Wherry) -> None:
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent.settimeout(60)
        name = f"localhost:{silent.getsockname()[1]}/shop/api:1"
        terminal = stack.enter_context(Terminal(wherry, "pull", name))
        stack.enter_context(silent.accept()[0])
        terminal.child.send_signal(signal.SIGINT)
        assert terminal.end() == 130, terminal.seen
        assert terminal.after == terminal.before
        assert "Traceback" not in terminal.seen
