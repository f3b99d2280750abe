"""`wherry build` on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")
CODE = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    assert lab.leftovers() == {}
    lab.close()


class Terminal:
    """A build on a pseudo-terminal of 100 columns."""

    def __init__(self, lab: Lab, text: str) -> None:
        context = lab.context("tty", {"Dockerfile": text})
        self.master, slave = pty.openpty()
        self.resize(100)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.build = subprocess.Popen(
            [sys.executable, "-c", CODE, "--root", str(lab.root), "build", str(context)],
            stdin=slave, stdout=slave, stderr=slave, cwd=lab.folder, env={**lab.env, "TERM": "xterm"},
        )  # fmt: skip
        self.seen = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))

    def until(self, pattern: str, timeout_s: float = 60) -> str:
        """Read until the pattern was seen; what was read since the last call."""
        start, deadline = len(self.seen), time.monotonic() + timeout_s
        while not re.search(pattern, self.seen[start:]):
            assert time.monotonic() < deadline, self.seen[start:]
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen[start:]

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


def test_a_terminal_shows_each_step_with_its_last_lines_and_follows_the_window(lab: Lab) -> None:
    terminal = Terminal(lab, "FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; sleep 1\n")
    try:
        shown = terminal.until(r"=> => # line 9")
        assert "[+] Building" in shown
        assert "=> CACHED [1/2] FROM busybox" in shown
        terminal.resize(40)
        terminal.until(r"\x1b\[J")
        narrow = terminal.until(r"exporting to image").rpartition("\x1b[J")[2]
        assert max(map(len, narrow.split("\r\n"))) <= 40
        assert terminal.build.wait(60) == 0
    finally:
        terminal.close()


def test_ctrl_c_gives_the_terminal_back_as_it_was(lab: Lab) -> None:
    terminal = Terminal(lab, "FROM busybox\nRUN echo begun; sleep 31338\n")
    try:
        terminal.until(r"=> => # begun")
        terminal.build.send_signal(signal.SIGINT)
        assert terminal.build.wait(60) == 130
        assert termios.tcgetattr(terminal.slave) == terminal.before
        assert "Traceback" not in terminal.seen
        assert "\x1b[?25l" not in terminal.seen
    finally:
        terminal.close()
