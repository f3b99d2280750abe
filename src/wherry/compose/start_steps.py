"""The last part of a plan: start what does not run, each service behind what it depends on. Pure."""

from __future__ import annotations

from wherry.compose.order import dependencies
from wherry.compose.plan import COMPLETED, HEALTHY, Cause, ContainerRef, Plan, RunHook, StartContainer, WaitFor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Service
    from wherry.compose.observe import ObservedContainer
    from wherry.compose.reconcile_steps import Steps

__all__ = ["Starts"]


class Starts:
    """Goes on with the steps of `Steps`."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._planner = steps.planner
        self._ready: dict[str, list[int]] = {}
        """By service, the last steps of the start of its containers."""
        self._begun: set[str] = set()
        """Services of which something is started."""
        self._waits: dict[tuple[str, str, bool], int] = {}
        self._unchanged: list[ContainerRef] = []

    def plan(self) -> Plan:
        for name in self._steps.order:
            if name in self._steps.providers:
                self._ready[name] = [self._steps.providers[name]]
            else:
                self._start(self._steps.project.services[name])
        return self._planner.plan(unchanged=tuple(self._unchanged))

    def _start(self, service: Service) -> None:
        ready = self._ready.setdefault(service.name, [])
        needs = self._conditions(service)
        networks = [self._steps.networks[key] for key in service.networks if key in self._steps.networks]
        for ref, there, before in self._steps.members.get(service.name, ()):
            # As docker-compose, which can't start a paused one, and says so
            if there is not None and _runs(there) and there.id not in self._steps.stopped:
                self._unchanged.append(ref)
                continue
            last = self._planner.add(StartContainer(ref), self._why(there), [*needs, *networks, *before])
            for place in range(len(service.post_start)):
                last = self._planner.add(RunHook(ref, "post_start", place), Cause("hook", "it has started"), [last])
            ready.append(last)
            self._begun.add(service.name)

    def _why(self, there: ObservedContainer | None) -> Cause:
        if there is None:
            return Cause("start", "it is new")
        if there.is_running and there.id in self._steps.stops:
            return self._steps.stops[there.id]
        if there.status == "exited":
            return Cause("start", f"it has exited with code {there.exit_code}")
        return Cause("start", "it was never started" if there.status == "created" else f"it is {there.status}")

    def _conditions(self, service: Service) -> list[int]:
        """The steps after which its containers may start."""
        needs: list[int] = [*self._steps.cleared]
        for name in sorted(dependencies(service)):
            if name not in self._steps.project.services:
                continue
            needs += self._ready.get(name, ())
            dependency = service.depends_on.get(name)
            if dependency is None or dependency.condition not in (HEALTHY, COMPLETED):
                continue
            waited = self._wait(name, dependency.condition, is_required=dependency.required)
            if waited:
                needs.append(waited)
        return needs

    def _wait(self, name: str, condition: str, *, is_required: bool) -> int:
        """The step that waits, 0 where nothing has to be waited for."""
        members = self._steps.members.get(name, ())
        if not members or (name not in self._begun and _is_fulfilled([one for _, one, _ in members], condition)):
            return 0
        key = (name, condition, is_required)
        if key not in self._waits:
            refs = tuple(ref for ref, _, _ in members)
            users = self._dependents(*key)
            depend = "depends" if len(users) == 1 else "depend"
            cause = Cause("depends", f"{', '.join(users)} {depend} on it")
            self._waits[key] = self._planner.add(WaitFor(name, condition, refs, is_required), cause, self._ready[name])
        return self._waits[key]

    def _dependents(self, name: str, condition: str, is_required: bool) -> list[str]:
        found = []
        for other in self._steps.order:
            one = self._steps.project.services[other].depends_on.get(name)
            if one is not None and one.condition == condition and one.required is is_required:
                found.append(other)
        return found


def _runs(container: ObservedContainer) -> bool:
    return container.is_running and container.status != "paused"


def _is_fulfilled(members: list[ObservedContainer | None], condition: str) -> bool:
    """Of containers that nothing is done to."""
    if condition == HEALTHY:
        return all(one is not None and one.status == "running" and one.health == "healthy" for one in members)
    return all(one is not None and one.status == "exited" and one.exit_code == 0 for one in members)
