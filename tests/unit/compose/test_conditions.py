"""When a container fulfils what is waited for, when it can't any more, and what the error then shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.compose import plan as plans
from wherry.compose.conditions import RUNNING, ConditionFailed, Looked, await_condition
from wherry.compose.plan import ContainerRef, WaitFor
from wherry.compose.progress import Event, Quiet
from wherry.errors import Cancelled, NotFound
from wherry.runtime.state import ContainerState

_REF = ContainerRef("demo-db-1", service="db", number=1)


class _Watcher(Quiet):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def shown(self) -> list[str]:
        return [f"{one.id}  {one.text}" for one in self.events]


class _Look:
    """Looks find one state after the other; the last one stays."""

    def __init__(
        self, folder: Path, *states: ContainerState | None, probe: bool = True, log: Sequence[str] = ()
    ) -> None:
        self._folder, self._states, self._probe, self._log = folder, list(states), probe, log

    def __call__(self, ref: ContainerRef) -> Looked:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if state is None:
            raise NotFound(f"No such container: {ref.name}")
        # Something changes, so that whoever waits looks again
        (self._folder / "exit.json").write_bytes(b"")
        return Looked(ref.name, str(self._folder), state, self._probe)

    def last_lines(self, ref: ContainerRef, count: int) -> Sequence[str]:
        return self._log[-count:]


def _health(status: str, output: str = "", code: int = 1) -> ContainerState:
    log = [{"ExitCode": code, "Output": output}] if output else []
    return ContainerState("running", 1, 1, health={"Status": status, "FailingStreak": 1, "Log": log})


def _wait(condition: str, *, required: bool = True) -> WaitFor:
    return WaitFor("db", condition, (_REF,), required)


def _fails(wait: WaitFor, look: _Look) -> tuple[str, _Watcher]:
    watcher = _Watcher()
    with pytest.raises(ConditionFailed) as found:
        await_condition(wait, look, watcher, Cancel(20))
    return str(found.value), watcher


def test_healthy_is_waited_for_through_starting(tmp_path: Path) -> None:
    watcher = _Watcher()
    look = _Look(tmp_path, _health("starting"), _health("starting"), _health("healthy"))
    await_condition(_wait(plans.HEALTHY), look, watcher, Cancel(20))
    assert watcher.shown == ["Container demo-db-1  Waiting", "Container demo-db-1  Healthy"]


def test_an_unhealthy_container_ends_the_wait_with_what_the_last_probe_wrote(tmp_path: Path) -> None:
    look = _Look(tmp_path, _health("starting"), _health("unhealthy", "psql: refused\n\x1b[31mno\n"))
    text, watcher = _fails(_wait(plans.HEALTHY), look)
    assert text == (
        "dependency failed to start: container demo-db-1 is unhealthy\n"
        "  its last probe ended with exit code 1:\n    psql: refused\n    ?[31mno"
    )
    assert watcher.shown[-1] == "Container demo-db-1  Error"


def test_an_exited_container_will_not_become_healthy(tmp_path: Path) -> None:
    look = _Look(tmp_path, ContainerState("exited", exit_code=2), log=["out of memory"])
    text, _ = _fails(_wait(plans.HEALTHY), look)
    assert text == (
        "dependency failed to start: container demo-db-1 exited (2)\n"
        "  the last that demo-db-1 wrote:\n    out of memory"
    )


def test_one_without_a_probe_can_not_be_healthy(tmp_path: Path) -> None:
    text, _ = _fails(_wait(plans.HEALTHY), _Look(tmp_path, ContainerState("running", 1, 1), probe=False))
    assert text == "dependency failed to start: container demo-db-1 has no healthcheck configured"


def test_a_removed_container_ends_the_wait(tmp_path: Path) -> None:
    text, _ = _fails(_wait(plans.HEALTHY), _Look(tmp_path, _health("starting"), None))
    assert text == "dependency failed to start: container demo-db-1 was removed while it was waited for"


def test_a_container_that_somebody_stops_is_not_called_unhealthy(tmp_path: Path) -> None:
    (tmp_path / "stopped").write_bytes(b"")
    text, _ = _fails(_wait(plans.HEALTHY), _Look(tmp_path, _health("unhealthy")))
    assert text == "dependency failed to start: container demo-db-1 was stopped while it was waited for"


def test_the_verdict_on_an_earlier_run_says_nothing_about_this_one(tmp_path: Path) -> None:
    (tmp_path / "health.json").write_text("{}")
    later = (tmp_path / "health.json").stat().st_mtime_ns + 10**9
    stale = _health("unhealthy")._replace(started_ns=later)
    await_condition(_wait(plans.HEALTHY), _Look(tmp_path, stale, _health("healthy")), Quiet(), Cancel(20))


def test_completion_is_an_exit_with_zero(tmp_path: Path) -> None:
    watcher = _Watcher()
    look = _Look(tmp_path, ContainerState("running", 1, 1), ContainerState("exited"))
    await_condition(_wait(plans.COMPLETED), look, watcher, Cancel(20))
    assert watcher.shown == ["Container demo-db-1  Waiting", "Container demo-db-1  Exited"]


def test_another_exit_is_an_error_with_its_code_and_its_last_lines(tmp_path: Path) -> None:
    look = _Look(tmp_path, ContainerState("exited", exit_code=3), log=["line 1", "accuracy 0.2 < 0.9"])
    text, watcher = _fails(_wait(plans.COMPLETED), look)
    assert text.splitlines() == [
        'service "db" didn\'t complete successfully: exit 3', "  the last that demo-db-1 wrote:", "    line 1",
        "    accuracy 0.2 < 0.9",
    ]  # fmt: skip
    assert watcher.shown[-1] == 'Container demo-db-1  service "db" didn\'t complete successfully: exit 3'


def test_a_dependency_that_is_not_required_is_warned_of(tmp_path: Path) -> None:
    watcher = _Watcher()
    look = _Look(tmp_path, ContainerState("exited", exit_code=3))
    await_condition(_wait(plans.COMPLETED, required=False), look, watcher, Cancel(20))
    words = 'optional dependency "db" didn\'t complete successfully: exit 3'
    assert watcher.shown[-1] == f"Container demo-db-1  Skipped: {words}"
    assert watcher.warnings == [words]
    await_condition(_wait(plans.HEALTHY, required=False), _Look(tmp_path, _health("unhealthy")), watcher, Cancel(20))
    assert watcher.warnings[1] == 'optional dependency "db" failed to start: container demo-db-1 is unhealthy'


def test_running_is_enough_where_there_is_no_probe(tmp_path: Path) -> None:
    await_condition(
        _wait(RUNNING), _Look(tmp_path, ContainerState("running", 1, 1, started_ns=1), probe=False), Quiet(), Cancel(20)
    )
    text, _ = _fails(_wait(RUNNING), _Look(tmp_path, ContainerState("exited", exit_code=1), probe=False))
    assert text == "container demo-db-1 exited (1)"


def test_work_that_is_done_is_as_good_as_running_and_a_server_that_ends_is_not(tmp_path: Path) -> None:
    watcher = _Watcher()
    done = ContainerState("exited", exit_code=0)
    await_condition(_wait(RUNNING), _Look(tmp_path, done, probe=False), watcher, Cancel(20))
    assert watcher.shown[-1] == "Container demo-db-1  Exited"
    assert _fails(_wait(RUNNING), _Look(tmp_path, done, probe=True))[0] == "container demo-db-1 exited (0)"


def test_one_that_was_paused_is_unhealthy_until_a_probe_says_more(tmp_path: Path) -> None:
    unpaused = ContainerState(
        "running", 1, health={"Status": "unhealthy", "FailingStreak": 0, "Log": [{"ExitCode": 0}]}
    )
    await_condition(_wait(plans.HEALTHY), _Look(tmp_path, unpaused, _health("healthy")), Quiet(), Cancel(20))
    text, _ = _fails(_wait(plans.HEALTHY), _Look(tmp_path, unpaused._replace(status="paused")))
    assert text == "dependency failed to start: container demo-db-1 is paused"


def test_one_that_is_unhealthy_because_it_ended_has_exited(tmp_path: Path) -> None:
    ending = ContainerState("running", 2**22 + 1, health={"Status": "unhealthy", "FailingStreak": 0, "Log": []})
    look = _Look(tmp_path, ending, ContainerState("exited", exit_code=9), log=["no memory"])
    text, _ = _fails(_wait(plans.HEALTHY), look)
    assert (
        text
        == "dependency failed to start: container demo-db-1 exited (9)\n  the last that demo-db-1 wrote:\n    no memory"
    )


def test_one_that_is_restarted_by_its_policy_is_waited_for(tmp_path: Path) -> None:
    look = _Look(tmp_path, ContainerState("restarting", exit_code=1), _health("starting"), _health("healthy"))
    await_condition(_wait(RUNNING), look, Quiet(), Cancel(20))


def test_a_started_service_is_not_waited_for(tmp_path: Path) -> None:
    await_condition(_wait(plans.STARTED), _Look(tmp_path, None), Quiet(), Cancel(20))


def test_a_wait_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set("interrupted")
    with pytest.raises(Cancelled, match="interrupted"):
        await_condition(_wait(plans.HEALTHY), _Look(tmp_path, _health("starting")), Quiet(), cancel)
