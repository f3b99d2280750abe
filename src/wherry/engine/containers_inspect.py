"""`inspect` of a container: docker's JSON (API 1.45), so that what reads docker's reads ours."""

from __future__ import annotations

from wherry.engine.containers_bundle import Start, effective_health, log_limits, network_request
from wherry.engine.containers_repair import repair
from wherry.errors import NotFound
from wherry.oci.config import ImageConfig
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.store.images import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.options import DeviceRate, RunOptions
    from wherry.runtime.state import ContainerState
    from wherry.volume.model import BindMount

__all__ = ["inspect"]

_NEVER = "0001-01-01T00:00:00Z"


def inspect(engine: Engine, row: ContainerRow, *, size: bool = False) -> dict[str, Any]:
    """See Containers.inspect."""
    from wherry.engine.containers_mounts import settle

    state = repair(engine, row)
    options = row.options()
    try:
        image = engine.images.config(Digest(row.image_id))
    except NotFound:
        image = ImageConfig(Platform("linux", ""))
    start = Start(row, options, image, engine.containers.bundle(row.id), -1)
    binds = settle(engine, row)
    doc: dict[str, Any] = {
        "Id": row.id,
        "Created": rfc3339(row.created_ns),
        "Path": row.command[0],
        "Args": list(row.command[1:]),
        "State": _state(state),
        "Image": row.image_id,
        **_paths(start),
        "Name": f"/{row.name}",
        "RestartCount": state.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": options.apparmor,
        "ExecIDs": None,
        "HostConfig": _host_config(engine, start, binds),
        "GraphDriver": {"Data": _folders(engine, row, start.bundle), "Name": "overlay"},
    }
    if size:
        doc |= _sizes(engine, start)
    doc["Mounts"] = [_mount(one) for one in binds]
    doc["Config"] = _config(start)
    exposed = tuple(doc["Config"].get("ExposedPorts", {}))
    doc["NetworkSettings"] = engine.networks.describe(row.id, network_request(start), exposed)
    return doc


def _sizes(engine: Engine, start: Start) -> dict[str, int]:
    from wherry.engine.containers_list import image_size
    from wherry.fs.tree import disk_usage

    own = disk_usage(f"{start.bundle}/upper")
    return {"SizeRw": own, "SizeRootFs": own + image_size(engine, start.row)}


def _paths(start: Start) -> dict[str, str]:
    return {
        "ResolvConfPath": f"{start.bundle}/resolv.conf",
        "HostnamePath": f"{start.bundle}/hostname",
        "HostsPath": f"{start.bundle}/hosts",
        "LogPath": "" if start.options.log.driver == "none" else f"{start.bundle}/container.log",
    }


def _state(state: ContainerState) -> dict[str, Any]:
    doc = {
        "Status": state.status,
        "Running": state.is_running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_ns) if state.started_ns else _NEVER,
        "FinishedAt": rfc3339(state.finished_ns) if state.finished_ns else _NEVER,
    }
    if state.health is not None:
        doc["Health"] = state.health
    return doc


def _folders(engine: Engine, row: ContainerRow, bundle: str) -> dict[str, str]:
    try:
        layers = engine.image_store.get(Digest(row.image_id)).layers
    except NotFound:
        layers = ()
    lowers = ":".join(engine.layers.path(diff_id) for diff_id in reversed(layers))
    # Differs from docker: the merged view is in no mount table; `wherry cp` reads it
    return {"LowerDir": lowers, "UpperDir": f"{bundle}/upper", "WorkDir": f"{bundle}/work"}


def _mount(one: BindMount) -> dict[str, Any]:
    doc: dict[str, Any] = {"Type": "volume", "Name": one.volume} if one.volume else {"Type": "bind"}
    doc |= {"Source": one.source, "Destination": one.target}
    if one.volume:
        doc["Driver"] = "local"
    # docker's relabelling by default, of named volumes; only SELinux knows it
    mode = "z" if one.volume and not one.is_anonymous else ""
    doc |= {"Mode": "ro" if one.read_only else mode, "RW": not one.read_only}
    doc["Propagation"] = "" if one.volume else one.propagation or "rprivate"
    return doc


