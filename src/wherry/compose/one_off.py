"""`run`: one more container of a service, for one command, beside those of `up`."""

from __future__ import annotations

import secrets

from wherry.compose import plan as plans
from wherry.compose.decide import ReconcileOptions
from wherry.compose.image_plan import ImageOptions
from wherry.compose.progress import DONE, WORDS, WORKING, Event, network, volume
from wherry.errors import NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.model import Project, Service
    from wherry.compose.observe import Observed
    from wherry.compose.progress import Progress
    from wherry.compose.up import UpOptions
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.attach import Streams
    from wherry.runtime.options import MountRequest, PortRequest, RunOptions
else:
    from wherry.lean import NamedTuple

__all__ = ["OneOff", "changed", "closure", "create", "prepare", "start"]


class OneOff(NamedTuple):
    """What `run` asks of its container. `command` () and `entrypoint` None are the service's; "" is the service's, too.

    `ports` are published beside those of the service, which count with `service_ports` only. `volumes` go over the
    service's at the same place. `image` is the policy: --build and --pull.
    """

    service: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = {}
    labels: Mapping[str, str] = {}
    name: str = ""
    user: str = ""
    workdir: str = ""
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()
    volumes: tuple[MountRequest, ...] = ()
    service_ports: bool = False
    use_aliases: bool = False
    remove: bool = False
    tty: bool = False
    stdin: bool = True
    detach: bool = False
    dependencies: bool = True
    remove_orphans: bool = False
    quiet_pull: bool = False
    quiet_build: bool = False
    image: ImageOptions = ImageOptions()


def closure(project: Project, service: Service) -> dict[str, Service]:
    """The active services that it depends on, directly or not, by name."""
    found: dict[str, Service] = {}
    todo = [*service.depends_on]
    while todo:
        name = todo.pop()
        if name in project.services and name not in found and name != service.name:
            found[name] = project.services[name]
            todo += project.services[name].depends_on
    return dict(sorted(found.items()))


def changed(service: Service, wish: OneOff) -> Service:
    """The service as this one container is of it. Pure."""
    deploy = service.deploy.replace(restart_policy=None, replicas=None) if service.deploy else None
    # As docker: another entrypoint takes the command with it
    has_own = wish.entrypoint is not None
    command = wish.command if wish.command or has_own else service.command
    return service.replace(
        command=command,
        entrypoint=wish.entrypoint if has_own else service.entrypoint,
        environment={**service.environment, **wish.environment},
        labels={**service.labels, **wish.labels},
        user=wish.user or service.user,
        working_dir=wish.workdir or service.working_dir,
        cap_add=tuple(dict.fromkeys((*(one for one in service.cap_add if one not in wish.cap_drop), *wish.cap_add))),
        cap_drop=tuple(dict.fromkeys((*(one for one in service.cap_drop if one not in wish.cap_add), *wish.cap_drop))),
        ports=service.ports if wish.service_ports else (),
        tty=wish.tty,
        stdin_open=wish.stdin,
        restart="",
        deploy=deploy,
        scale=None,
        container_name="",
        depends_on=service.depends_on if wish.dependencies else {},
    )


def prepare(engine: Engine, project: Project, wish: OneOff, progress: Progress, cancel: Cancel) -> Project:
    """What the container needs is there then: what the service depends on runs, and is as it waits for; its image,
    networks and volumes are here. The project, as models and providers change it.

    Raises: as `up`; NotFound for a service that there is not.
    """
    from wherry.compose.up import Up, UpOptions, up

    if any(one.models for one in project.services.values()):
        from wherry.compose.models_fetch import settle

        # First of all: a model is a service that others depend on
        project = settle(engine, project, progress, cancel)
    service = _service(project, wish.service)
    others = closure(project, service) if wish.dependencies else {}
    options = UpOptions(
        ReconcileOptions(remove_orphans=wish.remove_orphans), quiet_pull=wish.quiet_pull,
        quiet_build=wish.quiet_build, verb="run",
    )  # fmt: skip
    if others or wish.remove_orphans:
        around = project.replace(
            services=others, disabled_services={**project.disabled_services, service.name: service}
        )  # fmt: skip
        up(engine, around, options, progress, cancel)
    alone = project.replace(services={service.name: service}, disabled_services={**project.disabled_services, **others})
    work = Up(engine, alone, _with_image(options, wish), progress, cancel)
    work.fetch()
    if wish.dependencies:
        _await_dependencies(engine, project, service, progress, cancel)
    with work.lock:
        _make_resources(engine, work.project, progress)
    return work.project


