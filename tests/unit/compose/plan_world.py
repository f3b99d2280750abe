"""A machine in memory that plans are run on, with the engine's rules: names are one's own, what is in use stays, and
what a container needs must be there when it is made or started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.compose.plan_cases import hash_of
from wherry.compose import labels
from wherry.compose.config_hash import network_hash, volume_hash
from wherry.compose.model import Project
from wherry.compose.observe import Observed, ObservedContainer, ObservedNetwork, ObservedVolume
from wherry.compose.order import dependencies, with_parents
from wherry.compose.plan import (
    ContainerRef,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    Plan,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    StartContainer,
    Step,
    StopContainer,
    WaitFor,
)

__all__ = ["World"]

IMAGE = "sha256:" + "ab" * 32


class World:
    """`removed` are the ids of containers that went."""

    def __init__(self, project: Project, observed: Observed) -> None:
        self.project = project
        self.containers = {one.id: one for one in observed.containers}
        self.networks, self.volumes = dict(observed.networks), dict(observed.volumes)
        self.removed: list[str] = []
        self._made = 0
        self._going: set[str] = set()

    def observed(self) -> Observed:
        key: Callable[[ObservedContainer], Any] = lambda one: (one.service, one.one_off, one.number, one.created_ns)  # noqa: E731
        found = tuple(sorted(self.containers.values(), key=key))
        return Observed(self.project.name, found, dict(self.networks), dict(self.volumes))

    def run(self, plan: Plan, choose: Callable[[list[Step]], Step]) -> None:
        """All steps, in an order that `choose` makes out of what may begin."""
        self._going = {
            step.operation.container.id for step in plan.steps if isinstance(step.operation, RemoveContainer)
        }
        done: set[int] = set()
        left = list(plan.steps)
        while left:
            ready = [step for step in left if done.issuperset(step.needs)]
            assert ready, "no step can begin"
            step = choose(ready)
            self._do(step)
            done.add(step.id)
            left.remove(step)

    def _do(self, step: Step) -> None:
        operation = step.operation
        {
            CreateNetwork: self._create_network, RemoveNetwork: self._remove_network,
            CreateVolume: self._create_volume, RemoveVolume: self._remove_volume,
            CreateContainer: self._create, StartContainer: self._start, StopContainer: self._stop,
            RemoveContainer: self._remove, RenameContainer: self._rename, WaitFor: self._wait,
        }[type(operation)](operation)  # type: ignore[operator]  # fmt: skip

    def _find(self, ref: ContainerRef) -> ObservedContainer:
        found = [one for one in self.containers.values() if ref.handle in (one.id, one.name)]
        assert len(found) == 1, f"{ref} is {len(found)} containers"
        return found[0]

    def _put(self, one: ObservedContainer, **changes: Any) -> None:
        self.containers[one.id] = one._replace(**changes)

    def _create_network(self, operation: CreateNetwork) -> None:
        assert operation.name not in self.networks
        self._made += 1
        mark = network_hash(self.project.networks[operation.key])
        self.networks[operation.name] = ObservedNetwork(
            operation.name, f"n{self._made}", operation.key, self.project.name, mark
        )

    def _remove_network(self, operation: RemoveNetwork) -> None:
        users = [one for one in self.containers.values() if one.is_running and operation.name in one.networks]
        if users and operation.if_unused:
            return
        assert not users, f"{operation.name} has active endpoints: {[one.name for one in users]}"
        assert self.networks[operation.name].project == self.project.name, "not ours"
        del self.networks[operation.name]

    def _create_volume(self, operation: CreateVolume) -> None:
        assert operation.name not in self.volumes
        mark = volume_hash(self.project.volumes[operation.key])
        self.volumes[operation.name] = ObservedVolume(operation.name, operation.key, self.project.name, mark)

    def _remove_volume(self, operation: RemoveVolume) -> None:
        used = {name for one in self.containers.values() for _, name, _ in one.volumes}
        if operation.name in used and operation.if_unused:
            return
        assert operation.name not in used, f"{operation.name} is in use"
        assert self.volumes[operation.name].project == self.project.name, "not ours"
        del self.volumes[operation.name]

    def _create(self, operation: CreateContainer) -> None:
        ref, service = operation.container, self.project.services[operation.container.service]
        assert ref.name not in {one.name for one in self.containers.values()}, f"{ref.name} is taken"
        names = [self.project.networks[key].name for key in service.networks]
        assert set(names) <= self.networks.keys(), "a network is missing"
        inherited = dict(operation.inherited)
        self._made += 1
        id = f"{self._made:02x}c" * 16 + "0" * 16
        mounts = []
        for one in service.volumes:
            name = self.project.volumes[one.source].name if one.source else inherited.get(one.target, id)
            assert not one.source or name in self.volumes, f"volume {name} is missing"
            mounts.append((one.target, name, not one.source))
        first = self._first() | {name: self._numbered(name, number) for name, number in operation.shares}
        given = {labels.CONFIG_HASH: hash_of(with_parents(service, first)), labels.IMAGE: IMAGE}
        if operation.replaces:
            given[labels.REPLACE] = operation.replaces
        self.containers[id] = ObservedContainer(
            id, ref.name, ref.service, ref.number, status="created", image_id=IMAGE, labels=given,
            networks=tuple(names), volumes=tuple(mounts), created_ns=1000 + self._made,
        )  # fmt: skip

    def _first(self) -> dict[str, str]:
        """Successors before those they replace."""
        replaced = {one.replaces for one in self.containers.values()}
        there = [one for one in self.containers.values() if one.id not in replaced and not one.one_off]
        return {one.service: one.id for one in sorted(there, key=lambda one: -one.number)}

    def _numbered(self, service: str, number: int) -> str:
        replaced = {one.replaces for one in self.containers.values()}
        there = [one for one in self.containers.values() if one.service == service and one.number == number]
        found = [one.id for one in there if one.id not in replaced and not one.one_off]
        assert len(found) == 1, f"{service} {number} is {len(found)} containers"
        return found[0]

    def _start(self, operation: StartContainer) -> None:
        one = self._find(operation.container)
        assert not one.is_running or one.status == "paused", f"{one.name} runs"
        assert set(one.networks) <= self.networks.keys(), "a network is missing"
        service = self.project.services[one.service]
        for needed in dependencies(service) & self.project.services.keys():
            there = [other for other in self.containers.values() if other.service == needed and not other.one_off]
            staying = [other for other in there if other.id not in self._going]
            assert all(other.is_running for other in staying), f"{one.name} is started before {needed}"
        self._put(one, status="running", health="healthy")

    def _stop(self, operation: StopContainer) -> None:
        one = self._find(operation.container)
        assert one.is_running
        self._put(one, status="exited", health="")

    def _remove(self, operation: RemoveContainer) -> None:
        one = self._find(operation.container)
        assert not one.is_running or operation.force, f"{one.name} runs"
        del self.containers[one.id]
        self.removed.append(one.id)

    def _rename(self, operation: RenameContainer) -> None:
        one = self._find(operation.container)
        assert operation.new_name not in {other.name for other in self.containers.values()}, "the name is taken"
        self._put(one, name=operation.new_name)

    def _wait(self, operation: WaitFor) -> None:
        for ref in operation.containers:
            one = self._find(ref)
            assert one.is_running, f"{one.name} is waited for, and does not run"
            self._put(one, status="running", health="healthy")
