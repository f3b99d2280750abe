"""kill -9 of anybody at any time: the next command sees the truth, and nothing is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually, traces
from wherry.fs.lock import locked

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("--network", "none")
TICKER = "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"


def kill_monitor(wherry: Wherry, name: str) -> None:
    pid = wherry.monitor_pid(name)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}/exe").exists(), "the monitor is gone")


def exits_are_told() -> bool:
    """Linux 6.15 tells the exit code of processes that are not one's children."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (6, 15)


def test_a_container_outlives_its_monitor_and_gets_another(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "ticker", "busybox", "sh", "-c", TICKER)
    pid, first = wherry.pid("ticker"), wherry.monitor_pid("ticker")
    time.sleep(0.3)
    kill_monitor(wherry, "ticker")
    time.sleep(0.3)
    assert "Up " in wherry("ps").stdout
    assert wherry.pid("ticker") == pid
    assert wherry.monitor_pid("ticker") != first
    eventually(lambda: int(wherry("logs", "--tail", "1", "ticker").stdout or 0) > 12, "it is heard")
    lines = [int(line) for line in wherry("logs", "ticker").stdout.split()]
    assert lines == list(range(1, len(lines) + 1)), "what it wrote meanwhile is not lost"
    wherry("stop", "ticker")
    assert wherry("wait", "ticker").stdout.strip() == ("7" if exits_are_told() else "255")


def test_an_adopted_container_keeps_its_network_root_and_restarts(wherry: Wherry) -> None:
    script = "ip addr show eth0 | grep -o 'inet [0-9.]*'; test -e /mark && echo marked; touch /mark; sleep 100"
    wherry("run", "-d", "--restart", "always", "--name", "steady", "busybox", "sh", "-c", script)
    eventually(lambda: "inet" in wherry("logs", "steady").stdout, "it runs")
    address = wherry("logs", "steady").stdout.strip()
    kill_monitor(wherry, "steady")
    wherry("ps")
    os.kill(wherry.pid("steady"), signal.SIGKILL)
    eventually(lambda: "marked" in wherry("logs", "steady").stdout, "it is restarted over the same files")
    assert wherry("logs", "steady").stdout.count(address) == 2
    wherry("rm", "-f", "steady")


def test_both_killed_is_an_exit_with_a_reason(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "both", "busybox", "sleep", "100")
    pid = wherry.pid("both")
    kill_monitor(wherry, "both")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: wherry.status("both") == "exited", "it is seen to be over")
    wherry("ps")
    (doc,) = json.loads(wherry("inspect", "both").stdout)
    assert doc["State"]["ExitCode"] == 255
    assert "monitor was killed" in doc["State"]["Error"]
    wherry("start", "both")
    assert wherry.status("both") == "running"


def test_a_restart_that_its_monitor_did_not_live_to_make_is_made(wherry: Wherry) -> None:
    wherry(
        "run", "-d", *ALONE, "--restart", "always", "--name", "loop", "busybox", "sh", "-c", "echo up; exec sleep 100"
    )
    pid = wherry.pid("loop")
    kill_monitor(wherry, "loop")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "it is dead")
    wherry("ps")
    assert wherry.status("loop") == "running"
    wherry("stop", "-t", "1", "loop")
    wherry("ps")
    assert wherry.status("loop") == "exited"


