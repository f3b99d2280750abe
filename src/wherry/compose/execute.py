"""Running a plan: each step once all that it needs are done, as many side by side as there may be.

The steps' own work is somebody else's (`perform.Performer`, or a test's). Here is order, limits, and the end:
the first failure lets the steps that run come to their end and begins no other. What is done by then stays, as with
docker-compose: a container that was created is there to be looked at, and the next `up` goes on from it.
"""

from __future__ import annotations

from _thread import start_new_thread

from wherry.compose.plan import StopContainer, WaitFor
from wherry.errors import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from wherry.cancel import Cancel
    from wherry.compose.plan import Plan, Step
else:
    from wherry.lean import Protocol

__all__ = ["NO_LOCK", "Lock", "Work", "execute"]

# More at once than a machine has use for makes each of them slow, and a failure late
_MOST = 16


class Work(Protocol):
    """Does one step; called from many threads. Returns soon after `cancel` is set when it merely waits.

    Raises: what stood in the way, and Cancelled.
    """

    def __call__(self, step: Step, cancel: Cancel) -> None: ...


class Lock(Protocol):
    """Held while something is changed, given away while all that goes on is waiting (`lock.ProjectLock`)."""

    def acquire(self) -> None: ...

    def release(self) -> None: ...


class _NoLock:
    def acquire(self) -> None: ...

    def release(self) -> None: ...


NO_LOCK: Lock = _NoLock()
"""For steps that change no project: images belong to nobody."""


def execute(
    plan: Plan, work: Work, *, cancel: Cancel, lock: Lock, limit: int = -1, keep_going: bool = False
) -> None:  # fmt: skip
    """Run all steps of `plan`. `limit` is how many at once, -1 as many as are good; steps that wait are not counted.

    `keep_going` does, after a failure, whatever does not need the step that failed: for `down`, which is to leave as
    little as it can. The lock is taken when it is needed, and may be held or not afterwards.
    Raises: the first failure; Cancelled when `cancel` was set by somebody else.
    """
    _Run(plan, work, cancel, lock, limit, keep_going=keep_going).go()


class _Run:
    def __init__(self, plan: Plan, work: Work, cancel: Cancel, lock: Lock, limit: int, *, keep_going: bool) -> None:
        from _queue import SimpleQueue

        self._work, self._cancel, self._lock = work, cancel, lock
        self._limit, self._keep_going = limit, keep_going
        self._steps = {step.id: step for step in plan.steps}
        self._missing = {step.id: len(step.needs) for step in plan.steps}
        self._dependents: dict[int, list[int]] = {}
        for step in plan.steps:
            for need in step.needs:
                self._dependents.setdefault(need, []).append(step.id)
        # In the plan's order: it is one in which they could run one after the other
        self._ready = [step.id for step in plan.steps if not step.needs]
        self._running: set[int] = set()
        self._ended: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._fault: BaseException | None = None

    def go(self) -> None:
        try:
            while True:
                self._begin_what_may()
                if not self._running:
                    break
                # Interrupted by signals, whose handlers may set `cancel`: the running steps heed it, and end
                self._end(*self._ended.get())
        finally:
            self._drain()
        if self._fault is not None:
            raise self._fault
        self._cancel.check()

    def _drain(self) -> None:
        """After a second ^C, or when the lock could not be had: nothing may go on behind the caller's back."""
        if self._running:
            self._cancel.set()
        while self._running:
            self._end(*self._ended.get())

    def _begin_what_may(self) -> None:
        if self._cancel.is_set() or (self._fault is not None and not self._keep_going):
            self._ready.clear()
        held_back = []
        for id in self._ready:
            if self._has_room(self._steps[id]):
                self._begin(self._steps[id])
            else:
                held_back.append(id)
        self._ready = held_back
        if self._running and all(_waits(self._steps[id]) for id in self._running):
            self._lock.release()

    def _has_room(self, step: Step) -> bool:
        if _waits(step):
            return True
        if self._limit > 0:
            return sum(not _waits(self._steps[id]) for id in self._running) < self._limit
        # Ten seconds of patience with one container must not hold up the others
        return _is_patient(step) or sum(not _is_patient(self._steps[id]) for id in self._running) < _MOST

    def _begin(self, step: Step) -> None:
        if not _waits(step):
            self._lock.acquire()
        self._running.add(step.id)

        def run() -> None:
            fault: BaseException | None = None
            try:
                self._work(step, self._cancel)
            except BaseException as one:
                fault = one
            self._ended.put((step.id, fault))

        start_new_thread(run, ())

    def _end(self, id: int, fault: BaseException | None) -> None:
        self._running.discard(id)
        if fault is not None:
            self._fail(fault)
            return
        for dependent in self._dependents.get(id, ()):
            self._missing[dependent] -= 1
            if not self._missing[dependent]:
                self._ready.append(dependent)
        self._ready.sort()

    def _fail(self, fault: BaseException) -> None:
        # Cancelled ones are the consequence of another's failure, or of ^C, which is told below
        if self._fault is None and not isinstance(fault, Cancelled):
            self._fault = fault
        if not self._keep_going:
            self._cancel.set()


def _waits(step: Step) -> bool:
    return isinstance(step.operation, WaitFor)


def _is_patient(step: Step) -> bool:
    return isinstance(step.operation, WaitFor | StopContainer)
