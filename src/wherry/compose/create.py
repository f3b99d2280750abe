"""Making one container, one network, one volume of a project by the engine's own calls."""

from __future__ import annotations

from wherry.compose import labels
from wherry.compose.order import parents
from wherry.errors import Conflict, InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wherry.compose.model import Project, Service
    from wherry.compose.plan import CreateContainer
    from wherry.compose.run_options import ContainerRequest, Facts
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["create", "create_network", "create_volume", "facts_of", "make"]


def create(
    engine: Engine, project: Project, operation: CreateContainer, variables: Mapping[str, Mapping[str, str]],
    warn: Callable[[str], None],
) -> ContainerRow:  # fmt: skip
    """`variables` are what services' providers set for those that depend on them.

    Raises: InputError and Unsupported, which name the service; NotFound (image, container to share with), Conflict.
    """
    from wherry.compose.run_options import Identity, container_request

    service = _with_variables(project.services[operation.container.service], variables)
    facts = facts_of(engine, project, service, operation.inherited, dict(operation.shares))
    identity = Identity(operation.final_name, operation.container.number, replaces=operation.replaces)
    request = container_request(project, service, identity, facts)
    for text in request.warnings:
        warn(text)
    try:
        return make(engine, request, operation.container.name)
    except Conflict as fault:
        _name_holder(engine, operation.container.name, fault)
        raise
    except InputError as fault:
        # A source that is not there, mostly: of a volume, a secret or a config
        if not fault.message.startswith(f"service {service.name}: "):
            fault.message = f"service {service.name}: {fault.message}"
            fault.args = (fault.message,)
        raise


def _name_holder(engine: Engine, name: str, fault: Conflict) -> None:
    """Whose the name is: mostly a `container_name` that two services or projects have."""
    try:
        marks = engine.containers.find(name).labels
    except NotFound:
        return
    project, service = marks.get(labels.PROJECT, ""), marks.get(labels.SERVICE, "")
    if project and service:
        fault.hint = f"it is service {service} of project {project}: take another container_name, or remove that one"


def make(engine: Engine, request: ContainerRequest, name: str) -> ContainerRow:
    """A container of a request, called `name` for the time being."""
    return engine.containers.create(request.image, request.options._replace(name=name), request.files)


def _with_variables(service: Service, variables: Mapping[str, Mapping[str, str]]) -> Service:
    found: dict[str, str | None] = {}
    for name in service.depends_on:
        found |= variables.get(name, {})
    return service.replace(environment={**service.environment, **found}) if found else service


def facts_of(
    engine: Engine, project: Project, service: Service, inherited: tuple[tuple[str, str], ...] = (),
    shares: Mapping[str, int] | None = None,
) -> Facts:  # fmt: skip
    """What making a container of `service` needs to know. `shares`: the number of the container to share namespaces
    with, by service. Raises: NotFound when its image is not here."""
    from wherry.compose.run_options import Facts

    name = service.image_name(project.name)
    try:
        image = engine.images.resolve(name)
    except NotFound as fault:
        fault.hint = _advice(service, fault.hint)
        raise
    needs_others = bool(parents(service) or service.links)
    return Facts(
        image.id,
        engine.images.config(image.id),
        _containers(engine, project.name, shares or {}) if needs_others else {},
        {one.source: engine.volumes.mounted_image(one.source) for one in service.volumes if one.type == "image"},
        inherited,
        _read,
    )


def _advice(service: Service, hint: str | None) -> str:
    if service.build is not None:
        return f"wherry compose build {service.name}"
    return hint or f"wherry compose pull {service.name}"


def _containers(engine: Engine, project: str, first: Mapping[str, int]) -> dict[str, tuple[tuple[str, str], ...]]:
    """(id, name) of each service's containers, by number; of one that is being replaced its successor. `first` is the
    number of the one that comes before the others."""
    from wherry.engine import containers_rows

    rows = [row for row in containers_rows.labelled(engine.db, labels.PROJECT, project) if row.phase != "removing"]
    replaced = {row.labels.get(labels.REPLACE) for row in rows}
    found: dict[str, list[tuple[bool, int, str, str]]] = {}
    for row in rows:
        if row.id not in replaced and row.labels.get(labels.ONE_OFF) == "False":
            number = row.labels.get(labels.NUMBER, "0")
            place = int(number) if number.isascii() and number.isdecimal() else 0
            service = row.labels.get(labels.SERVICE, "")
            is_later = place != first.get(service, place)
            found.setdefault(service, []).append((is_later, place, row.id, row.name))
    return {service: tuple((id, name) for *_, id, name in sorted(some)) for service, some in found.items()}


def _read(path: str) -> bytes:
    """Raises: InputError."""
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except OSError as fault:
        raise InputError(f"{path}: {fault.strerror}") from None


_LARGEST = 8 << 20


def create_network(engine: Engine, project: Project, key: str) -> None:
    """Raises: InputError, NotFound (a driver), Unsupported, Conflict (the address pool is taken)."""
    from wherry.compose.project_resources import network_wish

    engine.networks.create(network_wish(project, key))


def create_volume(engine: Engine, project: Project, key: str) -> None:
    """Raises: InputError, NotFound (a driver)."""
    from wherry.compose.project_resources import volume_wish

    wish = volume_wish(project, key)
    engine.volumes.create(wish.name, wish.labels, wish.options, driver=wish.driver)