def test_published_ports_answer_again_after_the_monitor_was_killed(wherry: Wherry) -> None:
    script = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www"
    wherry("run", "-d", "--name", "web", "-p", "0:80", "busybox", "sh", "-c", script)
    port = wherry("port", "web", "80").stdout.split()[0].rpartition(":")[2]

    def ask(address: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError as fault:
            return str(fault)

    addresses = ["127.0.0.1", *(["[::1]"] if Path("/proc/net/if_inet6").exists() else [])]
    for address in addresses:
        eventually(lambda address=address: ask(address) == "hello\n", f"{address} answers")  # type: ignore[misc]
    kill_monitor(wherry, "web")
    wherry("ps")
    for address in addresses:
        eventually(lambda address=address: ask(address) == "hello\n", f"{address} answers again")  # type: ignore[misc]
    wherry("rm", "-f", "web")
    assert [ask(address) for address in addresses].count("hello\n") == 0


def test_an_attached_command_line_survives_the_monitor(wherry: Wherry) -> None:
    script = "echo one; sleep 1.5; echo two; exit 6"
    process = wherry.spawn("run", *ALONE, "--name", "held", "busybox", "sh", "-c", script)
    assert process.stdout
    assert process.stdout.readline() == b"one\n"
    kill_monitor(wherry, "held")
    output, _ = process.communicate(timeout=20)
    assert output == b"two\n"
    assert process.returncode == (6 if exits_are_told() else 255)


def test_the_container_outlives_an_attached_command_line(wherry: Wherry) -> None:
    process = wherry.spawn("run", "--rm", *ALONE, "--name", "left", "busybox", "sh", "-c", "echo up; sleep 1; exit 3")
    assert process.stdout
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert wherry.status("left") == "running"
    eventually(lambda: not wherry("ps", "-aq").stdout, "--rm is kept without it")


def test_a_killed_container_is_137(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "victim", "busybox", "sleep", "100")
    os.kill(wherry.pid("victim"), signal.SIGKILL)
    assert wherry("wait", "victim").stdout == "137\n"


def test_after_a_reboot_nothing_runs_and_the_reason_is_told(wherry: Wherry) -> None:
    """The records are made to be of another boot, as a reboot leaves them."""
    id = wherry("run", "-d", *ALONE, "--name", "rebooted", "busybox", "sleep", "100").stdout.strip()
    pid = wherry.pid("rebooted")
    kill_monitor(wherry, "rebooted")
    os.kill(pid, signal.SIGKILL)
    for name in ("run.json", "monitor.json"):
        file = wherry.root / "containers" / id / name
        doc = json.loads(file.read_text())
        file.write_text(json.dumps(doc | {"boot": "another"}))
    assert "Exited (255)" in wherry("ps", "-a").stdout
    (doc,) = json.loads(wherry("inspect", "rebooted").stdout)
    assert "machine was restarted" in doc["State"]["Error"]
    wherry("start", "rebooted")
    assert wherry.status("rebooted") == "running"


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children] + [one for child in children for one in descendants(int(child))]


@pytest.mark.parametrize("whom", ["command line", "monitor", "runtime or container"])
def test_kill_9_at_random_moments_of_run_leaves_nothing(wherry: Wherry, whom: str) -> None:
    chance = random.Random(whom)
    for _ in range(18):
        process = wherry.spawn("run", "--rm", "busybox", "sh", "-c", "echo hi; sleep 0.03")
        time.sleep(chance.uniform(0.02, 0.3))
        below = descendants(process.pid)
        victims = {"command line": [process.pid], "monitor": below[:1], "runtime or container": below[1:][-1:]}[whom]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate(timeout=30)
    eventually(lambda: not wherry("ps", "-aq").stdout, "all are gone")
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")
    assert wherry("run", "--rm", "busybox", "echo", "still works").stdout == "still works\n"


@pytest.mark.parametrize("verb", [["stop", "-t", "1"], ["rm", "-f"], ["restart", "-t", "1"], ["kill"]])
def test_kill_9_of_a_verb_leaves_a_container_that_can_be_removed(wherry: Wherry, verb: list[str]) -> None:
    chance = random.Random(verb[0])
    for number in range(6):
        name = f"c{number}"
        wherry("run", "-d", "--name", name, "busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done")
        process = wherry.spawn(*verb, name)
        time.sleep(chance.uniform(0.02, 0.25))
        process.kill()
        process.communicate()
        wherry("ps", "-a")
        wherry("rm", "-f", name)
    assert not wherry("ps", "-aq").stdout


def test_a_cleaner_that_was_killed_is_finished_by_the_next_command(wherry: Wherry) -> None:
    chance = random.Random(1)
    for _ in range(6):
        wherry("run", "-d", "--rm", "--name", "brief", "busybox", "true")
        time.sleep(chance.uniform(0, 0.15))
        subprocess.run(["pkill", "-9", "-f", f"containers_cleaner.*{wherry.root}"], check=False)
        eventually(lambda: not wherry("ps", "-aq").stdout, "the next command cleans")


