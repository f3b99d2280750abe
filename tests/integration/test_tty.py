"""Containers on a real pseudo-terminal."""

from __future__ import annotations

import os
import termios
import time

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


def test_it_has_a_terminal_of_the_right_size_that_follows_ours(wherry: Wherry) -> None:
    terminal = wherry.terminal("run", "--rm", "-it", *ALONE, "busybox", "sh")
    terminal.read_until("#")
    terminal.type("stty size\n")
    terminal.read_until("24 80")
    terminal.resize(33, 111)
    terminal.type("sleep 0.3; stty size; tty\n")
    terminal.read_until("33 111")
    terminal.read_until("/dev/pts/0")
    terminal.type("exit 4\n")
    assert terminal.wait() == 4


def test_control_c_is_a_byte_for_the_container(wherry: Wherry) -> None:
    terminal = wherry.terminal(
        "run", "--rm", "-it", *ALONE, "busybox", "sh", "-c", "trap 'echo caught' INT; sleep 60; echo after"
    )
    eventually(lambda: wherry("ps", "-q").stdout, "it runs")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.read_until("caught")
    terminal.read_until("after")
    assert terminal.wait() == 0


def test_the_terminal_is_given_back_as_it_was(wherry: Wherry) -> None:
    import pty
    import subprocess

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        wherry.argv("run", "--rm", "-it", *ALONE, "busybox", "true"), stdin=slave, stdout=slave, stderr=slave
    )
    assert process.wait(20) == 0
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


def test_detach_keys_leave_it_running_and_attach_comes_back(wherry: Wherry) -> None:
    terminal = wherry.terminal("run", "-it", "--name", "shell", *ALONE, "busybox", "sh")
    terminal.read_until("#")
    terminal.type("\x10\x11")
    assert terminal.wait() == 0
    assert wherry.status("shell") == "running"
    again = wherry.terminal("attach", "shell")
    again.type("echo back\n")
    again.read_until("back")
    again.type("exit 8\n")
    assert again.wait() == 8


def test_other_detach_keys(wherry: Wherry) -> None:
    terminal = wherry.terminal("run", "-it", "--detach-keys", "ctrl-x,q", "--name", "shell", *ALONE, "busybox", "sh")
    terminal.read_until("#")
    terminal.type("echo \x18not\n")
    terminal.read_until("not")
    terminal.type("\x18q")
    assert terminal.wait() == 0
    assert wherry.status("shell") == "running"


def test_d_with_a_terminal_runs_on_and_its_output_is_logged(wherry: Wherry) -> None:
    wherry("run", "-d", "-t", "--name", "logged", *ALONE, "busybox", "sh", "-c", "tty; echo err >&2")
    wherry("wait", "logged")
    assert wherry("logs", "logged").stdout == "/dev/pts/0\r\nerr\r\n"


def test_t_without_i_works_without_a_terminal_of_ours(wherry: Wherry) -> None:
    assert wherry("run", "--rm", "-t", *ALONE, "busybox", "tty").stdout == "/dev/pts/0\r\n"


def test_exec_gives_a_terminal_too(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "host", *ALONE, "busybox", "sleep", "100")
    terminal = wherry.terminal("exec", "-it", "host", "sh")
    terminal.read_until("#")
    terminal.type("stty size; tty\n")
    terminal.read_until("24 80")
    terminal.read_until("/dev/pts/")
    terminal.resize(20, 50)
    terminal.type("sleep 0.3; stty size; exit 3\n")
    terminal.read_until("20 50")
    assert terminal.wait() == 3
