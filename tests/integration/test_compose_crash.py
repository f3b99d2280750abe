"""kill -9 and ^C at any moment, two commands at once: the next `up` goes on from what is there, and nothing stays."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.compose_lab import SLEEPS, Compose
from tests.integration.container_lab import Terminal, eventually

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")

PROJECT = """
    services:
      db:
        image: busybox
        init: true
        command: [sleep, "{}"]
        healthcheck: {{test: "true", interval: 100ms}}
        volumes: ["data:/data", /anonymous]
      job: {{image: busybox, command: ["true"], depends_on: {{db: {{condition: service_healthy}}}}}}
      web:
        image: busybox
        init: true
        command: [sleep, "{}"]
        depends_on: {{job: {{condition: service_completed_successfully}}}}
        networks: [front, default]
    networks: {{front: {{}}}}
    volumes: {{data: {{}}}}
    """
STATES = {"db-1": "running", "job-1": "exited 0", "web-1": "running"}


def write(compose: Compose, number: int) -> None:
    """Another number, other containers: they are recreated."""
    compose.write(PROJECT.format(number, number))


def locks(compose: Compose) -> list[str]:
    folder = Path(compose.wherry.paths.run) / "compose"
    return os.listdir(folder) if folder.exists() else []


def interrupt(terminal: Terminal) -> None:
    """As a terminal does on ^C: all processes of its foreground group."""
    os.killpg(terminal.process.pid, signal.SIGINT)


def is_whole(compose: Compose) -> None:
    assert compose.states() == STATES
    assert sorted(compose.networks()) == ["demo_default", "demo_front"]
    for name, row in compose.containers().items():
        assert f"demo-{name}" == row["Name"], "no temporary name is left"


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it was killed, and did not end before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_killed_ups_and_downs_are_gone_on_with(compose: Compose) -> None:
    """Some twenty moments, over creation, recreation and removal; the seed is told when it fails."""
    seed = int(os.environ.get("WHERRY_SEED", "0")) or random.randrange(1 << 30)
    chance, killed = random.Random(seed), 0
    write(compose, 1000)
    started = time.monotonic()
    compose("up", "-d")
    whole_s = time.monotonic() - started
    for turn in range(20):
        words = ["down", "-t", "1"] if turn % 4 == 3 else ["up", "-d"]
        write(compose, 1001 + turn)
        moment = chance.uniform(0.05, whole_s * 1.1)
        killed += kill_after(compose.spawn(*words), moment)
        if turn % 2:
            continue
        try:
            compose("up", "-d")
            is_whole(compose)
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}, turn {turn}, killed after {moment:.3f} s: {fault}") from None
    assert killed >= 5
    compose("down", "-v")
    assert compose.states() == {}
    assert compose.networks() == compose.volumes() == []
    # As with docker-compose, a `down` without -v leaves anonymous volumes
    compose.wherry("volume", "prune", "-f")


def test_a_killed_holder_frees_the_project(compose: Compose) -> None:
    write(compose, 1000)
    process = compose.spawn("up", "-d")
    eventually(lambda: locks(compose), "it holds the lock")
    process.kill()
    process.communicate()
    compose("up", "-d")
    is_whole(compose)
    assert locks(compose) == []


def test_two_ups_at_once_end_in_one_project(compose: Compose) -> None:
    for turn in range(3):
        write(compose, 1000 + turn)
        both = [compose.spawn("up", "-d") for _ in range(2)]
        for one in both:
            out, err = one.communicate(timeout=90)
            assert one.returncode == 0, (out, err)
        is_whole(compose)


def test_ups_and_downs_at_once_leave_a_project_or_none(compose: Compose) -> None:
    write(compose, 1000)
    for _ in range(3):
        several = [compose.spawn("up", "-d"), compose.spawn("down"), compose.spawn("up", "-d")]
        for one in several:
            # One that waited may see its container removed: it says so, and is no crash
            out, err = one.communicate(timeout=90)
            assert one.returncode in (0, 1), (out, err)
            assert b"fault of wherry's" not in err, err
        compose("up", "-d")
        is_whole(compose)


def test_down_does_not_wait_for_an_up_that_waits_for_health(compose: Compose) -> None:
    compose.write(f"""
        services:
          db: {{image: busybox, {SLEEPS}, healthcheck: {{test: "false", interval: 60s}}}}
          web: {{image: busybox, {SLEEPS}, depends_on: {{db: {{condition: service_healthy}}}}}}
        """)
    waiting = compose.spawn("up", "-d")
    eventually(lambda: compose.states().get("db-1") == "running", "the database runs")
    eventually(lambda: not locks(compose), "it only waits")
    compose("down", timeout_s=30)
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert re.search(rb"container demo-db-1 was (removed|stopped) while it was waited for", err), err


STUBBORN = """
    services:
      a:
        image: busybox
        command: [sh, -c, "trap 'echo stopping; sleep 0.3; exit 7' TERM; echo hello; while :; do sleep 0.1; done"]
      b: {image: busybox, init: true, command: [sleep, "1000"], depends_on: [a]}
    """


def test_ctrl_c_stops_gracefully_and_exits_130(compose: Compose) -> None:
    compose.write(STUBBORN)
    terminal = compose.terminal("--ansi", "never", "up")
    terminal.read_until("a-1  | hello")
    eventually(lambda: compose.states().get("b-1") == "running", "both run")
    interrupt(terminal)
    terminal.read_until("Gracefully stopping... (press Ctrl+C again to force)")
    assert terminal.wait() == 130
    assert "a-1  | stopping" in terminal.seen
    assert terminal.seen.index("demo-b-1  Stopped") < terminal.seen.index("demo-a-1  Stopping")
    assert compose.states() == {"a-1": "exited 7", "b-1": "exited 143"}
    assert compose.networks() == ["demo_default"]


def test_ctrl_c_twice_kills(compose: Compose) -> None:
    compose.write(STUBBORN.replace("sleep 0.3", "sleep 300"))
    terminal = compose.terminal("--ansi", "never", "up")
    terminal.read_until("a-1  | hello")
    interrupt(terminal)
    terminal.read_until("a-1  | stopping")
    interrupt(terminal)
    terminal.read_until("demo-a-1  Killed")
    assert terminal.wait() == 130
    assert compose.states()["a-1"] == "exited 137"


@pytest.mark.parametrize("moment", ["Network demo_default  Creating", "demo-db-1  Creating", "demo-db-1  Waiting"])
def test_ctrl_c_while_it_comes_up_leaves_what_the_next_up_goes_on_with(compose: Compose, moment: str) -> None:
    write(compose, 1000)
    text = (compose.folder / "compose.yaml").read_text()
    (compose.folder / "compose.yaml").write_text(text.replace('test: "true"', 'test: "sleep 1"'))
    terminal = compose.terminal("--ansi", "never", "--progress", "plain", "up", "-d")
    terminal.read_until(moment)
    interrupt(terminal)
    assert terminal.wait() == 130
    assert "canceled" in terminal.seen
    assert "fault of wherry's" not in terminal.seen
    assert locks(compose) == []
    (compose.folder / "compose.yaml").write_text(text)
    compose("up", "-d")
    is_whole(compose)


def test_ctrl_c_in_a_stop_leaves_it_at_once(compose: Compose) -> None:
    compose.write(STUBBORN.replace("sleep 0.3", "sleep 300"))
    compose("up", "-d")
    terminal = compose.terminal("--ansi", "never", "--progress", "plain", "stop", "-t", "300")
    terminal.read_until("demo-a-1  Stopping")
    time.sleep(0.2)
    interrupt(terminal)
    assert terminal.wait() == 130
    compose("down", "-t", "0")


@pytest.mark.parametrize("command", ["sleep 4321", "trap : TERM; while :; do sleep 0.1; done"])
def test_ctrl_c_ends_a_hook_that_hangs(compose: Compose, command: str) -> None:
    compose.write(f"""
        services:
          a: {{image: busybox, {SLEEPS}, post_start: [{{command: [sh, -c, "touch /up; {command}"]}}]}}
          b: {{image: busybox, {SLEEPS}, pre_stop: [{{command: [sh, -c, "touch /down; {command}"]}}]}}
        """)

    def interrupted(mark: str, *args: str) -> None:
        child = compose.spawn(*args)
        service = "a" if mark == "/up" else "b"
        eventually(lambda: not compose("exec", "-T", service, "test", "-e", mark, code=None).returncode, mark)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        assert child.returncode == 130, said
        assert compose.states()[f"{service}-1"] == "running"
        assert command not in compose("top").stdout

    interrupted("/up", "up", "-d")
    interrupted("/down", "stop")
    assert locks(compose) == []
    compose("kill")
    compose("down")


def test_ctrl_c_while_it_waits_for_another_ends_it(compose: Compose) -> None:
    compose.write(STUBBORN.replace("sleep 0.3", "sleep 300"))
    compose("up", "-d")
    holder = compose.spawn("stop", "-t", "300")
    eventually(lambda: locks(compose), "it holds the lock")
    terminal = compose.terminal("down")
    terminal.read_until("Waiting for wherry compose stop (process")
    interrupt(terminal)
    assert terminal.wait() == 130
    holder.send_signal(signal.SIGTERM)
    holder.communicate(timeout=30)
    assert holder.returncode == 130
    compose("down", "-t", "0")
