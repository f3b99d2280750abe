"""Order, limits, failure and cancellation of a plan's steps; what the steps do is the test's own."""

from __future__ import annotations

import threading

import pytest

from wherry.cancel import Cancel
from wherry.compose.execute import execute
from wherry.compose.plan import Cause, ContainerRef, CreateNetwork, Plan, Planner, Step, StopContainer, WaitFor
from wherry.errors import Cancelled, Conflict

_CAUSE = Cause("missing", "it is missing")


class _Lock:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_held = False

    def acquire(self) -> None:
        if not self.is_held:
            self.told.append("acquire")
        self.is_held = True

    def release(self) -> None:
        if self.is_held:
            self.told.append("release")
        self.is_held = False


class _Work:
    """Writes down what begins and ends; a step of `faults` fails; those of `slow` wait until they are let go."""

    def __init__(self, faults: dict[int, BaseException] | None = None, together: int = 1) -> None:
        self.faults = faults or {}
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.running = self.most = 0
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(together)

    def __call__(self, step: Step, cancel: Cancel) -> None:
        with self._lock:
            self.begun.append(step.id)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if self._meeting.parties > 1:
                self._meeting.wait(10)
            if fault := self.faults.get(step.id):
                raise fault
        finally:
            with self._lock:
                self.running -= 1
                self.ended.append(step.id)


def _plan(*needs: tuple[int, ...]) -> Plan:
    planner = Planner()
    for number, one in enumerate(needs, 1):
        planner.add(CreateNetwork(f"n{number}", f"p_n{number}"), _CAUSE, one)
    return planner.plan()


def test_a_step_begins_once_all_that_it_needs_have_ended() -> None:
    work = _Work()
    execute(_plan((), (1,), (1,), (2, 3)), work, cancel=Cancel(), lock=_Lock())
    assert work.begun[0] == 1
    assert work.begun[-1] == 4
    assert sorted(work.ended) == [1, 2, 3, 4]


def test_steps_that_do_not_need_each_other_run_side_by_side() -> None:
    work = _Work(together=3)
    execute(_plan((), (), ()), work, cancel=Cancel(), lock=_Lock())
    assert work.most == 3


def test_no_more_run_at_once_than_the_limit_says_and_in_the_order_of_the_plan() -> None:
    work = _Work()
    execute(_plan((), (), (), (), ()), work, cancel=Cancel(), lock=_Lock(), limit=1)
    assert (work.most, work.begun) == (1, [1, 2, 3, 4, 5])
    work = _Work(together=2)
    execute(_plan((), (), (), ()), work, cancel=Cancel(), lock=_Lock(), limit=2)
    assert work.most == 2


def test_after_the_first_failure_nothing_new_begins_and_its_error_is_raised() -> None:
    work = _Work({1: Conflict("port is taken")})
    cancel = Cancel()
    with pytest.raises(Conflict, match="port is taken"):
        execute(_plan((), (1,), (2,), ()), work, cancel=cancel, lock=_Lock(), limit=1)
    assert work.begun == [1]
    assert cancel.is_set()


def test_what_runs_beside_a_failure_is_waited_for_and_its_cancellation_is_not_the_error() -> None:
    ended = threading.Event()

    def work(step: Step, cancel: Cancel) -> None:
        if step.id == 1:
            raise Conflict("port is taken")
        assert cancel.wait(10)
        ended.set()
        raise Cancelled("cancelled")

    with pytest.raises(Conflict, match="port is taken"):
        execute(_plan((), ()), work, cancel=Cancel(), lock=_Lock())
    assert ended.is_set()


def test_a_teardown_goes_on_with_what_does_not_need_the_failed_step() -> None:
    work = _Work({1: Conflict("stuck")})
    with pytest.raises(Conflict, match="stuck"):
        execute(_plan((), (1,), (), (3,), (2, 4)), work, cancel=Cancel(), lock=_Lock(), keep_going=True)
    assert sorted(work.begun) == [1, 3, 4]


def test_a_cancelled_run_begins_nothing_more_and_says_so() -> None:
    cancel = Cancel()
    begun = []

    def work(step: Step, cancel: Cancel) -> None:
        begun.append(step.id)
        cancel.set("interrupted")

    with pytest.raises(Cancelled, match="interrupted"):
        execute(_plan((), (1,)), work, cancel=cancel, lock=_Lock())
    assert begun == [1]
    with pytest.raises(Cancelled):
        execute(_plan(()), work, cancel=cancel, lock=_Lock())
    assert begun == [1]


def test_a_program_error_in_a_step_is_raised_too() -> None:
    work = _Work({1: ZeroDivisionError("oh")})
    with pytest.raises(ZeroDivisionError):
        execute(_plan(()), work, cancel=Cancel(), lock=_Lock())


def test_the_lock_is_given_away_while_all_that_runs_is_waiting() -> None:
    planner = Planner()
    first = planner.add(CreateNetwork("a", "p_a"), _CAUSE)
    waited = planner.add(WaitFor("db", "service_healthy", (ContainerRef("p-db-1"),)), _CAUSE, (first,))
    planner.add(CreateNetwork("b", "p_b"), _CAUSE, (waited,))
    lock, seen = _Lock(), []

    def work(step: Step, cancel: Cancel) -> None:
        while isinstance(step.operation, WaitFor) and lock.is_held:
            assert not cancel.wait(0.001)
        seen.append((step.id, lock.is_held))

    execute(planner.plan(), work, cancel=Cancel(), lock=lock)
    assert seen == [(1, True), (2, False), (3, True)]
    assert lock.told == ["acquire", "release", "acquire"]


def test_waiting_does_not_count_against_the_limit() -> None:
    planner = Planner()
    refs = (ContainerRef("p-db-1"),)
    for _ in range(3):
        planner.add(WaitFor("db", "service_healthy", refs), _CAUSE)
    planner.add(CreateNetwork("a", "p_a"), _CAUSE)
    work = _Work(together=4)
    execute(planner.plan(), work, cancel=Cancel(), lock=_Lock(), limit=1)
    assert work.most == 4


def test_containers_are_stopped_all_at_once_unless_there_is_a_limit() -> None:
    planner = Planner()
    for number in range(40):
        planner.add(StopContainer(ContainerRef(f"p-web-{number}")), _CAUSE)
    work = _Work(together=40)
    execute(planner.plan(), work, cancel=Cancel(), lock=_Lock())
    assert work.most == 40
    work = _Work()
    execute(planner.plan(), work, cancel=Cancel(), lock=_Lock(), limit=3)
    assert work.most <= 3


def test_an_empty_plan_is_done_at_once_and_takes_no_lock() -> None:
    lock = _Lock()
    execute(Plan(), _Work(), cancel=Cancel(), lock=lock)
    assert not lock.told
