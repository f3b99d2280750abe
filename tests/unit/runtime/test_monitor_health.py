"""Health probes keep docker's times and states, by a clock that the test turns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wherry.runtime.monitor_health import Health, Verdict, go_duration, stamp


class Loop:
    def __init__(self, world: World) -> None:
        self._world = world
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def at(self, delay_s: float, call: Callable[[], None]) -> None:
        self.timers.append((self._world.now + delay_s, call))

    def watch(self, fd: int, events: int, call: Callable[[int], Any]) -> None:
        pass

    def forget(self, fd: int) -> None:
        pass


class World:
    """A monitor, its loop, its clock, and probes that are only numbers."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.bundle = str(folder)
        self.loop, self.events = Loop(self), self
        self.probes: list[tuple[float, int, int]] = []  # when, pid, the fd that it writes to
        self.killed: list[int] = []
        self.said: list[str] = []
        self.freezer = folder / "freezer.state"
        self.freezer.write_text("THAWED\n")
        self.plan: dict[str, Any] = {
            "args": ["test", "-e", "/ok"], "argv": ["runc", "exec"], "pid_file": f"{folder}/pid",
            "runtime_log": f"{folder}/log", "interval_s": "30", "timeout_s": "10", "start_period_s": "0",
            "start_interval_s": "5", "retries": 3, "freezer": [str(self.freezer)],
        }  # fmt: skip

    def spawn(self, argv: list[str], fds: list[int]) -> int:
        pid = 100_000_000 + len(self.probes)
        self.probes.append((self.now, pid, os.dup(fds[1])))
        return pid

    def say(self, action: str, **more: str) -> None:
        self.said.append(action)

    def start(self, *, go_on: bool = False, **plan: Any) -> Health:
        self.plan |= plan
        kill = lambda pid, _: self.killed.append(pid)  # noqa: E731
        return Health(self, self.plan, self.now, go_on=go_on, clock=lambda: self.now, kill=kill)

    def until(self, moment: float) -> None:
        """Turn the clock on, and do on the way what is due."""
        while due := sorted((one for one in self.loop.timers if one[0] <= moment), key=lambda one: one[0])[:1]:
            self.loop.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = moment

    def answer(self, health: Health, code: int, output: bytes = b"") -> None:
        """The last probe ends."""
        _, pid, fd = self.probes[-1]
        os.write(fd, output)
        os.close(fd)
        health.reaped(pid, code)

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((Path(self.bundle) / "health.json").read_text())
        return found

    @property
    def asked_at(self) -> list[float]:
        return [moment - 1000 for moment, _, _ in self.probes]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_starting_until_the_first_probe_after_one_interval(world: World) -> None:
    world.start()
    world.until(1029.9)
    assert (world.probes, world.record()) == ([], {"Status": "starting", "FailingStreak": 0, "Log": []})
    world.until(1030)
    assert world.asked_at == [30]


def test_the_interval_counts_from_the_end_of_a_probe(world: World) -> None:
    health = world.start()
    world.until(1037)
    world.answer(health, 0, b"fine\n")
    world.until(1066.9)
    assert world.asked_at == [30]
    world.until(1067)
    assert world.asked_at == [30, 67]
    assert (world.record()["Status"], world.record()["Log"][0]["Output"]) == ("healthy", "fine\n")


def test_failures_in_a_row_make_it_unhealthy_and_one_success_healthy(world: World) -> None:
    health = world.start(interval_s="1", retries=2)
    for moment, code, status, streak in (
        (1001, 1, "starting", 1), (1002, 0, "healthy", 0), (1003, 7, "healthy", 1), (1004, -9, "unhealthy", 2),
        (1005, 1, "unhealthy", 3), (1006, 0, "healthy", 0),
    ):  # fmt: skip
        world.until(moment)
        world.answer(health, code)
        assert (world.record()["Status"], world.record()["FailingStreak"]) == (status, streak)
    assert [one for one in world.said if one.startswith("health")] == [
        "health_status: healthy", "health_status: unhealthy", "health_status: healthy",
    ]  # fmt: skip
    assert world.record()["Log"][2]["ExitCode"] == 137


