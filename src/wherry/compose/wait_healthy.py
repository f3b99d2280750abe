"""The end of `up --wait`: all services running, or healthy, or completed where somebody waits for that."""

from __future__ import annotations

from wherry.cancel import Cancel
from wherry.compose.conditions import RUNNING
from wherry.compose.plan import COMPLETED, Cause, ContainerRef, Planner, WaitFor
from wherry.errors import Cancelled, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Project
    from wherry.compose.observe import Observed
    from wherry.compose.plan import Plan
    from wherry.compose.progress import Progress
    from wherry.engine import Engine

__all__ = ["await_running", "wait_plan"]

_CAUSE = Cause("depends", "it is asked for")


class _Linked(Cancel):
    """Ends with another one, or at a deadline of its own."""

    def __init__(self, outer: Cancel, timeout_s: float | None) -> None:
        super().__init__(timeout_s)
        self._outer = outer

    def is_set(self) -> bool:
        if self._outer.is_set():
            self.set(self._outer.reason)
        return super().is_set()


def await_running(
    engine: Engine, project: Project, progress: Progress, cancel: Cancel, timeout_s: int | None = None
) -> None:
    """Raises: ConditionFailed, WherryError when `timeout_s` is over, Cancelled."""
    from wherry.compose.execute import NO_LOCK, execute
    from wherry.compose.observe import observe
    from wherry.compose.perform import Performer

    both = _Linked(cancel, timeout_s)
    work = Performer(engine, project, progress)

    try:
        execute(wait_plan(project, observe(engine, project.name)), work, cancel=both, lock=NO_LOCK)
    except Cancelled:
        if cancel.is_set() or timeout_s is None:
            raise
        from wherry.runtime.monitor_health import go_duration

        # docker-compose's words
        raise WherryError(
            f"application not healthy after {go_duration(float(timeout_s))}",
            hint="wherry compose ps shows who is not; wherry compose logs why",
        ) from None


def wait_plan(project: Project, observed: Observed) -> Plan:
    """One wait for each service that has containers. Pure."""
    completing = {
        name
        for service in project.services.values()
        for name, dependency in service.depends_on.items()
        if dependency.condition == COMPLETED
    }
    planner = Planner()
    for name in project.services:
        refs = tuple(ContainerRef(one.name, one.id, name, one.number) for one in observed.of_service(name))
        if refs:
            planner.add(WaitFor(name, COMPLETED if name in completing else RUNNING, refs), _CAUSE)
    return planner.plan()
