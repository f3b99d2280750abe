"""How a service is built, deployed and developed: `build`, `deploy`, `develop`. Units: see `compose.model`."""

from __future__ import annotations

from wherry.compose.model_parts import FileReference, Hook
from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = [
    "Build",
    "Deploy",
    "Develop",
    "DeviceRequest",
    "GenericResource",
    "Placement",
    "Resource",
    "Resources",
    "RestartPolicy",
    "SshKey",
    "Ulimit",
    "UpdateConfig",
    "WatchRule",
]


class Ulimit(Record):
    """One value of `ulimits`: `single` for both, or `soft` and `hard`; -1 is unlimited."""

    single: int = 0
    soft: int = 0
    hard: int = 0
    extensions: Mapping[str, Any] = EMPTY


class SshKey(Record):
    """One element of `build.ssh`: `default`, or an id and the path of a key or a socket."""

    id: str
    path: str = ""


class Build(Record):
    """`build`."""

    context: str = ""
    """An absolute path or a URL."""
    dockerfile: str = ""
    """Relative to the context, or absolute."""
    dockerfile_inline: str = ""
    entitlements: Sequence[str] = ()
    args: Mapping[str, str | None] = EMPTY
    """None: a name without a value anywhere."""
    provenance: str = ""
    sbom: str = ""
    ssh: Sequence[SshKey] = ()
    labels: Mapping[str, str] = EMPTY
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()
    no_cache: bool = False
    no_cache_filter: Sequence[str] = ()
    additional_contexts: Mapping[str, str] = EMPTY
    pull: bool = False
    extra_hosts: Mapping[str, Sequence[str]] = EMPTY
    isolation: str = ""
    network: str = ""
    target: str = ""
    secrets: Sequence[FileReference] = ()
    shm_size: int = 0
    tags: Sequence[str] = ()
    ulimits: Mapping[str, Ulimit] = EMPTY
    platforms: Sequence[str] = ()
    privileged: bool = False
    extensions: Mapping[str, Any] = EMPTY


class DeviceRequest(Record):
    """One element of `gpus`, and of `deploy.resources.reservations.devices`."""

    capabilities: Sequence[str] = ()
    driver: str = ""
    count: int = 0
    """-1 is all; 0: not said."""
    device_ids: Sequence[str] = ()
    options: Mapping[str, str] = EMPTY


class GenericResource(Record):
    """One element of `generic_resources`: its `discrete_resource_spec`."""

    kind: str = ""
    value: int = 0
    extensions: Mapping[str, Any] = EMPTY


class Resource(Record):
    """`deploy.resources.limits` or `.reservations`."""

    cpus: float = 0
    memory: int = 0
    """Bytes."""
    pids: int = 0
    devices: Sequence[DeviceRequest] = ()
    generic_resources: Sequence[GenericResource] = ()
    extensions: Mapping[str, Any] = EMPTY


class Resources(Record):
    """`deploy.resources`."""

    limits: Resource | None = None
    reservations: Resource | None = None
    extensions: Mapping[str, Any] = EMPTY


class UpdateConfig(Record):
    """`deploy.update_config` and `.rollback_config`; durations in nanoseconds."""

    parallelism: int | None = None
    delay: int = 0
    failure_action: str = ""
    monitor: int = 0
    max_failure_ratio: float = 0
    order: str = ""
    extensions: Mapping[str, Any] = EMPTY


class RestartPolicy(Record):
    """`deploy.restart_policy`; durations in nanoseconds."""

    condition: str = ""
    delay: int | None = None
    max_attempts: int | None = None
    window: int | None = None
    extensions: Mapping[str, Any] = EMPTY


class Placement(Record):
    """`deploy.placement`; one machine has nothing to choose."""

    constraints: Sequence[str] = ()
    preferences: Sequence[str] = ()
    """Each one's `spread`."""
    max_replicas_per_node: int = 0
    extensions: Mapping[str, Any] = EMPTY


class Deploy(Record):
    """`deploy`."""

    mode: str = ""
    replicas: int | None = None
    labels: Mapping[str, str] = EMPTY
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    resources: Resources = Resources()
    restart_policy: RestartPolicy | None = None
    placement: Placement = Placement()
    endpoint_mode: str = ""
    extensions: Mapping[str, Any] = EMPTY


class WatchRule(Record):
    """One element of `develop.watch`."""

    path: str = ""
    """Absolute, unless paths were not resolved."""
    action: str = ""
    """`sync`, `rebuild`, `restart`, `sync+restart` or `sync+exec`."""
    target: str = ""
    exec: Hook | None = None
    include: Sequence[str] = ()
    ignore: Sequence[str] = ()
    initial_sync: bool = False
    extensions: Mapping[str, Any] = EMPTY


class Develop(Record):
    """`develop`."""

    watch: Sequence[WatchRule] = ()
    extensions: Mapping[str, Any] = EMPTY