def test_a_start_period_asks_more_often_and_forgives_failures(world: World) -> None:
    health = world.start(start_period_s="12", retries=1)
    for moment in (1005, 1010):
        world.until(moment)
        world.answer(health, 1)
        assert (world.record()["Status"], world.record()["FailingStreak"]) == ("starting", 0)
    world.until(1040)
    assert world.asked_at == [5, 10, 15]  # decided at 10 s, as docker does
    world.now = 1041
    world.answer(health, 1)
    assert (world.record()["Status"], world.record()["FailingStreak"]) == ("unhealthy", 1)


def test_a_probe_that_began_in_the_start_period_is_forgiven_though_it_ends_later(world: World) -> None:
    health = world.start(start_period_s="7", retries=1)
    world.until(1005)
    world.now = 1009
    world.answer(health, 1)
    assert world.record()["Status"] == "starting"


def test_a_success_ends_the_start_period(world: World) -> None:
    health = world.start(start_period_s="600", retries=2)
    world.until(1005)
    world.answer(health, 0)
    world.until(1034.9)
    assert world.asked_at == [5]
    for moment in (1035, 1065):
        world.until(moment)
        world.answer(health, 1)
    assert world.record()["Status"] == "unhealthy"


def test_a_probe_is_killed_at_its_timeout_and_the_late_word_of_it_counts_no_more(world: World) -> None:
    health = world.start(timeout_s="90", retries=1)
    world.until(1119)
    assert not world.killed
    world.until(1120)
    _, pid, fd = world.probes[0]
    assert world.killed == [pid]
    record = world.record()
    assert (record["Status"], record["Log"][0]["ExitCode"]) == ("unhealthy", -1)
    assert record["Log"][0]["Output"] == "Health check exceeded timeout (1m30s)"
    health.reaped(pid, 0)
    os.close(fd)
    assert world.record() == record
    world.until(1150)
    assert world.asked_at == [30, 150]


def test_the_timeout_of_an_earlier_probe_does_not_touch_the_next(world: World) -> None:
    health = world.start(interval_s="1", timeout_s="10")
    for second in range(1, 30):
        world.until(1000 + second)
        world.answer(health, 0)
    assert not world.killed


def test_probes_leave_no_timers_behind(world: World) -> None:
    health = world.start(interval_s="1", timeout_s="3600")
    for second in range(1, 500):
        world.until(1000 + second)
        world.answer(health, 0)
    assert len(world.probes) == 499
    assert len(world.loop.timers) <= 3
    for _ in range(50):
        health.look()
    assert len(world.loop.timers) <= 3


def test_a_late_timeout_is_that_of_the_probe_that_runs(world: World) -> None:
    health = world.start(interval_s="4", timeout_s="6")
    world.until(1004)
    world.answer(health, 0)
    world.until(1013.9)
    assert world.asked_at == [4, 8]
    assert not world.killed
    world.until(1014)
    assert world.killed == [world.probes[1][1]]
    os.close(world.probes[1][2])


def test_five_results_of_4096_bytes_are_kept(world: World) -> None:
    health = world.start(interval_s="1")
    for number in range(7):
        world.until(1001 + number)
        world.answer(health, number, b"x" * (4096 + number * 1000) if number else b"\xff\xfe")
    log = world.record()["Log"]
    assert [one["ExitCode"] for one in log] == [2, 3, 4, 5, 6]
    assert {one["Output"] for one in log} == {"x" * 4096 + "..."}


def test_exactly_4096_bytes_are_whole_and_what_is_no_text_is_shown_so(world: World) -> None:
    health = world.start(interval_s="1")
    world.until(1001)
    world.answer(health, 0, b"x" * 4096)
    world.until(1002)
    world.answer(health, 0, b"\xff")
    assert [one["Output"] for one in world.record()["Log"]] == ["x" * 4096, "�"]


def test_a_paused_container_is_not_asked_and_an_interval_after_it_goes_on_is(world: World) -> None:
    health = world.start()
    world.until(1030)
    world.answer(health, 0)
    world.until(1040)
    world.freezer.write_text("FROZEN\n")
    health.look()
    assert world.record()["Status"] == "unhealthy"  # docker's word for it
    world.until(1500)
    world.freezer.write_text("THAWED\n")
    health.look()
    assert (world.asked_at, world.record()["Status"]) == ([30], "unhealthy")
    world.until(1529)
    assert world.asked_at == [30]
    world.until(1530)
    world.answer(health, 0)
    assert (world.asked_at, world.record()["Status"]) == ([30, 530], "healthy")


