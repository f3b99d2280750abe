"""A service's container as the engine is asked to make it: the model's keys as the RunOptions of `wherry run`. Pure.

Values go through the parsers of `run`'s flags, so that both take and refuse the same, in docker's words. A key that
means nothing here is told in one line (`ContainerRequest.warnings`), or refused where the container would not be what
was asked.
"""

from __future__ import annotations

from wherry._version import __version__
from wherry.compose import labels
from wherry.compose.diverge import mounted_images_label
from wherry.compose.order import MODES, with_parents
from wherry.compose.run_limits import limits
from wherry.compose.run_mounts import mounts
from wherry.compose.run_networks import networks
from wherry.compose.run_security import security
from wherry.errors import InputError, WherryError
from wherry.oci.config import Healthcheck
from wherry.runtime import parse_values
from wherry.runtime.options import LogConfig, RestartPolicy, RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from wherry.compose.model import Project, Service
    from wherry.compose.model_parts import Healthcheck as HealthcheckModel
    from wherry.engine.containers_files import PlacedFile
    from wherry.oci.config import ImageConfig
else:
    from wherry.lean import NamedTuple

__all__ = ["ContainerRequest", "Facts", "Identity", "container_request"]

_SECOND_NS = 1_000_000_000


class Identity(NamedTuple):
    """Which container of its service: `name` is the one it is called by in the end.

    Of a container of `compose run`: `one_off`, and `slug` (64 hex digits); `use_aliases` False leaves it without the
    service's names on networks.
    """

    name: str
    number: int = 1
    one_off: bool = False
    slug: str = ""
    replaces: str = ""
    use_aliases: bool = True


class Facts(NamedTuple):
    """What the file does not know. `containers` are (id, name) of each service's, by number, the one to share
    namespaces with first; `read` gives the content of a file (a seccomp profile); `inherited` are anonymous volumes
    (target, name).
    """

    image_id: str
    image: ImageConfig
    containers: Mapping[str, tuple[tuple[str, str], ...]] = {}
    mounted_images: Mapping[str, str] = {}
    inherited: tuple[tuple[str, str], ...] = ()
    read: Callable[[str], bytes] | None = None


class ContainerRequest(NamedTuple):
    """The arguments of `engine.containers.create`."""

    image: str
    options: RunOptions
    files: tuple[PlacedFile, ...] = ()
    warnings: tuple[str, ...] = ()


def container_request(project: Project, service: Service, identity: Identity, facts: Facts) -> ContainerRequest:
    """One container of `service`.

    Raises: InputError and Unsupported, which name the service; NotFound when a container to share with is missing.
    """
    warnings: list[str] = []
    first = {name: found[0][0] for name, found in facts.containers.items() if found}
    _check_parents(service, first)
    settled = with_parents(service, first)
    try:
        mounted = mounts(project, service, facts.image.config.volumes, dict(facts.inherited), warnings)
        options = RunOptions(
            name=identity.name,
            labels=_labels(project, service, settled, identity, facts),
            pull="never",
            **_process(settled, facts.image),
            **_lifecycle(settled, warnings),
            **networks(project, settled, identity, facts.containers),
            **security(settled, facts.read, project.working_dir),
            **limits(settled, warnings),
            mounts=mounted.requests,
            volumes_from=tuple(settled.volumes_from),
        )
        _check(options)
    except WherryError as fault:
        fault.message = f"service {service.name}: {fault.message}"
        fault.args = (fault.message,)
        raise
    lead = f'service "{service.name}": '
    image = service.image_name(project.name)
    return ContainerRequest(image, options, mounted.files, tuple(lead + text for text in warnings))


def _check_parents(service: Service, first: Mapping[str, str]) -> None:
    from wherry.errors import NotFound

    for field, what in MODES:
        kind, _, name = str(getattr(service, field)).partition(":")
        if kind == "service" and name not in first:
            raise NotFound(f"cannot share {what} with service {name}: container missing")
    for entry in service.volumes_from:
        name = entry.partition(":")[0]
        if name != "container" and name not in first:
            raise NotFound(f"cannot share volume with service {name}: container missing")


