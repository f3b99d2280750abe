"""What `down` does to a project, with its file or by its labels alone. Pure."""

from __future__ import annotations

from wherry.compose.observe import depends_on
from wherry.compose.order import dependencies, sort
from wherry.compose.plan import (
    Cause,
    Plan,
    Planner,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RunProvider,
)
from wherry.compose.stop_steps import reference, stop_steps
from wherry.errors import ComposeError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.compose.model import Network, Project, Service, Volume
    from wherry.compose.observe import Observed, ObservedContainer
else:
    from wherry.lean import NamedTuple

__all__ = ["DownOptions", "reconcile_down"]

_DOWN = Cause("down", "the project goes down")


class DownOptions(NamedTuple):
    """Flags of `down`. `volumes`: also named ones of the project, and the containers' anonymous ones.

    `images` are the names of images to remove: those of --rmi that are there (see `compose.images`).
    """

    services: tuple[str, ...] = ()
    volumes: bool = False
    remove_orphans: bool = False
    images: tuple[str, ...] = ()
    timeout_s: int | None = None


def reconcile_down(observed: Observed, options: DownOptions, project: Project | None = None) -> Plan:
    """Dependents stop before what they depend on. Networks and volumes go where nobody else uses them.

    Without `project` everything with its label goes; with it, containers of services that it does not know stay, unless
    `remove_orphans`. An empty plan means that nothing is there. Raises: NotFound (a service that is not there).
    """
    down = _Down(observed, options, project)
    down.containers()
    down.resources()
    return down.planner.plan()


class _Down:
    def __init__(self, observed: Observed, options: DownOptions, project: Project | None) -> None:
        self.observed, self.options, self.project = observed, options, project
        self.planner = Planner()
        self.needs = self._dependencies()
        self.removals: list[int] = []
        for name in options.services:
            if name not in self.needs:
                raise NotFound(f"no such service: {name}")

    def _dependencies(self) -> dict[str, set[str]]:
        if self.project is not None:
            return {name: dependencies(one) for name, one in self.project.services.items()}
        found: dict[str, set[str]] = {}
        for one in self.observed.containers:
            if not one.one_off or self.options.remove_orphans:
                found.setdefault(one.service, set()).update(depends_on(one))
        return found

    def containers(self) -> None:
        """In reverse order of dependencies, then the orphans."""
        stopped: dict[str, list[int]] = {}
        for name in reversed(self._order()):
            if self.options.services and name not in self.options.services:
                continue
            dependents = [other for other, wanted in self.needs.items() if name in wanted]
            before = [step for other in dependents for step in stopped.get(other, ())]
            for one in self._of(name):
                stops = stop_steps(self.planner, one, self._service(name), _DOWN, before, self.options.timeout_s)
                stopped.setdefault(name, []).extend(stops)
                self._remove(one, _DOWN, stops, volumes=self.options.volumes)
            self._provider(name, before)
        if self.options.remove_orphans and self.project is not None:
            cause = Cause("orphan", "it belongs to no service of the project")
            # One-offs of services that are known went with those; of others, running ones are in the way, too
            known = self.project.all_services()
            for one in self.observed.containers:
                if one.service not in known and one.status != "removing":
                    self._remove(one, cause, stop_steps(self.planner, one, None, cause, (), self.options.timeout_s))

    def _order(self) -> list[str]:
        try:
            return sort(self.needs)
        except ComposeError:
            # Labels of several times, or anybody's: a project must be able to go
            return sorted(self.needs)

    def _of(self, name: str) -> list[ObservedContainer]:
        found = [one for one in self.observed.of_service(name) if one.status != "removing"]
        if self.options.remove_orphans:
            found += self.observed.of_service(name, one_off=True)
        return found

    def _service(self, name: str) -> Service | None:
        return self.project.services.get(name) if self.project is not None else None

    def _provider(self, name: str, before: list[int]) -> None:
        service = self._service(name)
        if service is not None and service.provider is not None:
            cause = Cause("provider", f"service {name} has a provider")
            self.planner.add(RunProvider(name, "down"), cause, before)

    def _remove(
        self, one: ObservedContainer, cause: Cause, needs: tuple[int, ...], *, volumes: bool = False
    ) -> None:  # fmt: skip
        # By force, as docker-compose: what runs again meanwhile (a restart policy's doing) goes as well
        operation = RemoveContainer(reference(one), volumes=volumes, force=True)
        self.removals.append(self.planner.add(operation, cause, needs))

    def resources(self) -> None:
        """Networks, volumes and images, once no container of the project is left."""
        for network in self.observed.own_networks:
            if self.project is None or self._is_declared(network.key, network.name, "networks"):
                self.planner.add(RemoveNetwork(network.name, network.id, if_unused=True), _DOWN, self.removals)
        for image in self.options.images:
            self.planner.add(RemoveImage(image), Cause("down", "--rmi"), self.removals)
        if not self.options.volumes:
            return
        # Differs from docker: a volume that carries another project's label, or none, is not removed for its name alone
        for volume in self.observed.own_volumes:
            if self.project is None or self._is_declared(volume.key, volume.name, "volumes"):
                self.planner.add(RemoveVolume(volume.name, if_unused=True), Cause("down", "--volumes"), self.removals)

    def _is_declared(self, key: str, name: str, kind: str) -> bool:
        """Whether it is the model's, not external there, and not needed by a service whose profile is not active."""
        assert self.project is not None
        wanted: Network | Volume | None = getattr(self.project, kind).get(key)
        if wanted is None or (wanted.external and wanted.name == name):
            return False
        others = [one for one in self.observed.containers if one.service in self.project.disabled_services]
        if kind == "networks":
            return not any(name in one.networks for one in others)
        return not any(name == volume for one in others for _, volume, _ in one.volumes)