def test_a_pause_that_nobody_told_of_is_seen_before_the_next_probe(world: World) -> None:
    world.start()
    world.freezer.write_text("FROZEN\n")
    world.until(1095)
    assert (world.asked_at, world.record()["Status"]) == ([], "unhealthy")
    world.freezer.write_text("THAWED\n")
    world.until(1120)
    assert world.asked_at == [120]


def test_a_pause_kills_the_probe_that_runs_and_forgets_it(world: World) -> None:
    health = world.start(interval_s="1")
    world.until(1001)
    world.freezer.write_text("FROZEN\n")
    health.look()
    _, pid, fd = world.probes[0]
    os.close(fd)
    health.reaped(pid, -9)
    assert (world.killed, world.record()["Log"]) == ([pid], [])
    world.until(1020)
    assert len(world.probes) == 1


def test_a_stop_ends_probes_and_leaves_docker_s_unhealthy(world: World) -> None:
    health = world.start(interval_s="1")
    world.until(1001)
    health.stop()
    os.close(world.probes[0][2])
    assert (world.killed, world.record()["Status"]) == ([world.probes[0][1]], "unhealthy")
    world.until(1100)
    assert len(world.probes) == 1
    assert not [one for one in world.said if one.startswith("health")]


def test_a_restart_resets_the_status_and_keeps_the_log(world: World) -> None:
    health = world.start(interval_s="1", retries=1)
    world.until(1001)
    world.answer(health, 4)
    health.stop()
    world.start()
    record = world.record()
    assert (record["Status"], record["FailingStreak"], len(record["Log"])) == ("starting", 0, 1)


def test_another_monitor_goes_on_where_a_killed_one_was(world: World) -> None:
    health = world.start(interval_s="1", retries=5)
    for second in (1, 2, 3):
        world.until(1000 + second)
        world.answer(health, 1 if second > 1 else 0)
    world.loop.timers.clear()
    world.start(go_on=True)
    record = world.record()
    assert (record["Status"], record["FailingStreak"], len(record["Log"])) == ("healthy", 2, 3)


def test_a_record_that_is_no_record_is_no_obstacle(world: World) -> None:
    (Path(world.bundle) / "health.json").write_text("{")
    world.start(go_on=True)
    assert world.record()["Status"] == "starting"


def test_what_the_runtime_can_not_start_is_a_result_of_minus_one(world: World) -> None:
    health = world.start(interval_s="1")
    Path(world.plan["runtime_log"]).write_text('{"level":"error","msg":"of the last probe"}\n')
    world.until(1001)
    lines = ['{"level":"warning","msg":"no"}', '{"level":"error","msg":"exec failed: \\"/nope\\": no such file"}']
    Path(world.plan["runtime_log"]).write_text("\n".join(lines) + "\n")
    world.answer(health, 255, b"runc says so here as well")
    (result,) = world.record()["Log"]
    said = 'OCI runtime exec failed: exec failed: "/nope": no such file: unknown'
    assert (result["ExitCode"], result["Output"]) == (-1, said)
    assert world.said == ["exec_create: test -e /ok", "exec_start: test -e /ok"]


def test_a_probe_is_told_as_an_exec(world: World) -> None:
    health = world.start(interval_s="1", args=["/bin/check"])
    world.until(1001)
    world.answer(health, 0)
    assert world.said == ["exec_create: /bin/check ", "exec_start: /bin/check ", "exec_die", "health_status: healthy"]


def test_a_full_disk_keeps_the_probes_going(world: World) -> None:
    health = world.start(interval_s="1")
    world.bundle += "/gone"
    health._path = f"{world.bundle}/health.json"
    for second in (1, 2):
        world.until(1000 + second)
        world.answer(health, 0)
    assert world.asked_at == [1, 2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30s"), (1.5, "1.5s"), (0.5, "500ms"), (0.001, "1ms"), (60, "1m0s"), (90, "1m30s"), (3600, "1h0m0s"),
     (3725.25, "1h2m5.25s")],
)  # fmt: skip
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_stamps_have_nine_digits() -> None:
    assert stamp(1_795_616_571_000_000_070) == "2026-11-25T14:22:51.000000070Z"


def test_verdicts_need_no_record() -> None:
    plan = {"retries": 1, "interval_s": "1", "start_interval_s": "1", "start_period_s": "0"}
    assert Verdict(plan, {}, 0, go_on=True).record() == {"Status": "starting", "FailingStreak": 0, "Log": []}