def _process(service: Service, image: ImageConfig) -> dict[str, Any]:
    entrypoint = None if service.entrypoint is None else tuple(service.entrypoint)
    command = tuple(service.command or ())
    if entrypoint == () and not command:
        # As docker: it takes the image's ENTRYPOINT away, and not its CMD
        command = image.config.cmd or ()
    return {
        "command": command,
        "entrypoint": entrypoint,
        "env": tuple(name if value is None else f"{name}={value}" for name, value in service.environment.items()),
        "user": service.user,
        "group_add": tuple(service.group_add),
        "workdir": service.working_dir,
        "tty": service.tty,
        "stdin": service.stdin_open,
        "attach": ("stdout", "stderr"),
        "annotations": dict(service.annotations),
        "platform": service.platform,
        "init": service.init,
        "hostname": parse_values.hostname_mode(service.hostname),
        "domainname": service.domainname,
    }


def _lifecycle(service: Service, warnings: list[str]) -> dict[str, Any]:
    grace = service.stop_grace_period
    return {
        "restart": _restart(service, warnings),
        "stop_signal": parse_values.signal_name(service.stop_signal) if service.stop_signal else "",
        "stop_timeout_s": None if grace is None else grace // _SECOND_NS,
        "health": _health(service.healthcheck),
        "log": _log(service),
    }


_POLICIES = {"none": "no", "any": "always"}


def _restart(service: Service, warnings: list[str]) -> RestartPolicy:
    """deploy.restart_policy goes over `restart`."""
    policy = service.deploy.restart_policy if service.deploy is not None else None
    if policy is None:
        name, colon, count = service.restart.partition(":")
        return parse_values.restart(_POLICIES.get(name, name) + colon + count)
    warnings += [
        f"deploy.restart_policy.{key} has no effect: restarts are delayed by 0.1 s, doubled each time"
        for key in ("delay", "window")
        if getattr(policy, key)
    ]
    attempts = f":{policy.max_attempts}" if policy.max_attempts else ""
    return parse_values.restart(_POLICIES.get(policy.condition, policy.condition) + attempts)


def _health(check: HealthcheckModel | None) -> Healthcheck | None:
    if check is None:
        return None
    if check.disable:
        return Healthcheck(("NONE",))
    spans = {
        "Interval": check.interval, "Timeout": check.timeout, "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }  # fmt: skip
    for what, span in spans.items():
        if span is not None and 0 < span < 1_000_000:
            raise InputError(f"{what} in Healthcheck cannot be less than 1ms")
    interval, timeout, start_period, start_interval = (span or 0 for span in spans.values())
    found = Healthcheck(tuple(check.test), interval, timeout, start_period, start_interval, check.retries or 0)
    return None if found == Healthcheck(()) else found


def _log(service: Service) -> LogConfig:
    if service.logging is None:
        return LogConfig()
    from wherry.runtime import log_options

    chosen = dict(service.logging.options)
    return LogConfig(log_options.check(service.logging.driver, chosen), chosen)


def _labels(
    project: Project, service: Service, settled: Service, identity: Identity, facts: Facts
) -> dict[str, str]:  # fmt: skip
    from wherry.compose.config_hash import service_hash

    depends = [f"{name}:{one.condition}:{str(one.restart).lower()}" for name, one in sorted(service.depends_on.items())]
    found = {
        **service.labels,
        labels.CONFIG_HASH: service_hash(settled),
        labels.NUMBER: str(identity.number),
        labels.DEPENDS_ON: ",".join(depends),
        labels.IMAGE: facts.image_id,
        labels.ONE_OFF: str(identity.one_off),
        labels.PROJECT: project.name,
        labels.CONFIG_FILES: ",".join(project.files),
        labels.WORKING_DIR: project.working_dir,
        labels.SERVICE: service.name,
        labels.VERSION: __version__,
    }
    more = {
        labels.ENVIRONMENT_FILE: ",".join(project.env_files),
        labels.SLUG: identity.slug,
        labels.REPLACE: identity.replaces,
        labels.IMAGE_VOLUME_DIGEST: mounted_images_label(service, facts.mounted_images),
    }
    return found | {name: value for name, value in more.items() if value}


def _check(options: RunOptions) -> None:
    """docker's conflicts between keys, as its daemon words them. Raises: InputError."""
    if options.hostname and options.uts == "host":
        raise InputError("conflicting options: hostname and the UTS mode")
    if not options.network.startswith("container:"):
        return
    for given, what in (
        (options.hostname, "hostname and the network mode"),
        (options.dns, "dns and the network mode"),
        (options.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (options.mac_address, "mac-address and the network mode"),
        (options.ports, "port publishing and the container type network mode"),
        (options.expose, "port exposing and the container type network mode"),
    ):
        if given:
            raise InputError(f"conflicting options: {what}")
