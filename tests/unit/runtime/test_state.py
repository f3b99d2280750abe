"""What a container does is derived from records and the kernel, and never from a stored status."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.host.fake import FakeHost
from wherry.runtime import records
from wherry.runtime.state import observe

BOOT = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def record_run(bundle: Path, *, boot: str = BOOT, pid: int = 500, started_ns: int = 10) -> None:
    doc = {"boot": boot, "pid": pid, "start": 7, "started_ns": started_ns, "restarts": 1}
    records.write(str(bundle), "run.json", doc)


def record_monitor(bundle: Path, *, boot: str = BOOT) -> None:
    records.write(str(bundle), "monitor.json", {"boot": boot, "pid": 400, "start": 5})


def record_exit(bundle: Path, *, started_ns: int = 10, again_ns: int = 0) -> None:
    doc = {"started_ns": started_ns, "finished_ns": 99, "code": 3, "oom": True, "error": "", "again_ns": again_ns}
    records.write(str(bundle), "exit.json", doc)


def test_no_records_is_created(tmp_path: Path, host: FakeHost) -> None:
    assert observe(str(tmp_path), host) == observe(str(tmp_path / "missing"), host)
    assert observe(str(tmp_path), host).status == "created"


def test_a_failed_start_is_created_with_its_reason(tmp_path: Path, host: FakeHost) -> None:
    records.write(str(tmp_path), "failed.json", {"code": 127, "error": "not found", "at_ns": 5})
    state = observe(str(tmp_path), host)
    assert (state.status, state.exit_code, state.error) == ("created", 127, "not found")


def test_both_processes_alive_is_running(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    record_monitor(tmp_path)
    host.processes = {500: 7, 400: 5}
    state = observe(str(tmp_path), host)
    assert (state.status, state.pid, state.restarts, state.orphan) == ("running", 500, 1, False)


def test_a_record_that_is_written_while_the_death_is_seen_counts(tmp_path: Path) -> None:
    class Late(FakeHost):
        """The container's monitor writes its record, and ends, just when it is asked whether the container lives."""

        def start_time(self, pid: int) -> int | None:
            record_exit(tmp_path)
            return None

    record_run(tmp_path)
    record_monitor(tmp_path)
    state = observe(str(tmp_path), Late())
    assert (state.status, state.exit_code, state.unrecorded) == ("exited", 3, False)


def test_a_container_without_its_monitor_is_an_orphan(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    record_monitor(tmp_path)
    host.processes = {500: 7}
    assert observe(str(tmp_path), host).orphan


def test_a_recycled_pid_is_not_the_container(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    host.processes = {500: 8}
    state = observe(str(tmp_path), host)
    assert (state.status, state.exit_code, state.unrecorded) == ("exited", 255, True)
    assert "monitor was killed" in state.error


def test_a_dead_container_with_a_living_monitor_is_not_over_yet(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    record_monitor(tmp_path)
    host.processes = {400: 5}
    assert observe(str(tmp_path), host).status == "running"


def test_another_boot_ends_everything(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path, boot="yesterday")
    record_monitor(tmp_path, boot="yesterday")
    host.processes = {500: 7, 400: 5}
    state = observe(str(tmp_path), host)
    assert (state.status, state.exit_code, state.unrecorded) == ("exited", 255, True)
    assert "restarted" in state.error


def test_an_exit_record_says_how_its_own_run_ended(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    record_exit(tmp_path)
    state = observe(str(tmp_path), host)
    assert (state.status, state.exit_code, state.oom_killed, state.finished_ns) == ("exited", 3, True, 99)
    assert not state.unrecorded


def test_an_exit_record_of_an_earlier_run_says_nothing_of_this_one(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path, started_ns=20)
    record_exit(tmp_path, started_ns=10)
    record_monitor(tmp_path)
    host.processes = {500: 7, 400: 5}
    assert observe(str(tmp_path), host).status == "running"


def test_waiting_to_be_restarted_needs_a_living_monitor(tmp_path: Path, host: FakeHost) -> None:
    record_run(tmp_path)
    record_exit(tmp_path, again_ns=200)
    record_monitor(tmp_path)
    assert observe(str(tmp_path), host).status == "exited"
    host.processes = {400: 5}
    assert observe(str(tmp_path), host).status == "restarting"
    assert observe(str(tmp_path), host).is_running


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense"])
def test_a_spoilt_record_is_none(tmp_path: Path, host: FakeHost, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert observe(str(tmp_path), host).status == "created"
