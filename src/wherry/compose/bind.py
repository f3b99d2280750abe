"""A canonical tree to the model's records.

Each record has a table from key to decoder; a decoder takes the tree's value and raises ValueError with
docker-compose's words when it can't be that; `Unbound` says where below the value that was given.
"""

from __future__ import annotations

from wherry.compose import bind_values as to
from wherry.compose.complete import VALUE
from wherry.compose.model import Config, Ipam, IpamPool, Model, Network, Secret, Service, Volume
from wherry.compose.model_build import (
    Build,
    Deploy,
    Develop,
    DeviceRequest,
    GenericResource,
    Placement,
    Resource,
    Resources,
    RestartPolicy,
    Ulimit,
    UpdateConfig,
    WatchRule,
)
from wherry.compose.model_parts import (
    BindOptions,
    Blkio,
    CredentialSpec,
    Dependency,
    Device,
    EnvFile,
    Extends,
    FileReference,
    Healthcheck,
    Hook,
    ImageOptions,
    Logging,
    Mount,
    Port,
    Provider,
    ServiceModel,
    ServiceNetwork,
    ThrottleDevice,
    TmpfsOptions,
    VolumeOptions,
    WeightDevice,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from wherry.compose.record import Record

    Decode = Callable[[Any], Any]

__all__ = ["MODELS", "Unbound", "bind_service", "record"]


class Unbound(ValueError):
    """A value that can't be bound. `path` leads to it from the value that was given."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


def record(kind: type[Record], value: Any, **more: Any) -> Any:
    """Make a record of a mapping; keys that it doesn't know go to `extensions` when they begin with `x-`."""
    fields: dict[str, Any] = more
    extensions: dict[str, Any] | None = None
    table = _TABLES[kind]
    if not isinstance(value, dict):
        raise Unbound(f"expected a map, got '{to.kind(value)}'")
    for key, entry in value.items():
        decode = table.get(key)
        if decode is None:
            if key[:2] == "x-" and key != VALUE:
                extensions = extensions if extensions is not None else {}
                extensions[key] = entry
            continue
        if entry is None and key not in _KEEP_NULL:
            continue
        try:
            fields[key] = decode(entry)
        except Unbound as fault:
            fault.path = (key, *fault.path)
            raise
        except ValueError as fault:
            raise Unbound(str(fault), (key,)) from None
    if extensions and "extensions" in kind._names:
        fields["extensions"] = extensions
    return kind(**fields)


_KEEP_NULL = frozenset({"driver_opts", "environment"})


def a(kind: type[Record]) -> Decode:
    return lambda value: record(kind, value)


def many(kind: type[Record]) -> Decode:
    def decode(value: Any) -> Any:
        if not isinstance(value, list):
            raise Unbound(f"expected a list, got '{to.kind(value)}'")
        made = []
        for at, entry in enumerate(value):
            try:
                made.append(record(kind, entry))
            except Unbound as fault:
                fault.path = (at, *fault.path)
                raise
        return tuple(made)

    return decode


def named(kind: type[Record], *, none: bool = False) -> Decode:
    """A mapping from names to records; with `none`, a name may have nothing."""

    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unbound(f"expected a map, got '{to.kind(value)}'")
        made: dict[str, Any] = {}
        for name in sorted(value):
            entry = value[name]
            if entry is None and none:
                made[name] = None
                continue
            try:
                made[name] = record(kind, {} if entry is None else entry)
            except Unbound as fault:
                fault.path = (name, *fault.path)
                raise
        return made

    return decode


def ulimits(value: Any) -> Mapping[str, Ulimit]:
    made = {}
    for name in sorted(value):
        entry = value[name]
        if isinstance(entry, dict):
            soft, hard = to.integer(entry.get("soft", 0)), to.integer(entry.get("hard", 0))
            extensions = {key: each for key, each in entry.items() if key[:2] == "x-"}
            made[name] = Ulimit(soft=soft, hard=hard, extensions=extensions)
        else:
            made[name] = Ulimit(single=to.integer(entry))
    return made


def service_models(value: Any) -> Mapping[str, ServiceModel]:
    if isinstance(value, list):
        return {name: ServiceModel() for name in sorted(map(str, value))}
    made: Mapping[str, ServiceModel] = named(ServiceModel)(value)
    return made


def generic_resources(value: Any) -> tuple[GenericResource, ...]:
    made = []
    for entry in value:
        inner = entry.get("discrete_resource_spec") or {}
        extensions = {key: each for key, each in entry.items() if key[:2] == "x-"}
        more = {"extensions": extensions} if extensions else {}
        made.append(
            GenericResource(kind=to.text(inner.get("kind", "")), value=to.integer(inner.get("value", 0)), **more)
        )
    return tuple(made)


def preferences(value: Any) -> tuple[str, ...]:
    return tuple(to.text(entry.get("spread", "")) for entry in value)


_SERVICE_TEXTS = (
    "cgroup_parent", "cgroup", "cpuset", "container_name", "domainname", "hostname", "image", "ipc", "isolation",
    "mac_address", "network_mode", "pid", "platform", "pull_policy", "pull_refresh_after", "restart", "runtime",
    "stop_signal", "user", "userns_mode", "uts", "working_dir",
)  # fmt: skip
_SERVICE_LISTS = (
    "profiles", "cap_add", "cap_drop", "device_cgroup_rules", "dns_opt", "external_links", "group_add", "links",
    "security_opt", "volumes_from", "label_file",
)  # fmt: skip
_SERVICE_INTS = (
    "cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "oom_score_adj",
    "pids_limit", "scale",
)  # fmt: skip
_SERVICE_FLAGS = (
    "attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty", "use_api_socket",
)  # fmt: skip
_FILE_OBJECT: dict[str, Decode] = {
    **dict.fromkeys(("name", "file", "environment", "content", "driver", "template_driver"), to.text),
    "external": to.flag, "labels": to.labels, "driver_opts": to.string_map,
}  # fmt: skip
_RATES = ("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")

_TABLES: dict[type[Record], dict[str, Decode]] = {
    Service: {
        **dict.fromkeys(_SERVICE_TEXTS, to.text),
        **dict.fromkeys(_SERVICE_LISTS, to.texts),
        **dict.fromkeys(_SERVICE_INTS, to.integer),
        **dict.fromkeys(_SERVICE_FLAGS, to.flag),
        **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size"), to.size),
        **dict.fromkeys(("cpus", "cpu_percent"), to.single),
        **dict.fromkeys(("dns", "dns_search", "tmpfs"), to.string_list),
        **dict.fromkeys(("command", "entrypoint"), to.command),
        **dict.fromkeys(("configs", "secrets"), many(FileReference)),
        **dict.fromkeys(("annotations", "sysctls"), to.mapping),
        **dict.fromkeys(("pre_start", "post_start", "pre_stop"), many(Hook)),
        "build": a(Build), "develop": a(Develop), "blkio_config": a(Blkio), "credential_spec": a(CredentialSpec),
        "depends_on": named(Dependency), "deploy": a(Deploy), "devices": many(Device), "environment": to.equals,
        "env_file": many(EnvFile), "expose": to.numbers, "extends": a(Extends), "extra_hosts": to.hosts,
        "gpus": many(DeviceRequest), "healthcheck": a(Healthcheck), "labels": to.labels, "logging": a(Logging),
        "models": service_models, "networks": named(ServiceNetwork, none=True), "ports": many(Port),
        "provider": a(Provider), "stop_grace_period": to.duration, "storage_opt": to.string_map, "ulimits": ulimits,
        "volumes": many(Mount),
    },
    Build: {
        **dict.fromkeys(("context", "dockerfile", "dockerfile_inline", "isolation", "network", "target"), to.text),
        **dict.fromkeys(("no_cache", "pull", "privileged"), to.flag),
        **dict.fromkeys(("cache_from", "cache_to", "tags", "platforms", "no_cache_filter"), to.string_list),
        "entitlements": to.texts, "args": to.equals, "ssh": to.ssh, "labels": to.labels, "extra_hosts": to.hosts,
        "additional_contexts": to.mapping, "secrets": many(FileReference), "shm_size": to.size, "ulimits": ulimits,
        "provenance": to.any_text, "sbom": to.any_text,
    },
    Deploy: {
        "mode": to.text, "replicas": to.integer, "labels": to.labels, "update_config": a(UpdateConfig),
        "rollback_config": a(UpdateConfig), "resources": a(Resources), "restart_policy": a(RestartPolicy),
        "placement": a(Placement), "endpoint_mode": to.text,
    },
    Resources: {"limits": a(Resource), "reservations": a(Resource)},
    Resource: {
        "cpus": to.cpus, "memory": to.size, "pids": to.integer, "devices": many(DeviceRequest),
        "generic_resources": generic_resources,
    },
    UpdateConfig: {
        "parallelism": to.natural, "delay": to.duration, "failure_action": to.text, "monitor": to.duration,
        "max_failure_ratio": to.single, "order": to.text,
    },
    RestartPolicy: {
        "condition": to.text, "delay": to.duration, "max_attempts": to.integer, "window": to.duration,
    },
    Placement: {"constraints": to.texts, "preferences": preferences, "max_replicas_per_node": to.integer},
    DeviceRequest: {
        "capabilities": to.texts, "driver": to.text, "count": to.device_count, "device_ids": to.texts,
        "options": to.mapping,
    },
    Develop: {"watch": many(WatchRule)},
    WatchRule: {
        **dict.fromkeys(("path", "action", "target"), to.text),
        "exec": a(Hook), "include": to.string_list, "ignore": to.string_list, "initial_sync": to.flag,
    },
    Hook: {
        "command": to.command, "image": to.text, "per_replica": to.flag, "user": to.text, "privileged": to.flag,
        "working_dir": to.text, "environment": to.equals,
    },
    Blkio: {"weight": to.unsigned, "weight_device": many(WeightDevice), **dict.fromkeys(_RATES, many(ThrottleDevice))},
    WeightDevice: {"path": to.text, "weight": to.unsigned},
    ThrottleDevice: {"path": to.text, "rate": to.size},
    CredentialSpec: dict.fromkeys(("config", "file", "registry"), to.text),
    Dependency: {"condition": to.text, "restart": to.flag, "required": to.flag},
    Device: dict.fromkeys(("source", "target", "permissions"), to.text),
    EnvFile: {"path": to.text, "required": to.flag, "format": to.text},
    Extends: {"file": to.text, "service": to.text},
    FileReference: {**dict.fromkeys(("source", "target", "uid", "gid"), to.text), "mode": to.unsigned},
    Healthcheck: {
        **dict.fromkeys(("timeout", "interval", "start_period", "start_interval"), to.duration),
        "test": to.health_test, "retries": to.natural, "disable": to.flag,
    },
    Logging: {"driver": to.text, "options": to.options},
    Mount: {
        **dict.fromkeys(("type", "source", "target", "consistency"), to.text),
        "read_only": to.flag, "bind": a(BindOptions), "volume": a(VolumeOptions), "tmpfs": a(TmpfsOptions),
        "image": a(ImageOptions),
    },
    BindOptions: {
        "selinux": to.text, "propagation": to.text, "create_host_path": to.flag, "recursive": to.text,
    },
    VolumeOptions: {"labels": to.labels, "nocopy": to.flag, "subpath": to.text},
    TmpfsOptions: {"size": to.size, "mode": to.unsigned},
    ImageOptions: {"subpath": to.text},
    Port: {
        **dict.fromkeys(("name", "mode", "host_ip", "published", "protocol", "app_protocol"), to.text),
        "target": to.natural,
    },
    Provider: {"type": to.text, "options": to.multi_options},
    ServiceModel: {"endpoint_var": to.text, "model_var": to.text},
    ServiceNetwork: {
        **dict.fromkeys(("interface_name", "ipv4_address", "ipv6_address", "mac_address"), to.text),
        "priority": to.integer, "gw_priority": to.integer, "aliases": to.texts, "link_local_ips": to.texts,
        "driver_opts": to.options,
    },
    Network: {
        **dict.fromkeys(("external", "internal", "attachable", "enable_ipv4", "enable_ipv6"), to.flag),
        "name": to.text, "driver": to.text, "driver_opts": to.options, "ipam": a(Ipam), "labels": to.labels,
    },
    Ipam: {"driver": to.text, "config": many(IpamPool), "options": to.options},
    IpamPool: {**dict.fromkeys(("subnet", "gateway", "ip_range"), to.text), "aux_addresses": to.mapping},
    Volume: {
        "name": to.text, "driver": to.text, "driver_opts": to.options, "external": to.flag, "labels": to.labels,
    },
    Secret: _FILE_OBJECT,
    Config: _FILE_OBJECT,
    Model: {"name": to.text, "model": to.text, "context_size": to.integer, "runtime_flags": to.texts},
}  # fmt: skip


def bind_service(value: Any) -> Service:
    """Bind a service, whose name is said elsewhere."""
    made: Service = record(Service, value, name="")
    return made


def bind_secret(value: Any) -> Secret:
    """Bind a secret; its value, which came from the environment, is its content."""
    made: Secret = record(Secret, value)
    return made.replace(content=value[VALUE]) if isinstance(value, dict) and VALUE in value else made


MODELS: dict[str, Callable[[Any], Any]] = {
    "networks": a(Network), "volumes": a(Volume), "secrets": bind_secret, "configs": a(Config), "models": a(Model),
}  # fmt: skip
"""How the values of top-level mappings are bound."""
