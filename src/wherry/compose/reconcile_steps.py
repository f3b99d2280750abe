"""Decisions about a project's resources and containers, put into steps in an order that can be run. Pure.

The order: what is in the way goes (orphans, leftovers); networks and volumes; containers are created beside the old
ones; the old ones stop, dependents first, and are removed; the new ones get their names; all that does not run is
started, each service behind what it depends on. Where a network or volume is made anew, containers stop before that.
"""

from __future__ import annotations

from wherry.compose.container_names import container_name, is_temporary, temporary_name
from wherry.compose.decide import Decision, ReconcileOptions, first_number
from wherry.compose.order import dependencies, in_order, parents
from wherry.compose.plan import (
    Cause,
    ContainerRef,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    Plan,
    Planner,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    RunProvider,
)
from wherry.compose.start_steps import Starts
from wherry.compose.stop_steps import reference, stop_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.compose.model import Project, Service
    from wherry.compose.observe import Observed, ObservedContainer
    from wherry.compose.reconcile_resources import Resources

__all__ = ["Steps"]

_RECREATED = Cause("recreate", "the new one takes its place")


class Steps:
    """One plan in the making. `created`, `stopped`, ... hold the ids of steps, by service or by a container's id."""

    def __init__(
        self,
        project: Project,
        observed: Observed,
        options: ReconcileOptions,
        wanted: Resources,
        decisions: dict[str, Decision],
    ) -> None:
        self.project, self.observed, self.options, self.wanted = project, observed, options, wanted
        self.decisions = decisions
        self.planner = Planner()
        self.order = in_order(project.services)
        self.cleared: tuple[int, ...] = ()
        """What is out of the way of all that is created."""
        self.networks: dict[str, int] = {}
        self.volumes: dict[str, int] = {}
        self.providers: dict[str, int] = {}
        self.created: dict[str, list[int]] = {}
        self.stopped: dict[str, tuple[int, ...]] = {}
        self.removed: dict[str, int] = {}
        self.members: dict[str, list[tuple[ContainerRef, ObservedContainer | None, tuple[int, ...]]]] = {}
        """What a service's containers will be: (its name at last, itself when it stays, steps until it can start)."""
        self.stops = self._stops()

    def plan(self, strays: Sequence[ObservedContainer]) -> Plan:
        self._clear(strays)
        if self.wanted.drifted_networks or self.wanted.drifted_volumes:
            self._stop_all(after_creation=False)
        self._make_networks()
        self._make_volumes()
        for name in self.order:
            self._create(name)
        self._stop_all(after_creation=True)
        for name, decision in self.decisions.items():
            self._replace(name, decision)
        self._forget_renamed()
        if not self.options.start:
            return self.planner.plan()
        return Starts(self).plan()

    def _stops(self) -> dict[str, Cause]:
        """The ids of the containers that have to stop, and why."""
        found: dict[str, Cause] = {}
        for decision in self.decisions.values():
            found |= {one.id: cause for one, cause in (*decision.recreate, *decision.remove)}
        networks = {self.project.networks[key].name for key in self.wanted.drifted_networks}
        for decision in self.decisions.values():
            for one in decision.keep:
                drifted = sorted(networks.intersection(one.networks))
                if drifted:
                    found.setdefault(one.id, Cause("network", f"network {drifted[0]} is made anew"))
        if self.options.start:
            self._add_dependents(found)
        return found

    def _add_dependents(self, found: dict[str, Cause]) -> None:
        """Running ones that are to be restarted with what they depend on, and those that depend on these."""
        again = {
            name
            for name, decision in self.decisions.items()
            if decision.recreate or any(one.id in found for one in decision.keep)
        }
        for name in self.order:
            decision = self.decisions.get(name)
            if decision is None:
                continue
            for needed, dependency in sorted(decision.service.depends_on.items()):
                if dependency.restart and needed in again:
                    cause = Cause("depends", f"it is to restart with service {needed}")
                    for one in decision.keep:
                        if one.is_running:
                            found.setdefault(one.id, cause)
                            again.add(name)

    def _clear(self, strays: Sequence[ObservedContainer]) -> None:
        orphan = Cause("orphan", "it belongs to no service of the project")
        leftover = Cause("leftover", "it is left of a recreation that did not come to its end")
        ended = Cause("orphan", "it is a one-off that has ended")
        gone = [(one, ended if one.one_off else orphan) for one in strays]
        gone += [(one, leftover) for decision in self.decisions.values() for one in decision.leftovers]
        cleared = []
        for one, cause in gone:
            last = stop_steps(self.planner, one, None, cause, (), self.options.timeout_s)
            cleared.append(self.planner.add(RemoveContainer(reference(one)), cause, last))
        self.cleared = tuple(cleared)

    def _stop_all(self, *, after_creation: bool) -> None:
        """Dependents before what they depend on. With `after_creation`, an old container stops once its successor and
        those of all that it depends on are there: a creation that fails stops nothing."""
        dependents: dict[str, list[str]] = {}
        for name in reversed(self.order):
            decision = self.decisions.get(name)
            if decision is None:
                continue
            needs = [id for other in dependents.get(name, ()) for id in self._stopped_of(other)]
            if after_creation:
                for other in self._reached(name):
                    needs += self.created.get(other, ())
            for one in self._there(decision):
                if one.id in self.stops and one.id not in self.stopped:
                    self.stopped[one.id] = stop_steps(
                        self.planner, one, decision.service, self.stops[one.id], needs, self.options.timeout_s
                    )
            for other in dependencies(decision.service):
                dependents.setdefault(other, []).append(name)

    def _reached(self, name: str) -> set[str]:
        """The service itself, and those that it depends on, directly or not."""
        found: set[str] = set()
        left = {name}
        while left:
            one = left.pop()
            found.add(one)
            left |= dependencies(self.project.services[one]).intersection(self.project.services) - found
        return found

    def _there(self, decision: Decision) -> list[ObservedContainer]:
        return [*decision.keep, *(one for one, _ in decision.recreate), *(one for one, _ in decision.remove)]

    def _stopped_of(self, name: str) -> list[int]:
        ids = [self.stopped.get(one.id, ()) for one in self._there(self.decisions[name])]
        return [step for steps in ids for step in steps]

    def _make_networks(self) -> None:
        for key in self.wanted.missing_networks:
            name = self.project.networks[key].name
            self.networks[key] = self.planner.add(CreateNetwork(key, name), Cause("missing", "it is missing"))
        for key in self.wanted.drifted_networks:
            there = self.observed.networks[self.project.networks[key].name]
            cause = Cause("network", "configuration changed")
            users = [one for one in self.observed.containers if there.name in one.networks]
            needs = [step for one in users for step in self.stopped.get(one.id, ())]
            gone = self.planner.add(RemoveNetwork(there.name, there.id), cause, [*needs, *self.cleared])
            self.networks[key] = self.planner.add(CreateNetwork(key, there.name), cause, [gone])

    def _make_volumes(self) -> None:
        for key in self.wanted.missing_volumes:
            name = self.project.volumes[key].name
            self.volumes[key] = self.planner.add(CreateVolume(key, name), Cause("missing", "it is missing"))
        for key in self.wanted.drifted_volumes:
            name = self.project.volumes[key].name
            cause = Cause("volume", "configuration changed")
            needs = [self._remove(one, Cause("volume", f"volume {name} is made anew")) for one in self._users(name)]
            gone = self.planner.add(RemoveVolume(name), cause, [*needs, *self.cleared])
            self.volumes[key] = self.planner.add(CreateVolume(key, name), cause, [gone])

    def _users(self, volume: str) -> list[ObservedContainer]:
        """The services' own containers that mount it: others make the removal fail, which says so."""
        every = [one for decision in self.decisions.values() for one in self._there(decision)]
        return [one for one in every if any(name == volume for _, name, _ in one.volumes)]

    def _remove(self, container: ObservedContainer, cause: Cause) -> int:
        """Once."""
        if container.id not in self.removed:
            needs = self.stopped.get(container.id, ())
            self.removed[container.id] = self.planner.add(RemoveContainer(reference(container)), cause, needs)
        return self.removed[container.id]

    def _create(self, name: str) -> None:
        """The service's new containers: more of them, and successors under another name while the old one is there."""
        service = self.project.services[name]
        needs = self._needs_of_creation(service)
        if service.provider is not None:
            cause = Cause("provider", f"service {name} has a provider")
            self.providers[name] = self.planner.add(RunProvider(name, "up"), cause, needs)
            return
        decision = self.decisions[name]
        steps = self.created.setdefault(name, [])
        for old, cause in decision.recreate:
            final = container_name(self.project.name, service, old.number)
            has_gone = old.id in self.removed
            ref = ContainerRef(final if has_gone else temporary_name(old.id, final), "", name, old.number)
            volumes = tuple((target, volume) for target, volume, is_own in old.volumes if is_own)
            inherited = volumes if self.options.inherit_volumes else ()
            operation = CreateContainer(ref, final, old.id, inherited, self._shares(service))
            gone = [self.removed[old.id]] if has_gone else []
            steps.append(self.planner.add(operation, cause, [*needs, *gone]))
        for number in decision.new:
            final = container_name(self.project.name, service, number)
            operation = CreateContainer(
                ContainerRef(final, "", name, number), final, shares=self._shares(service)
            )  # fmt: skip
            steps.append(self.planner.add(operation, decision.new_cause, needs))

    def _shares(self, service: Service) -> tuple[tuple[str, int], ...]:
        """With the first that there will be: not with one that is about to go."""
        active = [name for name in sorted(parents(service)) if name in self.decisions]
        return tuple((name, first_number(self.decisions[name])) for name in active)

    def _needs_of_creation(self, service: Service) -> list[int]:
        needs = [*self.cleared]
        needs += [self.networks[key] for key in service.networks if key in self.networks and not service.network_mode]
        mounted = [one.source for one in service.volumes if one.type == "volume"]
        needs += [self.volumes[source] for source in mounted if source in self.volumes]
        # A provider's answers are variables of those that depend on it
        needs += [self.providers[name] for name in dependencies(service) if name in self.providers]
        # Namespaces and volumes are those of containers, by their ids; links are made of what containers there are
        linked = {link.partition(":")[0] for link in service.links}
        for name in {*parents(service), *linked}:
            needs += self.created.get(name, ())
        return needs

    def _replace(self, name: str, decision: Decision) -> None:
        """The old ones go, the new ones get their names; and what the service's containers are then."""
        steps = iter(self.created[name])
        members = self.members.setdefault(name, [])
        for old, _ in decision.recreate:
            made = next(steps)
            final = container_name(self.project.name, decision.service, old.number)
            last = made
            if old.id not in self.removed:
                needs = [made, *self.stopped.get(old.id, ())]
                gone = self.planner.add(RemoveContainer(reference(old)), _RECREATED, needs)
                self.removed[old.id] = gone
                waiting = ContainerRef(temporary_name(old.id, final), "", name, old.number)
                last = self.planner.add(RenameContainer(waiting, final), _RECREATED, [gone])
            members.append((ContainerRef(final, "", name, old.number), None, (last,)))
        for number, made in zip(decision.new, steps, strict=True):
            final = container_name(self.project.name, decision.service, number)
            members.append((ContainerRef(final, "", name, number), None, (made,)))
        for one, cause in decision.remove:
            self._remove(one, cause)
        for one in decision.keep:
            members.append(self._kept(decision.service, one))
        members.sort(key=lambda member: member[0].number)

    def _kept(
        self, service: Service, one: ObservedContainer
    ) -> tuple[ContainerRef, ObservedContainer, tuple[int, ...]]:  # fmt: skip
        """One whose recreation was killed between removal and renaming gets its name now."""
        final = container_name(self.project.name, service, one.number)
        waits = self.stopped.get(one.id, ())
        if not is_temporary(one.name, final):
            return reference(one), one, waits
        cause = Cause("leftover", "a recreation did not come to its end")
        renamed = self.planner.add(RenameContainer(reference(one), final), cause, [*waits, *self.cleared])
        return reference(one)._replace(name=final), one, (renamed,)

    def _forget_renamed(self) -> None:
        """The network that a key meant before, once nobody of the project is on it; as far as that can be."""
        for there in self.wanted.renamed_networks:
            now = self.project.networks[there.key].name
            needs = [*self.removed.values(), *self.cleared]
            cause = Cause("network", f"network {there.key} is {now} now")
            self.planner.add(RemoveNetwork(there.name, there.id, if_unused=True), cause, needs)
