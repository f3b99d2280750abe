"""What becomes of each container of a project: kept, made anew, removed, and how many more there shall be. Pure."""

from __future__ import annotations

from wherry.compose.container_names import container_name, is_temporary
from wherry.compose.diverge import Standard, divergence
from wherry.compose.order import in_order
from wherry.compose.plan import Cause
from wherry.compose.record import EMPTY
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    from wherry.compose.model import Project, Service
    from wherry.compose.observe import Observed, ObservedContainer
else:
    from wherry.lean import NamedTuple

__all__ = ["Decision", "ReconcileOptions", "decide", "first_number", "orphans"]


class ReconcileOptions(NamedTuple):
    """Flags of `up` and `create`. `recreate` is for the `services` asked for (() is all), `recreate_dependencies` for
    the others: "diverged", "force" or "never".

    `recreate_volumes` are the keys of drifted volumes that may be made anew, which loses their data.
    """

    services: tuple[str, ...] = ()
    recreate: str = "diverged"
    recreate_dependencies: str = "diverged"
    inherit_volumes: bool = True
    start: bool = True
    remove_orphans: bool = False
    ignore_orphans: bool = False
    scale: Mapping[str, int] = EMPTY
    timeout_s: int | None = None
    recreate_volumes: frozenset[str] = frozenset()

    def policy(self, service: str) -> str:
        """How willingly this service's containers are made anew."""
        return self.recreate if not self.services or service in self.services else self.recreate_dependencies


class Decision(NamedTuple):
    """What becomes of one service's containers. `new` are numbers; `leftovers` of a recreation that was killed."""

    service: Service
    keep: tuple[ObservedContainer, ...] = ()
    recreate: tuple[tuple[ObservedContainer, Cause], ...] = ()
    remove: tuple[tuple[ObservedContainer, Cause], ...] = ()
    leftovers: tuple[ObservedContainer, ...] = ()
    new: tuple[int, ...] = ()
    new_cause: Cause = Cause("missing", "it is missing")


def decide(
    project: Project, observed: Observed, standard: Standard, options: ReconcileOptions
) -> dict[str, Decision]:  # fmt: skip
    """By service, in dependency order; none for those with a provider. Raises: InputError, ComposeError."""
    found: dict[str, Decision] = {}
    # One that is not active stays as it is: who shares with it goes on doing so
    first = {
        one.service: one.id
        for one in reversed(observed.containers)
        if one.service not in project.services and not one.one_off
    }
    for name in in_order(project.services):
        service = project.services[name]
        if service.provider is None:
            found[name] = _decide(service, observed, standard, options, first)
            _remember_first(found[name], first)
    return found


def orphans(project: Project, observed: Observed) -> tuple[ObservedContainer, ...]:
    """Containers of services that the model does not know, and one-offs that have ended. Newest first, as docker."""
    known = project.all_services()
    found = [
        one
        for one in observed.containers
        if (one.status in ("exited", "dead") if one.one_off else one.service not in known)
    ]
    return tuple(sorted(found, key=lambda one: -one.created_ns))


def _remember_first(decision: Decision, first: dict[str, str]) -> None:
    """The container that others share namespaces with is the lowest one that there will be; its id, if it stays."""
    there = {one.number: one.id for one in decision.keep}
    lowest = first_number(decision)
    if lowest in there:
        first[decision.service.name] = there[lowest]


def first_number(decision: Decision) -> int:
    """The lowest number that there will be; 0 when there will be none."""
    numbers = [one.number for one in decision.keep] + [one.number for one, _ in decision.recreate]
    return min((*numbers, *decision.new), default=0)


def _decide(
    service: Service, observed: Observed, standard: Standard, options: ReconcileOptions, first: Mapping[str, str]
) -> Decision:
    count = _scale(service, options)
    there, leftovers = _without_leftovers(standard.project.name, service, observed)
    verdicts = {one.id: _verdict(service, one, standard, options, first) for one in there}
    # Those that would have to be made anew go first, then the highest numbers
    by_worth = sorted(there, key=lambda one: (verdicts[one.id] is not None, one.number, one.created_ns))
    staying = sorted(by_worth[:count], key=lambda one: (one.number, one.created_ns))
    going = sorted(by_worth[count:], key=lambda one: (one.number, one.created_ns))
    last = max((one.number for one in there), default=0)
    scaled = Cause("scale", f"service {service.name} is scaled from {len(there)} to {count}")
    return Decision(
        service,
        keep=tuple(one for one in staying if verdicts[one.id] is None),
        recreate=tuple((one, cause) for one in staying if (cause := verdicts[one.id])),
        remove=tuple((one, scaled) for one in going),
        leftovers=leftovers,
        new=tuple(range(last + 1, last + 1 + count - len(staying))),
        new_cause=scaled if there else Decision(service).new_cause,
    )


def _scale(service: Service, options: ReconcileOptions) -> int:
    count = options.scale.get(service.name, service.replicas)
    if count > 1 and service.container_name:
        raise InputError(
            f'WARNING: The "{service.name}" service is using the custom container name "{service.container_name}". '
            "Docker requires each container to have a unique name. Remove the custom name to scale the service."
        )
    return count


def _without_leftovers(
    project: str, service: Service, observed: Observed
) -> tuple[list[ObservedContainer], tuple[ObservedContainer, ...]]:  # fmt: skip
    """The service's containers, and apart those that were to take the place of one that is still there."""
    every = [one for one in observed.of_service(service.name) if one.status != "removing"]
    ids = {one.id for one in every}

    def is_leftover(one: ObservedContainer) -> bool:
        return one.replaces in ids and is_temporary(one.name, container_name(project, service, one.number))

    return [one for one in every if not is_leftover(one)], tuple(one for one in every if is_leftover(one))


def _verdict(
    service: Service,
    container: ObservedContainer,
    standard: Standard,
    options: ReconcileOptions,
    first: Mapping[str, str],
) -> Cause | None:
    renewed = sorted(standard.renewed_volumes.intersection(name for _, name, _ in container.volumes))
    if renewed:
        return Cause("volume", f"volume {renewed[0]} is made anew")
    policy = options.policy(service.name)
    if policy == "never":
        return None
    if policy == "force":
        is_asked = not options.services or service.name in options.services
        return Cause("forced", "--force-recreate" if is_asked else "--always-recreate-deps")
    return divergence(standard, service, container, first)
