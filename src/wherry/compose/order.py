"""Which services need which, and in which order they come. Pure."""

from __future__ import annotations

from wherry.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wherry.compose.model import Service

__all__ = ["MODES", "dependencies", "in_order", "parents", "sort", "with_parents"]

MODES = (("network_mode", "network namespace"), ("ipc", "IPC namespace"), ("pid", "PID namespace"))


def parents(service: Service) -> dict[str, str]:
    """The services whose containers this one's are made of, and what they share: namespaces and volumes."""
    found: dict[str, str] = {}
    for field, what in MODES:
        kind, _, name = str(getattr(service, field)).partition(":")
        if kind == "service" and name:
            found.setdefault(name, what)
    for entry in service.volumes_from:
        name = entry.partition(":")[0]
        if name != "container":
            found.setdefault(name, "volumes")
    return found


def dependencies(service: Service) -> set[str]:
    """All services that are to be there before this one starts: depends_on, and what is implied."""
    links = {link.partition(":")[0] for link in service.links}
    return {*service.depends_on, *parents(service), *links} - {service.name}


def with_parents(service: Service, containers: Mapping[str, str]) -> Service:
    """With the ids of `containers` (by service) where it names services: what its config hash is made of, as
    docker-compose does, so that it is another one when a parent was made anew."""
    if not parents(service) and not service.volumes_from:
        return service
    changes: dict[str, object] = {}
    for field, _ in MODES:
        kind, _, name = str(getattr(service, field)).partition(":")
        if kind == "service" and name in containers:
            changes[field] = f"container:{containers[name]}"
    if service.volumes_from:
        changes["volumes_from"] = tuple(_volumes_from(entry, containers) for entry in service.volumes_from)
    return service.replace(**changes)


def _volumes_from(entry: str, containers: Mapping[str, str]) -> str:
    """SERVICE[:MODE] or container:NAME[:MODE] → CONTAINER[:MODE]."""
    name, colon, mode = entry.partition(":")
    if name == "container":
        return mode
    # Differs from docker: docker-compose loses the mode of a service's volumes, and mounts :ro ones for writing
    return f"{containers.get(name, name)}{colon}{mode}"


def in_order(services: Mapping[str, Service]) -> list[str]:
    """Names, each behind those it depends on, else by name. Raises: ComposeError for a cycle."""
    return sort({name: dependencies(service) for name, service in services.items()})


def sort(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The keys, each behind those of its values that are keys, too. Raises: ComposeError for a cycle."""
    left = {name: {need for need in wanted if need in needs and need != name} for name, wanted in needs.items()}
    found: list[str] = []
    while left:
        ready = sorted(name for name, wanted in left.items() if not wanted)
        if not ready:
            raise ComposeError(f"dependency cycle detected: {' -> '.join(_cycle(left))}")
        found += ready
        left = {name: wanted.difference(ready) for name, wanted in left.items() if name not in ready}
    return found


def _cycle(left: Mapping[str, set[str]]) -> list[str]:
    """One cycle, its first name repeated at the end: all names here lead to one."""
    path = [min(left)]
    while path[-1] not in path[:-1]:
        path.append(min(left[path[-1]]))
    return path[path.index(path[-1]) :]