def _host_config(engine: Engine, start: Start, binds: tuple[BindMount, ...]) -> dict[str, Any]:
    from wherry.runtime.machine import cgroup_layout

    options = start.options
    bytes_, files = log_limits(options.log)
    doc: dict[str, Any] = {
        "Binds": _bind_texts(binds) or None,
        "ContainerIDFile": options.cidfile,
        "LogConfig": {
            "Type": options.log.driver,
            "Config": dict(options.log.options) or {"max-size": f"{bytes_ // 1_000_000}m", "max-file": str(files)},
        },
        "NetworkMode": options.network or "bridge",
        "PortBindings": _port_bindings(start),
        "RestartPolicy": {"Name": options.restart.name, "MaximumRetryCount": options.restart.max_retries},
        "AutoRemove": start.row.remove,
        "VolumesFrom": None,
        "CapAdd": _capabilities(options.cap_add),
        "CapDrop": _capabilities(options.cap_drop),
        "CgroupnsMode": options.cgroupns or ("private" if cgroup_layout() == "v2" else "host"),
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.group_add) or None,
        "IpcMode": options.ipc or "private",
        "PidMode": options.pid,
        "PublishAllPorts": options.publish_all,
        "SecurityOpt": _security(options) or None,
        "ShmSize": options.shm_size_bytes or 64 << 20,
        "Runtime": engine.containers.driver.runtime.name,
    }
    return doc | _sandbox(options) | _limits(options)


def _sandbox(options: RunOptions) -> dict[str, Any]:
    """What docker leaves out when it was not asked for, and the paths that the container can't use."""
    from wherry.runtime.spec import MASKED_PATHS, READONLY_PATHS

    doc: dict[str, Any] = {
        "ConsoleSize": [0, 0],
        "VolumeDriver": "",
        "Cgroup": "",
        "Links": None,
        "Isolation": options.isolation,
        "UTSMode": options.uts,
        "UsernsMode": options.userns,
        "Privileged": options.privileged,
        "ReadonlyRootfs": options.read_only,
        "BlkioWeight": options.blkio_weight,
        "BlkioWeightDevice": [{"Path": one.path, "Weight": one.rate} for one in options.blkio_weight_devices],
        "BlkioDeviceReadBps": _rates(options.device_read_bps),
        "BlkioDeviceWriteBps": _rates(options.device_write_bps),
        "BlkioDeviceReadIOps": _rates(options.device_read_iops),
        "BlkioDeviceWriteIOps": _rates(options.device_write_iops),
        "CpuRealtimePeriod": options.cpu_rt_period_us,
        "CpuRealtimeRuntime": options.cpu_rt_runtime_us,
        "DeviceRequests": None,
        **dict.fromkeys(("CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"), 0),
    }
    if options.annotations:
        doc["Annotations"] = dict(options.annotations)
    if options.init:
        doc["Init"] = True
    if options.sysctls:
        doc["Sysctls"] = dict(options.sysctls)
    if tmpfs := {one.target: ",".join(one.options) for one in options.mounts if one.type == "tmpfs"}:
        doc["Tmpfs"] = tmpfs
    is_open = options.privileged or options.system_paths_unconfined
    doc["MaskedPaths"] = [] if is_open else list(MASKED_PATHS)
    doc["ReadonlyPaths"] = [] if is_open else list(READONLY_PATHS)
    return doc


def _rates(devices: Sequence[DeviceRate]) -> list[dict[str, Any]]:
    return [{"Path": one.path, "Rate": one.rate} for one in devices]


def _capabilities(names: tuple[str, ...]) -> list[str] | None:
    """As people write them, not as the kernel does."""
    return [name.removeprefix("CAP_") for name in names] or None


