"""`events` tells what containers, images, volumes and networks go through, while it happens and afterwards."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("--network", "none")


def since(wherry: Wherry, start: float, *filters: str) -> list[dict[str, Any]]:
    words = [word for one in filters for word in ("--filter", one)]
    said = wherry("events", "--since", f"{start:.6f}", "--until", "0s", "--format", "json", *words).stdout
    return [json.loads(line) for line in said.splitlines()]


def actions(events: list[dict[str, Any]], kind: str = "container") -> list[str]:
    return [one["Action"] for one in events if one["Type"] == kind]


def state(wherry: Wherry, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(wherry("inspect", name).stdout)[0]["State"]
    return found


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: not Path(f"/proc/{pid}/exe").exists()


class Follower:
    """`wherry events` in the background, read line by line."""

    def __init__(self, wherry: Wherry, *argv: str) -> None:
        # A shell's background jobs, and so these tests in one, are started with SIGINT ignored
        heeds = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        self.process = wherry.spawn("events", "--format", "json", *argv, preexec_fn=heeds)
        self._rest = b""

    def next(self, timeout_s: float = 20) -> dict[str, Any]:
        assert self.process.stdout
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            ready = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]
            assert ready, "no event came"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "it ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@pytest.fixture
def follower(wherry: Wherry) -> Iterator[Follower]:
    # Asked for from now on: what a test does may be over before the follower has started
    found = Follower(wherry, "--since", f"{time.time():.6f}")
    yield found
    found.process.kill()
    found.process.communicate()


def test_the_life_of_a_container_is_told_in_order(wherry: Wherry) -> None:
    start = time.time()
    wherry("run", "-d", "--name", "life", "-v", "kept:/kept", "--label", "tier=front", "busybox", "sleep", "60")
    wherry("exec", "life", "true")
    wherry("pause", "life")
    wherry("unpause", "life")
    wherry("rename", "life", "death")
    wherry("kill", "-s", "USR1", "death")
    wherry("stop", "-t", "0", "death")
    wherry("rm", "death")
    found = since(wherry, start)
    assert actions(found) == [
        "create", "start", "exec_create: true ", "exec_start: true ", "exec_die", "pause", "unpause", "rename", "kill",
        "kill", "kill", "die", "stop", "destroy",
    ]  # fmt: skip
    assert actions(found, "network") == ["connect", "disconnect"]
    assert actions(found, "volume") == ["mount", "unmount"] or actions(found, "volume") == [
        "create", "mount", "unmount",
    ]  # fmt: skip
    die = next(one for one in found if one["Action"] == "die")
    assert (die["status"], die["from"], die["id"]) == ("die", "busybox", die["Actor"]["ID"])
    assert {**die["Actor"]["Attributes"], "execDuration": ""} == {
        "execDuration": "", "exitCode": "137", "image": "busybox", "name": "death", "tier": "front",
    }  # fmt: skip
    (renamed,) = [one for one in found if one["Action"] == "rename"]
    assert renamed["Actor"]["Attributes"]["oldName"] == "/life"
    assert [one["timeNano"] for one in found] == sorted(one["timeNano"] for one in found)
    wherry("volume", "rm", "kept")


def test_a_container_with_rm_is_told_to_its_very_end(wherry: Wherry) -> None:
    start = time.time()
    wherry("run", "--rm", *ALONE, "busybox", "false", code=1)
    assert actions(since(wherry, start)) == ["create", "attach", "start", "die", "destroy"]
    start = time.time()
    wherry("run", "-d", "--rm", *ALONE, "--name", "brief", "busybox", "sleep", "0.1")
    eventually(lambda: "destroy" in actions(since(wherry, start)), "its cleaner tells the end")
    assert actions(since(wherry, start)) == ["create", "start", "die", "destroy"]


def test_restarts_by_policy_are_told_and_a_change_of_the_policy_ends_them(wherry: Wherry) -> None:
    from wherry.engine.containers_lock import held
    from wherry.engine.containers_restart import set_policy
    from wherry.runtime.options import RestartPolicy

    start = time.time()
    script = "trap 'exit 5' HUP; while :; do sleep 0.05; done"
    wherry("run", "-d", *ALONE, "--name", "again", "--restart", "always", "busybox", "sh", "-c", script)

    def trap_is_set() -> bool:
        status = Path(f"/proc/{wherry.pid('again')}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) & 1)

    eventually(trap_is_set, "it listens")
    os.kill(wherry.pid("again"), signal.SIGHUP)
    eventually(lambda: actions(since(wherry, start)).count("start") == 2, "it starts again")
    with wherry.engine() as engine:
        row = engine.containers.find("again")
        with held(engine, row):
            set_policy(engine, row, RestartPolicy())
    eventually(trap_is_set, "it listens")
    os.kill(wherry.pid("again"), signal.SIGHUP)
    eventually(lambda: wherry.status("again") == "exited", "it is not started again")
    (doc,) = json.loads(wherry("inspect", "again").stdout)
    assert (doc["RestartCount"], doc["State"]["ExitCode"]) == (1, 5)
    assert actions(since(wherry, start)) == ["create", "start", "die", "start", "die"]
    wherry("rm", "again")


def test_events_come_while_they_happen_and_ctrl_c_ends_it(wherry: Wherry, follower: Follower) -> None:
    wherry("run", "-d", *ALONE, "--name", "live", "busybox", "sleep", "60")
    assert [follower.next()["Action"] for _ in range(3)] == ["create", "connect", "start"]
    wherry("rm", "-f", "live")
    assert [follower.next()["Action"] for _ in range(2)] == ["kill", "die"]
    follower.next()
    assert follower.next()["Action"] == "destroy"
    assert follower.close() == 130


def test_the_health_of_a_container_is_told(wherry: Wherry) -> None:
    start = time.time()
    probe = ("--health-cmd", "test -e /ok", "--health-interval", "100ms", "--health-retries", "1")
    wherry("run", "-d", *ALONE, "--name", "well", *probe, "busybox", "sleep", "60")

    def news() -> list[str]:
        return [one for one in actions(since(wherry, start)) if one.startswith("health")]

    eventually(lambda: news() == ["health_status: unhealthy"], "it is unhealthy")
    wherry("exec", "well", "touch", "/ok")
    eventually(lambda: news()[1:] == ["health_status: healthy"], "it is healthy")
    found = since(wherry, start, "event=health_status", "container=well")
    assert [one["Action"] for one in found] == news()
    wherry("rm", "-f", "well")


def test_a_pause_stops_the_probes_and_a_restart_keeps_what_they_said(wherry: Wherry) -> None:

    def health() -> Any:
        return state(wherry, "paused")["Health"]

    probe = ("--health-cmd", "true", "--health-interval", "100ms")
    wherry("run", "-d", *ALONE, "--name", "paused", *probe, "busybox", "sleep", "60")
    eventually(lambda: health()["Status"] == "healthy", "it is healthy")
    wherry("pause", "paused")
    before = health()
    assert before["Status"] == "unhealthy", "docker's word"
    time.sleep(0.5)
    assert health() == before
    wherry("unpause", "paused")
    eventually(lambda: health()["Status"] == "healthy", "it is healthy again")
    wherry("stop", "-t", "0", "paused")
    assert health()["Status"] == "unhealthy"
    before = health()
    wherry("start", "paused")
    assert health()["Log"][:1] != []
    wherry("rm", "-f", "paused")


def test_a_probe_that_is_not_there_says_so_and_no_healthcheck_asks_nothing(wherry: Wherry) -> None:
    change = 'HEALTHCHECK --interval=100ms CMD ["/nope"]'
    wherry("commit", "-c", change, wherry("create", "busybox").stdout.strip(), "probed")
    wherry("run", "-d", *ALONE, "--name", "nope", "probed", "sleep", "60")
    eventually(lambda: state(wherry, "nope")["Health"]["Log"], "it was probed")
    result = state(wherry, "nope")["Health"]["Log"][0]
    assert result["ExitCode"] == -1
    assert "OCI runtime exec failed" in result["Output"]
    assert "no such file or directory" in result["Output"]
    wherry("run", "-d", *ALONE, "--name", "none", "--no-healthcheck", "probed", "sleep", "60")
    assert "Health" not in state(wherry, "none")
    wherry("rm", "-f", *wherry("ps", "-aq").stdout.split())
    wherry("rmi", "probed")


def test_images_are_told(wherry: Wherry, tmp_path: Path) -> None:
    start = time.time()
    wherry("tag", "busybox", "told:1")
    wherry("save", "-o", str(tmp_path / "told.tar"), "told:1")
    wherry("rmi", "told:1")
    wherry("load", "-i", str(tmp_path / "told.tar"))
    wherry("rmi", "told:1")
    found = since(wherry, start)
    assert actions(found, "image") == ["tag", "save", "untag", "load", "untag"]
    assert found[0]["Actor"]["Attributes"]["name"] == "told:1"
    assert since(wherry, start, "image=told") == found[:1]


def test_a_kill_9_of_the_monitor_loses_no_later_event(wherry: Wherry) -> None:
    start = time.time()
    wherry("run", "-d", *ALONE, "--name", "left", "busybox", "sleep", "60")
    monitor = wherry.monitor_pid("left")
    os.kill(monitor, signal.SIGKILL)
    eventually(is_gone(monitor), "it is gone")
    wherry("ps")
    wherry("stop", "-t", "0", "left")
    assert actions(since(wherry, start)) == ["create", "start", "kill", "kill", "die", "stop"]
    wherry("rm", "left")


def test_labels_without_measure_keep_nobody_from_starting(wherry: Wherry, tmp_path: Path) -> None:
    start = time.time()
    (tmp_path / "labels").write_text("".join(f"label{number}={'x' * 1000}\n" for number in range(400)))
    wherry("run", "--rm", *ALONE, "--label-file", str(tmp_path / "labels"), "--name", "labelled", "busybox", "true")
    found = since(wherry, start)
    assert actions(found) == ["create", "attach", "start", "die", "destroy"]
    assert {one["Actor"]["Attributes"]["name"] for one in found if one["Type"] == "container"} == {"labelled"}


def test_an_oom_kill_is_told_while_the_container_goes_on(wherry: Wherry) -> None:
    start = time.time()
    limit = ("--memory", "20m", "--memory-swap", "20m")
    wherry("run", "-d", *ALONE, "--name", "greedy", *limit, "busybox", "sh", "-c", "tail /dev/zero; sleep 60")
    eventually(lambda: actions(since(wherry, start)) == ["create", "start", "oom"], "it is told")
    wherry("rm", "-f", "greedy")
    assert actions(since(wherry, start)).count("oom") == 1


def test_networks_and_volumes_are_told(wherry: Wherry) -> None:
    for kind in ("network", "volume"):  # what other tests left in the session's root is not told below
        wherry(kind, "prune", "-f")
    start = time.time()
    wherry("network", "create", "told")
    wherry("run", "-d", "--network", "told", "--name", "member", "-v", "told:/x", "busybox", "sleep", "60")
    wherry("network", "connect", "bridge", "member")
    wherry("network", "disconnect", "bridge", "member")
    wherry("rm", "-f", "member")
    wherry("network", "rm", "told")
    wherry("volume", "create", "told")
    wherry("volume", "rm", "told")
    wherry("network", "prune", "-f")
    wherry("volume", "prune", "-f")
    found = since(wherry, start)
    assert actions(found, "network") == [
        "create", "connect", "connect", "disconnect", "disconnect", "destroy", "prune",
    ]  # fmt: skip
    assert actions(found, "volume") == ["create", "mount", "unmount", "destroy", "prune"]
    assert {one["Actor"]["Attributes"]["name"] for one in found if one["Action"] == "connect"} == {"told", "bridge"}


def test_a_death_that_no_monitor_saw_is_told_by_who_finds_it(wherry: Wherry) -> None:
    start = time.time()
    wherry("run", "-d", *ALONE, "--name", "unseen", "busybox", "sleep", "60")
    for pid in (wherry.monitor_pid("unseen"), wherry.pid("unseen")):
        os.kill(pid, signal.SIGKILL)
        eventually(is_gone(pid), "it is gone")
    wherry("ps", "-a")
    wherry("ps", "-a")
    found = since(wherry, start)
    assert actions(found) == ["create", "start", "die"]
    assert found[-2]["Actor"]["Attributes"]["exitCode"] == "255"
    wherry("rm", "unseen")


def test_a_container_that_waits_to_be_restarted_is_ended_by_any_kill(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "looping", "--restart", "always", "busybox", "false")
    eventually(lambda: wherry.status("looping") == "restarting", "it waits")
    wherry("kill", "-s", "HUP", "looping")
    assert wherry.status("looping") == "exited"
    wherry("rm", "looping")


def test_a_wrong_format_or_filter_is_named(wherry: Wherry) -> None:
    assert "bad format of filter" in wherry("events", "--filter", "x", "--until", "0s", code=None).stderr
    # Differs from docker: a filter that nobody knows is an error, and not ignored
    assert "invalid filter 'colour'" in wherry("events", "--filter", "colour=red", "--until", "0s", code=1).stderr
    assert "soon" in wherry("events", "--until", "soon", code=1).stderr


def test_only_a_signal_that_ends_it_switches_the_restart_policy_off(wherry: Wherry) -> None:
    """Differs from docker: there any `kill -s` does, for a reload with HUP too."""
    script = "trap 'exit 5' HUP; while :; do sleep 0.05; done"
    wherry("run", "-d", *ALONE, "--name", "hup", "--restart", "always", "busybox", "sh", "-c", script)
    time.sleep(0.3)
    wherry("kill", "-s", "HUP", "hup")
    eventually(lambda: json.loads(wherry("inspect", "hup").stdout)[0]["RestartCount"] == 1, "it is started again")
    wherry("kill", "hup")
    assert wherry.status("hup") == "exited"
    wherry("rm", "hup")


def test_the_page_about_events_can_be_typed(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "wherry").write_text(f'#!/bin/sh\nexec {shlex.join(wherry.argv())} "$@"\n')
    (tmp_path / "wherry").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    said = ""
    for block in runnable(PROJECT / "docs" / "events.md"):
        done = subprocess.run(["sh", "-e", "-c", block], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        said += done.stdout
    assert re.search(r"container die [0-9a-f]{64} \(execDuration=\d+, exitCode=137, image=busybox, name=web", said)
    assert re.search(r"^container start web$", said, re.MULTILINE)
