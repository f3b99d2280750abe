"""start, stop, restart, kill, pause, unpause, rm and wait as library calls: containers that are there.

Each makes a plan (`lifecycle_plan`) of what is there now, under the project's lock, and runs it. `project` None does
without files: labels say what belongs to it. All raise NotFound for a service that there is not, and Cancelled.
"""

from __future__ import annotations

from wherry.compose import plan as plans
from wherry.compose.lifecycle_plan import Subject, each_plan, remove_plan, restart_plan, start_plan, stop_plan
from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.model import Project
    from wherry.compose.observe import ObservedContainer
    from wherry.compose.plan import ContainerRef, Plan
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = [
    "Lifecycle", "kill_plan", "pause_plan", "plan_remove", "plan_restart", "plan_start", "plan_stop", "removable",
    "unpause_plan", "wait_first",
]  # fmt: skip


class Lifecycle(NamedTuple):
    """One command on what is there of project `name`. `services` () are all."""

    engine: Engine
    name: str
    project: Project | None
    services: tuple[str, ...]
    progress: Progress
    cancel: Cancel
    verb: str
    parallel: int = -1

    def subject(self) -> Subject:
        """What is there now. Raises: NotFound for a service that there is not."""
        from wherry.compose.observe import observe

        return Subject(observe(self.engine, self.name), self.project, self.services)

    def run(
        self, make: Callable[[Subject], Plan], *, keep_going: bool = False,
        on_start: Callable[[ContainerRef, int], None] | None = None,
    ) -> Plan:  # fmt: skip
        """Plan and do it under the lock; what was planned. Raises: what `make` does, and the first failure."""
        from wherry.compose.lock import ProjectLock

        folder = f"{self.engine.settings.paths.run}/compose"
        with ProjectLock(folder, self.name, self.verb, say=self.progress.note, cancel=self.cancel) as lock:
            plan = make(self.subject())
            if plan.is_empty:
                return plan
            from wherry.compose.execute import execute
            from wherry.compose.perform import Performer

            work = Performer(self.engine, self.project, self.progress, on_start)
            execute(plan, work, cancel=self.cancel, lock=lock, limit=self.parallel, keep_going=keep_going)
        if work.faults:
            raise work.faults[0]
        return plan


def plan_start(subject: Subject) -> Plan:
    """`start`. Raises: WherryError for a service without containers."""
    return start_plan(subject)


def plan_stop(timeout_s: int | None) -> Callable[[Subject], Plan]:
    """`stop`."""
    return lambda subject: stop_plan(subject, timeout_s)


def plan_restart(timeout_s: int | None, *, dependents: bool) -> Callable[[Subject], Plan]:
    """`restart`. Raises: WherryError when there is nothing to restart."""
    return lambda subject: restart_plan(subject, timeout_s, dependents=dependents)


def plan_remove(*, stop: bool, volumes: bool) -> Callable[[Subject], Plan]:
    """`rm`."""
    return lambda subject: remove_plan(subject, stop=stop, volumes=volumes)


def removable(subject: Subject, *, stop: bool) -> list[str]:
    """The names of the containers that `rm` is about."""
    found = [one for name in subject.order(subject.asked) for one in subject.of(name)]
    return [one.name for one in found if stop or not one.is_running]


def _running(subject: Subject) -> list[ObservedContainer]:
    return [one for name in subject.order(subject.asked) for one in subject.of(name) if one.is_running]


def kill_plan(signal: str, *, orphans: bool = False) -> Callable[[Subject], Plan]:
    """`kill`: those of the services asked for, and of `run`; with `orphans` those of no service of the project too."""

    def make(subject: Subject) -> Plan:
        observed = subject.observed.containers
        known = subject.edges
        found = [
            one for one in observed
            if one.is_running and (one.service in subject.asked or (orphans and one.service not in known))
        ]  # fmt: skip
        return each_plan(found, lambda ref: plans.KillContainer(ref, signal))

    return make


def pause_plan(subject: Subject) -> Plan:
    """`pause`."""
    return each_plan(_running(subject), plans.PauseContainer)


def unpause_plan(subject: Subject) -> Plan:
    """`unpause`."""
    return each_plan(_running(subject), plans.UnpauseContainer)


def wait_first(engine: Engine, subject: Subject) -> tuple[str, int]:
    """Wait for the first container of those services that stops: (its whole id, its exit code).

    Raises: WherryError when there are none.
    """
    # Differs from docker: one that has ended already is not waited for, and answers; docker-compose knows only of those
    # that run, so that `up -d` and `wait` fail when the job was quick
    containers = [one for name in subject.order(subject.asked) for one in subject.of(name) if one.status != "created"]
    if not containers:
        raise WherryError(f'no containers for project "{subject.observed.project}"')
    for one in containers:
        if not one.is_running:
            return one.id, one.exit_code
    return _first_end(engine, containers)


def _first_end(engine: Engine, containers: Sequence[ObservedContainer]) -> tuple[str, int]:
    from _queue import SimpleQueue
    from _thread import start_new_thread

    from wherry.cancel import Cancel as NewCancel
    from wherry.errors import Cancelled

    ended: SimpleQueue[tuple[str, int]] = SimpleQueue()
    others = NewCancel()

    def wait(id: str) -> None:
        try:
            ended.put((id, engine.containers.wait(id, others)))
        except Cancelled:
            ended.put((id, -1))

    for one in containers:
        start_new_thread(wait, (one.id,))
    try:
        return ended.get()
    finally:
        others.set()