def _limits(options: RunOptions) -> dict[str, Any]:
    return {
        "CpuShares": options.cpu_shares,
        "Memory": options.memory_bytes,
        "NanoCpus": options.nano_cpus,
        "CgroupParent": options.cgroup_parent,
        "CpuPeriod": options.cpu_period_us,
        "CpuQuota": options.cpu_quota_us,
        "CpusetCpus": options.cpuset_cpus,
        "CpusetMems": options.cpuset_mems,
        "Devices": [
            {"PathOnHost": one.host_path, "PathInContainer": one.container_path, "CgroupPermissions": one.permissions}
            for one in options.devices
        ],
        "DeviceCgroupRules": list(options.device_cgroup_rules) or None,
        "MemoryReservation": options.memory_reservation_bytes,
        "MemorySwap": options.memory_swap_bytes or options.memory_bytes * 2,
        "MemorySwappiness": options.memory_swappiness if options.memory_swappiness >= 0 else None,
        "OomKillDisable": options.oom_kill_disable,
        # As docker: 0 is what `update` makes of no limit, null what `run` does
        "PidsLimit": max(options.pids_limit, 0) if options.pids_limit else None,
        "Ulimits": [{"Name": one.name, "Hard": one.hard, "Soft": one.soft} for one in options.ulimits],
        "OomScoreAdj": options.oom_score_adj,
    }


def _bind_texts(binds: tuple[BindMount, ...]) -> list[str]:
    return [
        f"{one.volume or one.source}:{one.target}" + (":ro" if one.read_only else "")
        for one in binds
        if not one.is_anonymous
    ]


def _port_bindings(start: Start) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in network_request(start).ports:
        where = {"HostIp": one.host_ip, "HostPort": str(one.host_port) if one.host_port else ""}
        found.setdefault(f"{one.container_port}/{one.protocol}", []).append(where)
    return found


def _security(options: RunOptions) -> list[str]:
    found = ["no-new-privileges"] if options.no_new_privileges else []
    if options.seccomp:
        found.append(f"seccomp={options.seccomp}")
    if options.apparmor:
        found.append(f"apparmor={options.apparmor}")
    return found + [f"label={one}" for one in options.label_options]


def _config(start: Start) -> dict[str, Any]:
    options, image = start.options, start.config.config
    doc: dict[str, Any] = {
        "Hostname": options.hostname or start.row.short_id,
        "Domainname": options.domainname,
        "User": options.user or image.user,
        "AttachStdin": options.stdin and not options.detach,
        "AttachStdout": not options.detach,
        "AttachStderr": not options.detach,
    }
    exposed = [*image.exposed_ports, *options.expose, *start.row.ports]
    if exposed:
        doc["ExposedPorts"] = {one if "/" in one else f"{one}/tcp": {} for one in exposed}
    doc |= {
        "Tty": options.tty,
        "OpenStdin": options.stdin,
        "StdinOnce": options.stdin and not options.detach,
        "Env": _env(image.env, options.env),
        "Cmd": _words(options.command or (image.cmd if options.entrypoint is None else None)),
    }
    if health := effective_health(start):
        doc["Healthcheck"] = health.to_json()
    doc |= {
        "Image": start.row.image_name,
        "Volumes": {path: {} for path in image.volumes} or None,
        "WorkingDir": options.workdir or image.working_dir,
        "Entrypoint": _words(options.entrypoint if options.entrypoint is not None else image.entrypoint),
        "OnBuild": None,
        "Labels": dict(start.row.labels),
    }
    if options.stop_signal or image.stop_signal:
        doc["StopSignal"] = options.stop_signal or image.stop_signal
    if options.stop_timeout_s is not None:
        doc["StopTimeout"] = options.stop_timeout_s
    return doc


def _env(image: tuple[str, ...], own: tuple[str, ...]) -> list[str]:
    """As docker lists it: what was asked for first, then the image's that it does not replace."""
    names = {one.partition("=")[0] for one in own}
    return [*(one for one in own if "=" in one), *(one for one in image if one.partition("=")[0] not in names)]


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    return list(words) if words else None