def test_a_look_takes_away_the_network_of_a_killed_builds_step(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo at $((40 + 2)); sleep 100\n")
    build = wherry.spawn("build", "--progress", "plain", str(tmp_path), stderr=subprocess.PIPE)
    assert build.stderr
    while b"at 42" not in build.stderr.readline():
        pass
    build.kill()
    build.communicate()
    assert any(trace.startswith("nft ") for trace in traces(wherry.paths))
    wherry("ps")
    eventually(lambda: not traces(wherry.paths), "the look is enough")


def test_a_look_takes_away_what_a_killed_start_made(wherry: Wherry) -> None:
    """The container stays, also one that is to be removed at its end: it has not begun."""
    wherry("create", "--rm", *ALONE, "--name", "early", "busybox", "true")
    with wherry.engine() as engine:
        folder = engine.containers.run_folder(engine.containers.find("early").id)
    wherry("ps", "-a")
    assert not Path(folder).exists()
    assert wherry("start", "-a", "early").returncode == 0
    assert wherry("ps", "-aq").stdout == ""


def test_the_lock_of_a_container_that_never_came_to_be_is_swept(wherry: Wherry) -> None:
    """A `run` killed between its lock and its row leaves the file; one that somebody holds is at work."""
    wherry("run", "--rm", *ALONE, "busybox", "true")
    locks = Path(wherry.paths.run) / "locks"
    dead, busy = locks / ("d" * 64), locks / ("b" * 64)
    dead.touch()
    with locked(str(busy)):
        wherry("ps", "-a")
        assert not dead.exists()
        assert busy.exists()
    wherry("ps")
    assert not busy.exists()


class SlowRuntime:
    """runc that waits before it begins (`mark` says that it was asked) and then does what it does."""

    def __init__(self, folder: Path) -> None:
        self.mark, self.path = folder / "asked", folder / "slow-runc"
        self.path.write_text(
            f'#!/bin/sh\ncase " $* " in *" run "*) echo $$ > {self.mark}; sleep 1.5;; esac\nexec runc "$@"\n'
        )
        self.path.chmod(0o755)

    def await_asked(self) -> int:
        """Its pid, from the moment on when it was asked to run something."""
        eventually(lambda: self.mark.exists() and self.mark.read_text(), "the runtime is asked to run it")
        return int(self.mark.read_text())


@pytest.fixture
def slow(tmp_path: Path) -> SlowRuntime:
    return SlowRuntime(tmp_path)


def kill_in_the_runtime(wherry: Wherry, slow: SlowRuntime, *words: str) -> int:
    """The command line is killed while its monitor waits for the runtime; the runtime's pid."""
    process = wherry.spawn("--runtime", str(slow.path), *words)
    pid = slow.await_asked()
    process.kill()
    process.communicate()
    return pid


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_start_whose_command_line_is_killed_is_waited_for_by_the_next(
    wherry: Wherry, slow: SlowRuntime, verb: str
) -> None:
    """Its monitor goes on; a second start beside it would find the runtime's state half made."""
    wherry("create", "--name", "twice", "busybox", "sleep", "100")
    kill_in_the_runtime(wherry, slow, verb, "twice")
    wherry("start", "twice")
    pid = wherry.pid("twice")
    assert wherry.status("twice") == "running"
    wherry("start", "twice")
    assert wherry.pid("twice") == pid


def test_a_container_that_is_started_by_nobody_any_more_is_removed_whole(wherry: Wherry, slow: SlowRuntime) -> None:
    wherry("create", "--name", "gone", "busybox", "sleep", "100")
    kill_in_the_runtime(wherry, slow, "start", "gone")
    wherry("rm", "-f", "gone")
    eventually(lambda: not traces(wherry.paths), "nothing is left")


def test_a_killed_run_is_rolled_forward(wherry: Wherry, slow: SlowRuntime) -> None:
    kill_in_the_runtime(wherry, slow, "run", "-d", "--name", "forward", "busybox", "sleep", "100")
    eventually(lambda: wherry("ps").stdout.count("forward"), "it is seen once it runs")
    wherry("start", "forward")
    assert wherry.status("forward") == "running"


def test_a_runtime_that_outlives_its_monitor_stands_in_no_way(wherry: Wherry, slow: SlowRuntime) -> None:
    wherry("create", "--name", "orphan", "busybox", "sleep", "100")
    runtime = kill_in_the_runtime(wherry, slow, "start", "orphan")
    pid = wherry.monitor_pid("orphan")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{runtime}").exists(), "the runtime has made it")
    assert wherry.status("orphan") == "created"
    wherry("start", "orphan")
    assert wherry.status("orphan") == "running"
