"""Plans for containers that are there: start, stop, restart, kill, pause, remove. Pure.

With the project's files its services count, and their order; without, the services of its containers, and the order
that their labels say.
"""

from __future__ import annotations

from wherry.compose import plan as plans
from wherry.compose.observe import depends_on
from wherry.compose.order import dependencies, sort
from wherry.compose.plan import COMPLETED, HEALTHY, Cause, ContainerRef, Plan, Planner
from wherry.errors import NotFound, WherryError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import NamedTuple

    from wherry.compose.model import Project
    from wherry.compose.observe import Observed, ObservedContainer
    from wherry.compose.plan import Operation
else:
    from wherry.lean import NamedTuple

__all__ = ["Subject", "each_plan", "remove_plan", "restart_plan", "start_plan", "stop_plan"]

_ASKED = Cause("asked", "it is asked for")
_RESTARTED = Cause("restart", "it is asked for")


class Dependency(NamedTuple):
    """How a service depends on another one."""

    condition: str
    restart: bool
    required: bool = True


class Subject:
    """What a command is about: what is there of a project, its files if they are at hand, and which services.

    Raises: NotFound for a service that there is not.
    """

    def __init__(self, observed: Observed, project: Project | None, services: Collection[str] = ()) -> None:
        self.observed, self.project = observed, project
        self.edges = _edges(observed, project)
        for name in services:
            if name not in self.edges:
                close = nearest(name, sorted(self.edges))
                raise NotFound(f"no such service: {name}", hint=f"did you mean {close}?" if close else None)
        self.asked = set(services or self.edges)

    def of(self, name: str) -> tuple[ObservedContainer, ...]:
        """The service's containers, without those of `run`."""
        return self.observed.of_service(name)

    def order(self, names: Collection[str]) -> list[str]:
        """Dependencies first."""
        return sort({name: set(self.edges[name]) & set(names) for name in names})

    def with_dependencies(self) -> set[str]:
        found, todo = set(self.asked), list(self.asked)
        while todo:
            new = set(self.edges[todo.pop()]) - found
            found |= new
            todo += new
        return found

    def with_dependents(self) -> set[str]:
        """Those asked for, and those that are to be restarted with them."""
        found, grown = set(self.asked), True
        while grown:
            more = {
                name
                for name, edges in self.edges.items()
                if any(other in found and edge.restart for other, edge in edges.items())
            }
            grown = not more <= found
            found |= more
        return found

    def hooks(self, name: str, kind: str) -> int:
        service = self.project.all_services().get(name) if self.project else None
        return len(getattr(service, kind)) if service else 0


def _edges(observed: Observed, project: Project | None) -> dict[str, dict[str, Dependency]]:
    if project is not None:
        known = project.services
        return {
            name: {
                other: Dependency(one.condition, one.restart, one.required)
                if (one := service.depends_on.get(other))
                else Dependency(plans.STARTED, restart=False)
                for other in sorted(dependencies(service))
                if other in known
            }
            for name, service in known.items()
        }
    found: dict[str, dict[str, Dependency]] = {}
    for container in observed.containers:
        if not container.one_off:
            edges = found.setdefault(container.service, {})
            edges |= {name: Dependency(*told) for name, told in depends_on(container).items()}
    return {name: {other: edge for other, edge in edges.items() if other in found} for name, edges in found.items()}


def reference(container: ObservedContainer) -> ContainerRef:
    return ContainerRef(container.name, container.id, container.service, container.number)


def _hooks(planner: Planner, subject: Subject, ref: ContainerRef, kind: str, needs: Iterable[int]) -> list[int]:
    last = list(needs)
    when = "before it stops" if kind == "pre_stop" else "it has started"
    for place in range(subject.hooks(ref.service, kind)):
        last = [planner.add(plans.RunHook(ref, kind, place), Cause("hook", when), last)]
    return last


def stop_plan(subject: Subject, timeout_s: int | None) -> Plan:
    """Dependents before what they depend on."""
    planner = Planner()
    _stop(planner, subject, timeout_s)
    return planner.plan()


