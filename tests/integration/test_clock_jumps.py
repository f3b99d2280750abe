"""The clock is set a day forward or back while containers run: what is timed goes on, what is listed makes sense.

The machine's own clock is left alone: `wherry`, its monitors and its cleaners run in a Python whose `time` is moved by
what stands in a file, which the test changes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, add_busybox, eventually, traces

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")
NAME = ("--format", "{{.Actor.Attributes.name}}")
DAY_S = 86_400
CLOCKED = """
import sys, time
true_ns, true_s = time.time_ns, time.time
def moved_s():
    with open({moved!r}) as file:
        return int(file.read())
time.time_ns = lambda: true_ns() + moved_s() * 10**9
time.time = lambda: true_s() + moved_s()
sys.executable = {python!r}
words = [word for word in sys.argv[1:] if word not in ("-I", "-S")]
sys.argv = ["-c", *words[2:]]
exec(compile(words[1], "<string>", "exec"), {{"__name__": "__main__"}})
"""


class Clocked(Wherry):
    """A wherry whose clock `move` moves, for all its processes at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "root")
        self._moved, self._python = folder / "moved", str(folder / "python")
        text = CLOCKED.format(moved=str(self._moved), python=self._python)
        (folder / "clocked.py").write_text(text)
        shell = f'#!/bin/sh\nexec {sys.executable} -I -S {folder}/clocked.py "$@"\n'
        Path(self._python).write_text(shell)
        Path(self._python).chmod(0o755)
        self.move(0)

    def argv(self, *args: str) -> list[str]:
        return [self._python, *super().argv(*args)[1:]]

    def move(self, seconds: int) -> None:
        fresh = self._moved.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._moved)


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    made = Clocked(tmp_path)
    add_busybox(made)
    yield made
    made.remove_all()
    eventually(lambda: not traces(made.paths), f"traces go: {traces(made.paths)}", 10)
    subprocess.run(["rm", "-rf", made.paths.run], check=True)


def inspected(clocked: Clocked, name: str) -> dict[str, Any]:
    (doc,) = json.loads(clocked("inspect", name).stdout)
    assert isinstance(doc, dict)
    return doc


both_ways = pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["forward", "back"])


@both_ways
def test_probes_and_logs_go_on_over_a_jump(clocked: Clocked, jump_s: int) -> None:
    clocked("run", "-d", *ALONE, "--name", "box", "--health-cmd", "true", "--health-interval", "200ms", "busybox",
            "sh", "-c", "trap 'echo after' USR1; echo before; while :; do sleep 0.1; done")  # fmt: skip
    eventually(lambda: inspected(clocked, "box")["State"]["Health"]["Status"] == "healthy", "it is healthy")
    follower = clocked.spawn("logs", "-f", "box")
    assert follower.stdout
    assert follower.stdout.readline() == b"before\n"
    year = inspected(clocked, "box")["State"]["StartedAt"][:4]
    clocked.move(jump_s)
    today = clocked("info", "--format", "{{.SystemTime}}").stdout[:10]
    eventually(
        lambda: inspected(clocked, "box")["State"]["Health"]["Log"][-1]["Start"][:10] == today, "it is asked again"
    )
    assert inspected(clocked, "box")["State"]["Health"]["Status"] == "healthy"
    clocked("kill", "-s", "USR1", "box")
    assert follower.stdout.readline() == b"after\n"
    eventually(lambda: "after" in clocked("logs", "--since", "1h", "box").stdout, "what came now is in the last hour")
    assert clocked("logs", "--tail", "1", "box").stdout == "after\n"
    assert clocked("logs", "box").stdout == "before\nafter\n"
    status = clocked("ps", "--format", "{{.Status}}").stdout
    assert status.startswith("Up 24 hours" if jump_s > 0 else "Up Less than a second"), status
    assert "-" not in clocked("ps", "--format", "{{.RunningFor}}").stdout
    assert year in inspected(clocked, "box")["State"]["StartedAt"]
    clocked("stop", "-t", "1", "box")
    follower.communicate(timeout=20)
    assert follower.returncode == 0
    assert "Exited (137) " in clocked("ps", "-a").stdout