def _with_image(options: UpOptions, wish: OneOff) -> UpOptions:
    return options._replace(images=wish.image)


def _service(project: Project, name: str) -> Service:
    found = project.services.get(name)
    if found is None:
        raise NotFound(f"no such service: {name}")
    return found


def _await_dependencies(
    engine: Engine, project: Project, service: Service, progress: Progress, cancel: Cancel
) -> None:  # fmt: skip
    """`up` waits for what its services wait for; for what this container waits for, we do."""
    from wherry.compose.conditions import await_condition
    from wherry.compose.look import EngineLook
    from wherry.compose.observe import observe

    observed: Observed | None = None
    for name, dependency in sorted(service.depends_on.items()):
        if dependency.condition == plans.STARTED or name not in project.services:
            continue
        observed = observed or observe(engine, project.name)
        refs = tuple(
            plans.ContainerRef(one.name, one.id, name, one.number) for one in observed.of_service(name)
        )  # fmt: skip
        wait = plans.WaitFor(name, dependency.condition, refs, dependency.required)
        await_condition(wait, EngineLook(engine), progress, cancel)


def _make_resources(engine: Engine, project: Project, progress: Progress) -> None:
    from wherry.compose.create import create_network, create_volume
    from wherry.compose.observe import observe
    from wherry.compose.reconcile_resources import resources

    found = resources(project, observe(engine, project.name))
    making, made = WORDS["create"]
    for key in found.missing_networks:
        id = network(project.networks[key].name)
        progress.event(Event(id, WORKING, making))
        create_network(engine, project, key)
        progress.event(Event(id, DONE, made))
    for key in found.missing_volumes:
        id = volume(project.volumes[key].name)
        progress.event(Event(id, WORKING, making))
        create_volume(engine, project, key)
        progress.event(Event(id, DONE, made))


def create(engine: Engine, project: Project, wish: OneOff, progress: Progress) -> ContainerRow:
    """The container, not running yet: `PROJECT-SERVICE-run-<12 hex digits>`, or `wish.name`.

    Raises: InputError and Unsupported, which name the service; NotFound (image), Conflict (name).
    """
    from wherry.compose.create import facts_of, make
    from wherry.compose.run_options import Identity, container_request

    service = changed(_service(project, wish.service), wish)
    slug = secrets.token_hex(32)
    name = wish.name or f"{project.name}-{service.name}-run-{slug[:12]}"
    identity = Identity(name, one_off=True, slug=slug, use_aliases=wish.use_aliases)
    request = container_request(project, service, identity, facts_of(engine, project, service))
    for text in request.warnings:
        progress.warn(text)
    return make(engine, request._replace(options=_with_wishes(request.options, project, wish)), name)


def _with_wishes(options: RunOptions, project: Project, wish: OneOff) -> RunOptions:
    own = {one.target: _named(one, project) for one in wish.volumes}
    mounts = [one for one in options.mounts if one.target not in own]
    return options._replace(
        ports=(*options.ports, *wish.ports),
        mounts=(*mounts, *own.values()),
        remove=wish.remove,
        detach=wish.detach,
    )


def _named(mount: MountRequest, project: Project) -> MountRequest:
    """A volume of the project by its key, as in the file."""
    known = project.volumes.get(mount.source) if mount.type == "volume" else None
    return mount._replace(source=known.name) if known else mount


def start(engine: Engine, row: ContainerRow, streams: Streams | None) -> int:
    """Run it: its exit code once it has ended; at once with 0 without `streams`, or when the user detached.

    Raises: RuntimeFailure. One with `remove` that can't start is gone then.
    """
    from contextlib import suppress

    try:
        return engine.containers.start(row.id, streams) or 0
    except WherryError:
        if row.remove:
            with suppress(NotFound):
                engine.containers.remove(row.id, force=True, volumes=True)
        raise