def _stop(planner: Planner, subject: Subject, timeout_s: int | None) -> dict[str, list[int]]:
    """By a container's id, what is to be waited for until it has stopped."""
    ended: dict[str, list[int]] = {}
    stopped: dict[str, list[int]] = {}
    for name in reversed(subject.order(subject.asked)):
        before = [id for other in subject.asked if name in subject.edges[other] for id in stopped.get(other, ())]
        for one in subject.of(name):
            needs = before
            if one.is_running:
                hooked = _hooks(planner, subject, reference(one), "pre_stop", before)
                needs = [planner.add(plans.StopContainer(reference(one), timeout_s), _ASKED, hooked)]
            ended[one.id] = needs
            stopped.setdefault(name, []).extend(needs)
    return ended


def remove_plan(subject: Subject, *, stop: bool, volumes: bool, timeout_s: int | None = None) -> Plan:
    """Those that do not run; all of them with `stop`."""
    planner = Planner()
    ended = _stop(planner, subject, timeout_s) if stop else {}
    for name in subject.order(subject.asked):
        for one in subject.of(name):
            if stop or not one.is_running:
                operation = plans.RemoveContainer(reference(one), volumes=volumes, force=stop)
                planner.add(operation, _ASKED, ended.get(one.id, ()))
    return planner.plan()


def start_plan(subject: Subject) -> Plan:
    """With what they depend on, each behind its conditions. Raises: WherryError for a service without containers."""
    planner = Planner()
    names = subject.with_dependencies()
    ready: dict[str, list[int]] = {}
    waits: dict[tuple[str, str], int] = {}
    for name in subject.order(names):
        containers, edges = subject.of(name), subject.edges[name].items()
        if not containers and _wants_some(subject, name):
            raise WherryError(f'service "{name}" has no container to start', hint="wherry compose up -d")
        needs = [id for other, _ in edges for id in ready.get(other, ())]
        needs += [_wait(planner, subject, other, edge, ready, waits) for other, edge in edges]
        last = ready.setdefault(name, [])
        for one in containers:
            if not one.is_running:
                cause = Cause("start", f"it is {one.status}")
                started = planner.add(plans.StartContainer(reference(one)), cause, [id for id in needs if id])
                last += _hooks(planner, subject, reference(one), "post_start", [started])
    return planner.plan()


def _wants_some(subject: Subject, name: str) -> bool:
    service = subject.project.services.get(name) if subject.project else None
    return service is None or (service.replicas > 0 and service.provider is None)


def _wait(
    planner: Planner, subject: Subject, name: str, edge: Dependency, ready: dict[str, list[int]],
    waits: dict[tuple[str, str], int],
) -> int:  # fmt: skip
    """The step that waits for the condition, 0 where there is none; one for all that wait for the same."""
    refs = tuple(map(reference, subject.of(name)))
    if edge.condition not in (HEALTHY, COMPLETED) or not refs:
        return 0
    key = (name, edge.condition)
    if key not in waits:
        operation = plans.WaitFor(name, edge.condition, refs, edge.required)
        waits[key] = planner.add(operation, Cause("depends", "others depend on it"), ready.get(name, ()))
    return waits[key]


def restart_plan(subject: Subject, timeout_s: int | None, *, dependents: bool = True) -> Plan:
    """Stop and start, at once for all that need not wait for each other: only those that are to restart with what they
    depend on come behind that. With `dependents`, those come along."""
    planner = Planner()
    names = subject.with_dependents() if dependents else set(subject.asked)
    done: dict[str, list[int]] = {}
    for name in subject.order(names):
        edges = subject.edges[name].items()
        before = [id for other, edge in edges if edge.restart and dependents for id in done.get(other, ())]
        cause = _RESTARTED if name in subject.asked else Cause("restart", "it restarts with what it depends on")
        for one in subject.of(name):
            ref = reference(one)
            hooked = _hooks(planner, subject, ref, "pre_stop", before) if one.is_running else before
            stopped = planner.add(plans.StopContainer(ref, timeout_s), cause, hooked)
            started = planner.add(plans.StartContainer(ref), cause, [stopped])
            done.setdefault(name, []).extend(_hooks(planner, subject, ref, "post_start", [started]))
    return planner.plan()


def each_plan(
    containers: Sequence[ObservedContainer], operation: Callable[[ContainerRef], Operation]
) -> Plan:  # fmt: skip
    """The same to each, all at once."""
    planner = Planner()
    for one in containers:
        planner.add(operation(reference(one)), _ASKED)
    return planner.plan()
