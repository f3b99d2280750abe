"""A service of a compose file as wishes: what of it a platform can run, and what it can't, said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.deploy.application import Gpu, Weights
from wherry.deploy.settle import asked_path
from wherry.deploy.wishes import Wishes
from wherry.errors import InputError, NotFound, nearest

if TYPE_CHECKING:
    from wherry.compose.model import Project, Service

__all__ = ["of_service", "pick"]

_LOST = (
    ("privileged", "privileged"), ("network_mode", "network_mode"), ("pid", "pid"), ("ipc", "ipc"),
    ("devices", "devices"), ("cap_add", "cap_add"), ("sysctls", "sysctls"), ("extra_hosts", "extra_hosts"),
    ("secrets", "secrets"), ("configs", "configs"), ("depends_on", "depends_on"), ("user", "user"),
    ("working_dir", "working_dir"),
    # They are for what runs beside it (a proxy, an updater), and few clouds take them
    ("labels", "labels"),
)  # fmt: skip


def pick(project: Project, name: str) -> Service:
    """The service that is meant: the named one, the only one, or the only one with a build or a port.

    Raises: NotFound, InputError.
    """
    services = project.services
    if name:
        if name not in services:
            close = nearest(name, list(services))
            raise NotFound(f"no such service in the compose file: {name}",
                           hint=f"did you mean {close}?" if close else f"there are: {', '.join(services)}")  # fmt: skip
        return services[name]
    everything = list(services.values())
    built = [one for one in everything if one.build is not None]
    published = [one for one in everything if one.ports]
    for found in (everything, built, published):
        if len(found) == 1:
            return found[0]
    raise InputError("the compose file has several services", hint=f"--service one of {', '.join(services)}")


def of_service(project: Project, service: Service, warn: Callable[[str], None]) -> Wishes:
    """Warns of each key that means something on one machine only. Raises: InputError."""
    lost = [key for attribute, key in _LOST if getattr(service, attribute)]
    binds = [one.target for one in service.volumes if one.type in {"bind", "volume"}]
    if lost:
        warn(f"service {service.name}: {', '.join(lost)} {'is' if len(lost) == 1 else 'are'} not deployed")
    if binds:
        warn(f"service {service.name}: nothing is mounted at {', '.join(binds)} there: the disk of an instance is lost"
             " with it")  # fmt: skip
    limits = service.deploy.resources.limits if service.deploy and service.deploy.resources else None
    cpus = (limits.cpus if limits else 0) or service.cpus
    memory = (limits.memory if limits else 0) or service.mem_limit
    count = service.replicas
    path = _path(service)
    return Wishes(
        image=service.image or f"{project.name}-{service.name}",
        name=service.name.replace("_", "-").lower(),
        ports=tuple(sorted({one.target for one in service.ports if one.protocol in {"", "tcp"}})) or None,
        ready=path,
        live=path,
        env={name: value for name, value in service.environment.items() if value is not None} or None,
        cpu_m=round(cpus * 1000) or None,
        memory_bytes=memory or None,
        gpu=_gpu(service),
        min_instances=count if count != 1 else None,
        entrypoint=None if service.entrypoint is None else tuple(service.entrypoint),
        command=None if service.command is None else tuple(service.command),
        weights=tuple(Weights(one.source, one.target) for one in service.volumes if one.type == "image") or None,
        grace_s=None if service.stop_grace_period is None else -(-service.stop_grace_period // 10**9),
    )


def _path(service: Service) -> str | None:
    """What its own health check asks, "" where that is no URL; None: the image's holds."""
    check = service.healthcheck
    if check is None or not (check.test or check.disable):
        return None
    return "" if check.disable else asked_path(tuple(check.test))


def _gpu(service: Service) -> Gpu | None:
    reserved = service.deploy.resources.reservations if service.deploy and service.deploy.resources else None
    requests = [*service.gpus, *(reserved.devices if reserved else ())]
    wanted = [one for one in requests if not one.capabilities or "gpu" in one.capabilities]
    if not wanted:
        return None
    count = sum(one.count or len(one.device_ids) or 1 for one in wanted)
    if count < 0:
        raise InputError(f"service {service.name} asks for all GPUs, which a cloud has no number for",
                         hint="say how many: --gpu 1")  # fmt: skip
    return Gpu(count)
