"""Which keys of a service are others than when a container was made: for people, in the cause of a recreation.

A container's labels hold a hash of its configuration and not the configuration, so what it was made of is compared: the
engine's RunOptions, then and now. A key that changes no option (and still the hash) is not found; then none is named.
"""

from __future__ import annotations

import json

from wherry.runtime.options import NetworkJoin, RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wherry.runtime.options import MountRequest

__all__ = ["changed_keys"]

_OWN = "com.docker.compose."
_KEYS = {
    "command": "command", "entrypoint": "entrypoint", "user": "user", "group_add": "group_add",
    "workdir": "working_dir", "tty": "tty", "stdin": "stdin_open", "platform": "platform", "init": "init",
    "read_only": "read_only", "restart": "restart", "stop_signal": "stop_signal",
    "stop_timeout_s": "stop_grace_period", "health": "healthcheck", "log": "logging", "volumes_from": "volumes_from",
    "devices": "devices", "cdi_devices": "devices", "device_cgroup_rules": "device_cgroup_rules", "gpus": "gpus",
    "runtime": "runtime", "ports": "ports", "expose": "expose", "hostname": "hostname", "domainname": "domainname",
    "extra_hosts": "extra_hosts", "dns": "dns", "dns_search": "dns_search", "dns_options": "dns_opt",
    "cap_add": "cap_add", "cap_drop": "cap_drop", "privileged": "privileged", "security_opt": "security_opt",
    "system_paths_unconfined": "security_opt", "ipc": "ipc", "pid": "pid", "uts": "uts", "cgroupns": "cgroup",
    "userns": "userns_mode", "cgroup_parent": "cgroup_parent", "memory_bytes": "mem_limit",
    "memory_swap_bytes": "memswap_limit", "memory_reservation_bytes": "mem_reservation",
    "memory_swappiness": "mem_swappiness", "nano_cpus": "cpus", "cpu_shares": "cpu_shares",
    "cpu_period_us": "cpu_period", "cpu_quota_us": "cpu_quota", "cpu_rt_period_us": "cpu_rt_period",
    "cpu_rt_runtime_us": "cpu_rt_runtime", "cpuset_cpus": "cpuset", "blkio_weight": "blkio_config",
    "blkio_weight_devices": "blkio_config", "device_read_bps": "blkio_config", "device_write_bps": "blkio_config",
    "device_read_iops": "blkio_config", "device_write_iops": "blkio_config", "pids_limit": "pids_limit",
    "shm_size_bytes": "shm_size", "oom_score_adj": "oom_score_adj", "oom_kill_disable": "oom_kill_disable",
    "ulimits": "ulimits",
}  # fmt: skip


def changed_keys(options_json: str, new: RunOptions, files: Iterable[str] = ()) -> list[str]:
    """ "environment.DEBUG", "ports", "volumes (/data)", ... by name. `files` are targets of files that the container
    is given at its creation (`ContainerRequest.files`)."""
    old = RunOptions.from_json(json.loads(options_json))
    found = {key for field, key in _KEYS.items() if getattr(old, field) != getattr(new, field)}
    found |= _rejoined(old, new)
    if "gpus" in found or old.gpus:
        # The engine gives containers with GPUs a larger one by itself
        found.discard("shm_size")
    found |= _named("environment", _variables(old.env), _variables(new.env))
    found |= _named("labels", _users(old.labels), _users(new.labels))
    found |= _named("annotations", old.annotations, new.annotations)
    found |= _named("sysctls", old.sysctls, new.sysctls)
    found |= {f"volumes ({target})" for target in _remounted(old.mounts, new.mounts, set(files))}
    return sorted(found)


def _rejoined(old: RunOptions, new: RunOptions) -> set[str]:
    before, now = _joins(old), _joins(new)
    found = {"links"} if _links(before) != _links(now) else set()
    if [one._replace(links=()) for one in before] != [one._replace(links=()) for one in now]:
        found.add("networks")
    return found


def _joins(options: RunOptions) -> tuple[NetworkJoin, ...]:
    """The networks, whichever way they are written."""
    if options.networks is not None:
        return options.networks
    return (
        NetworkJoin(options.network, options.network_aliases, options.ip, options.ip6, options.mac_address,
                    options.link_local_ips, options.links),
    )  # fmt: skip


def _links(joins: Sequence[NetworkJoin]) -> set[str]:
    return {link for join in joins for link in join.links}


def _variables(entries: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        found[name] = value if equals else None
    return found


def _users(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if not name.startswith(_OWN)}


def _named(key: str, old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    missing = object()
    return {f"{key}.{name}" for name in {*old, *new} if old.get(name, missing) != new.get(name, missing)}


def _remounted(old: Sequence[MountRequest], new: Sequence[MountRequest], files: set[str]) -> set[str]:
    """Targets. What came by volumes_from, and which anonymous volume it is, is nobody's configuration."""
    before, now = _by_target(old), _by_target(new)
    return {target for target in {*before, *now} - files if before.get(target) != now.get(target)}


def _by_target(mounts: Sequence[MountRequest]) -> dict[str, MountRequest]:
    found = {}
    for one in mounts:
        if one.is_inherited and not one.is_mount:
            continue
        anonymous = one._replace(source="", is_inherited=False)
        found[one.target] = anonymous if one.is_inherited else one
    return found