@both_ways
def test_a_restart_is_not_put_off_by_a_jump(clocked: Clocked, jump_s: int) -> None:
    clocked("run", "-d", *ALONE, "--name", "again", "--restart", "always", "busybox", "sh", "-c", "exit 3")
    eventually(lambda: inspected(clocked, "again")["RestartCount"] >= 2, "it restarts")
    clocked.move(jump_s)
    count = inspected(clocked, "again")["RestartCount"]
    eventually(lambda: inspected(clocked, "again")["RestartCount"] >= count + 2, "it restarts still", 30)
    clocked("stop", "again")
    assert clocked.status("again") == "exited"


@both_ways
def test_events_are_told_over_a_jump(clocked: Clocked, jump_s: int) -> None:
    clocked("create", *ALONE, "--name", "before", "busybox")
    stream = clocked.spawn("events", "--since", "1h", "--filter", "event=create", *NAME)
    assert stream.stdout
    assert stream.stdout.readline() == b"before\n"
    clocked.move(jump_s)
    clocked("create", *ALONE, "--name", "after", "busybox")
    assert stream.stdout.readline() == b"after\n"
    stream.send_signal(signal.SIGINT)
    stream.communicate(timeout=20)
    ask = ("events", "--until", "0s", "--filter", "event=create", *NAME)
    assert "after" in clocked(*ask, "--since", "1h").stdout.split()
    clocked.move(max(0, jump_s))
    assert sorted(clocked(*ask, "--since", "100h").stdout.split()) == ["after", "before"]


@both_ways
def test_a_monitor_that_died_is_replaced_after_a_jump(clocked: Clocked, jump_s: int) -> None:
    clocked("run", "-d", *ALONE, "--name", "box", "--restart", "on-failure:5", "busybox", "sh", "-c", "sleep 1000")
    started = inspected(clocked, "box")["State"]["StartedAt"]
    old = clocked.monitor_pid("box")
    os.kill(old, signal.SIGKILL)
    clocked.move(jump_s)
    eventually(lambda: "Up " in clocked("ps").stdout and clocked.monitor_pid("box") != old, "it has another monitor")
    assert inspected(clocked, "box")["State"]["StartedAt"] == started
    assert clocked("exec", "box", "echo", "in").stdout == "in\n"
    os.kill(clocked.pid("box"), signal.SIGKILL)
    eventually(lambda: inspected(clocked, "box")["RestartCount"] == 1, "its policy holds")


@both_ways
def test_prune_by_age_takes_a_clock_by_its_word_and_no_more(clocked: Clocked, jump_s: int) -> None:
    clocked("run", *ALONE, "--name", "done", "busybox", "true")
    clocked.move(jump_s)
    clocked("run", *ALONE, "--name", "new", "busybox", "true")
    clocked("container", "prune", "-f", "--filter", "until=12h")
    left = set(clocked("ps", "-a", "--format", "{{.Names}}").stdout.split())
    assert left == ({"new"} if jump_s > 0 else {"new", "done"})


@both_ways
def test_what_a_killed_command_left_is_cleared_after_a_jump(clocked: Clocked, jump_s: int) -> None:
    """Owners of work are told by process and boot, never by age."""
    run = clocked.spawn("run", "--rm", *ALONE, "--name", "gone", "busybox", "sleep", "1000")
    alive: Callable[[], bool] = lambda: "gone" in clocked("ps", "--format", "{{.Names}}").stdout  # noqa: E731
    eventually(alive, "it runs")
    run.kill()
    run.communicate()
    clocked.move(jump_s)
    os.kill(clocked.monitor_pid("gone"), signal.SIGKILL)
    clocked("rm", "-f", "gone")
    clocked("system", "prune", "-f")
    assert os.listdir(clocked.paths.tmp) == []
    assert clocked("run", "--rm", *ALONE, "busybox", "echo", "well").stdout == "well\n"
