"""`inspect` of a container: the section HostConfig, which is what was asked of the machine."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_bundle import Start
    from wherry.runtime.options import DeviceRate, GpuRequest, RunOptions

__all__ = ["host_config"]


def host_config(engine: Engine, start: Start) -> dict[str, Any]:
    """All of docker's keys, with its choice of null, [] and {} for what was not asked for."""
    from wherry.engine.containers_inspect_mounts import asked
    from wherry.engine.containers_log_plan import log_config

    options = start.options
    return {
        **asked(options),
        "ContainerIDFile": options.cidfile,
        "LogConfig": log_config(options.log),
        "NetworkMode": options.network or "bridge",
        "PortBindings": _port_bindings(options),
        "RestartPolicy": {"Name": options.restart.name, "MaximumRetryCount": options.restart.max_retries},
        "AutoRemove": start.row.remove,
        "VolumeDriver": options.volume_driver,
        "VolumesFrom": list(options.volumes_from) or None,
        "ConsoleSize": [0, 0],
        "CapAdd": _capabilities(options.cap_add),
        "CapDrop": _capabilities(options.cap_drop),
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.group_add) or None,
        "PublishAllPorts": options.publish_all,
        "ShmSize": options.shm_size_bytes or 64 << 20,
        "Runtime": options.runtime or engine.containers.driver.runtime.name,
        "Isolation": options.isolation,
        "Links": _links(engine, start),
        **_namespaces(options),
        **_security(options),
        **_processors(options),
        **_memory(options),
        **_block_io(options),
        **_devices(options),
    }


def _namespaces(options: RunOptions) -> dict[str, Any]:
    from wherry.runtime.machine import cgroup_layout

    return {
        "CgroupnsMode": options.cgroupns or ("private" if cgroup_layout() == "v2" else "host"),
        "IpcMode": options.ipc or "private",
        "Cgroup": "",
        "PidMode": options.pid,
        "UTSMode": options.uts,
        "UsernsMode": options.userns,
    }


def _links(engine: Engine, start: Start) -> list[str] | None:
    """docker's "/other:/this/alias", for each --link."""
    from wherry.errors import NotFound

    found = []
    for text in start.options.links:
        other, _, alias = text.partition(":")
        try:
            found.append(f"/{engine.containers.find(other).name}:/{start.row.name}/{alias}")
        except NotFound:
            continue
    return found or None


def _security(options: RunOptions) -> dict[str, Any]:
    from wherry.runtime.spec import MASKED_PATHS, READONLY_PATHS

    masked: list[str] | None = list(MASKED_PATHS)
    readonly: list[str] | None = list(READONLY_PATHS)
    if options.system_paths_unconfined:
        masked = readonly = []
    if options.privileged:
        masked = readonly = None
    doc: dict[str, Any] = {
        "Privileged": options.privileged,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": _security_options(options),
        "MaskedPaths": masked,
        "ReadonlyPaths": readonly,
    }
    if options.annotations:
        doc["Annotations"] = dict(options.annotations)
    if options.init is not None:
        doc["Init"] = options.init
    if options.sysctls:
        doc["Sysctls"] = dict(options.sysctls)
    return doc


def _security_options(options: RunOptions) -> list[str] | None:
    """What shares the host's processes or memory has no label of its own: docker adds that."""
    shown = list(options.security_opt) or _security_words(options)
    is_open = options.privileged or "host" in (options.pid, options.ipc)
    if is_open and not options.label_options:
        return [*shown, "label=disable"]
    return shown if shown or options.system_paths_unconfined else None


def _security_words(options: RunOptions) -> list[str]:
    found = ["no-new-privileges"] if options.no_new_privileges else []
    if options.seccomp:
        found.append(f"seccomp={options.seccomp}")
    if options.apparmor:
        found.append(f"apparmor={options.apparmor}")
    return found + [f"label={one}" for one in options.label_options]


def _capabilities(names: Sequence[str]) -> list[str] | None:
    """As people write them, not as the kernel does."""
    # Differs from docker: CAP_SYS_PTRACE and sys_ptrace are shown as SYS_PTRACE
    return [name.removeprefix("CAP_") for name in names] or None


def _port_bindings(options: RunOptions) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in options.ports:
        last = f"-{one.host_port_last}" if one.host_port_last > one.host_port else ""
        where = {"HostIp": one.host_ip, "HostPort": f"{one.host_port}{last}" if one.host_port else ""}
        found.setdefault(f"{one.container_port}/{one.protocol}", []).append(where)
    return found


def _processors(options: RunOptions) -> dict[str, Any]:
    return {
        "CpuShares": options.cpu_shares,
        "NanoCpus": options.nano_cpus,
        "CgroupParent": options.cgroup_parent,
        "CpuPeriod": options.cpu_period_us,
        "CpuQuota": options.cpu_quota_us,
        "CpuRealtimePeriod": options.cpu_rt_period_us,
        "CpuRealtimeRuntime": options.cpu_rt_runtime_us,
        "CpusetCpus": options.cpuset_cpus,
        "CpusetMems": options.cpuset_mems,
        # Windows's
        "CpuCount": 0,
        "CpuPercent": 0,
    }


def _memory(options: RunOptions) -> dict[str, Any]:
    return {
        "Memory": options.memory_bytes,
        "MemoryReservation": options.memory_reservation_bytes,
        "MemorySwap": options.memory_swap_bytes or options.memory_bytes * 2,
        "MemorySwappiness": options.memory_swappiness if options.memory_swappiness >= 0 else None,
        "OomKillDisable": options.oom_kill_disable,
        "OomScoreAdj": options.oom_score_adj,
        # As docker: 0 is what `update` makes of no limit, null what `run` does
        "PidsLimit": max(options.pids_limit, 0) if options.pids_limit else None,
        "Ulimits": [
            {"Name": one.name, "Hard": one.hard, "Soft": one.soft}
            for one in sorted(options.ulimits, key=lambda one: one.name)
        ],
    }


def _block_io(options: RunOptions) -> dict[str, Any]:
    return {
        "BlkioWeight": options.blkio_weight,
        "BlkioWeightDevice": [{"Path": one.path, "Weight": one.rate} for one in options.blkio_weight_devices],
        "BlkioDeviceReadBps": _rates(options.device_read_bps),
        "BlkioDeviceWriteBps": _rates(options.device_write_bps),
        "BlkioDeviceReadIOps": _rates(options.device_read_iops),
        "BlkioDeviceWriteIOps": _rates(options.device_write_iops),
        # Windows's
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _rates(devices: Sequence[DeviceRate]) -> list[dict[str, Any]]:
    return [{"Path": one.path, "Rate": one.rate} for one in devices]


def _devices(options: RunOptions) -> dict[str, Any]:
    return {
        "Devices": [
            {"PathOnHost": one.host_path, "PathInContainer": one.container_path, "CgroupPermissions": one.permissions}
            for one in options.devices
        ],
        "DeviceCgroupRules": list(options.device_cgroup_rules) or None,
        "DeviceRequests": _device_requests(options) or None,
    }


def _device_requests(options: RunOptions) -> list[dict[str, Any]]:
    found = [_gpu(one) for one in options.gpus]
    if options.cdi_devices:
        found.append(
            {"Driver": "cdi", "Count": 0, "DeviceIDs": list(options.cdi_devices), "Capabilities": None, "Options": None}
        )
    return found


def _gpu(one: GpuRequest) -> dict[str, Any]:
    return {
        "Driver": one.driver,
        "Count": one.number,
        "DeviceIDs": list(one.device_ids) or None,
        "Capabilities": [list(one.capabilities)],
        "Options": dict(one.options),
    }
