"""What the user asked of one container: the flags of `run` and `create`, parsed, frozen, and kept in its row.

Everything has docker's default, so that `RunOptions(command=("true",))` is whole. Values are parsed already: sizes in
bytes, times in ns or s, paths and names as given. Which fields matter to whom: `runtime.spec` makes config.json of
them, the monitor takes stop, restart, health and log, the network takes ports and names.
"""

from __future__ import annotations

from wherry.lean import MappingProxyType
from wherry.oci.config import Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple, Self
else:
    from wherry.lean import NamedTuple

__all__ = [
    "DeviceRequest", "GpuRequest", "LogConfig", "MountRequest", "NetworkJoin", "PortRequest", "RestartPolicy",
    "RunOptions", "Ulimit",
]  # fmt: skip

_NONE: Mapping[str, str] = MappingProxyType({})


class MountRequest(NamedTuple):
    """One of -v, --mount or --tmpfs. `type` is "bind", "volume", "tmpfs" or "image"; `target` is absolute and clean.

    `source` is a host path (bind; "./x" is already joined to the caller's folder), an image, a volume's name, or "" for
    an anonymous volume. `create_source` makes a missing host folder (-v does, --mount type=bind does not). `copy` False
    is nocopy. `propagation` is "" (rprivate), "shared", "rslave", ... `options` are a tmpfs's (size=64m, mode=1777), a
    volume's driver options (NAME=VALUE) and, for binds, nosuid, nodev, noexec. `recursive` False binds without
    submounts; `submounts` of a read-only one: "readonly" insists that they are too, "writable" leaves them, "" makes
    them read-only where the kernel can. `mode` is -v's as written; `is_mount`: it was a --mount;
    `is_inherited`: it came by --volumes-from.
    """

    type: str
    source: str
    target: str
    read_only: bool = False
    create_source: bool = False
    copy: bool = True
    propagation: str = ""
    recursive: bool = True
    subpath: str = ""
    driver: str = ""
    labels: Mapping[str, str] = _NONE
    options: tuple[str, ...] = ()
    submounts: str = ""
    mode: str = ""
    is_mount: bool = False
    is_inherited: bool = False


class PortRequest(NamedTuple):
    """One published container port. `host_ip` "" is every address, IPv4 and IPv6.

    `host_port` 0 asks for a free one; `host_port_last` above it gives a range to choose one from.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_last: int = 0


class DeviceRequest(NamedTuple):
    """--device: a node (or folder of nodes) of the host, where it shall be, and of "rwm" what is allowed."""

    host_path: str
    container_path: str
    permissions: str = "rwm"


class GpuRequest(NamedTuple):
    """One --gpus: docker's DeviceRequest. `number` -1 is all; with `device_ids` (indexes, UUIDs, MIG names) it is 0.

    `capabilities` are to be had all together, "gpu" among them; `driver` "" leaves the choice to the machine.
    """

    driver: str = ""
    number: int = 0
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ("gpu",)
    options: Mapping[str, str] = _NONE


class DeviceRate(NamedTuple):
    """One block device of the host, and how much of it: bytes or operations per second, or a weight; 0 is no limit."""

    path: str
    rate: int


class Ulimit(NamedTuple):
    """`name` without RLIMIT_, lower case ("nofile"); -1 is unlimited."""

    name: str
    soft: int
    hard: int


class RestartPolicy(NamedTuple):
    """`name` is "no", "on-failure", "always" or "unless-stopped"; `max_retries` 0 is without end."""

    name: str = "no"
    max_retries: int = 0


class LogConfig(NamedTuple):
    """`driver` is "json-file", "local" or "none". Options as written: max-size, max-file, ..."""

    driver: str = "json-file"
    options: Mapping[str, str] = _NONE


class NetworkJoin(NamedTuple):
    """One network that a container is to be on. `links` are CONTAINER_ID:ALIAS, `driver_opts` KEY=VALUE."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    driver_opts: tuple[str, ...] = ()


class RunOptions(NamedTuple):
    """`command` () means the image's CMD; `entrypoint` None the image's, () none at all (and then no CMD of it).

    `env` holds NAME=VALUE, later ones win, and a bare NAME takes the variable out. Modes (`network`, `ipc`, `pid`,
    `uts`, `cgroupns`) are "" (docker's default), "host", "private", "none", "shareable" or "container:NAME_OR_ID".
    """

    command: tuple[str, ...] = ()
    name: str = ""
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] = _NONE
    annotations: Mapping[str, str] = _NONE
    user: str = ""
    group_add: tuple[str, ...] = ()
    workdir: str = ""
    tty: bool = False
    stdin: bool = False
    detach: bool = False
    attach: tuple[str, ...] = ()
    """Of "stdin", "stdout", "stderr"; () means docker's default for the other flags."""
    detach_keys: str = ""
    sig_proxy: bool = True
    remove: bool = False
    """--rm"""
    cidfile: str = ""
    pull: str = "missing"
    """"always", "missing" or "never"."""
    platform: str = ""
    init: bool | None = None
    """None: not asked for, which is the same as False, but `inspect` tells."""
    read_only: bool = False
    restart: RestartPolicy = RestartPolicy()
    stop_signal: str = ""
    stop_timeout_s: int | None = None
    """None is the default of 10 s; -1 waits for ever."""
    health: Healthcheck | None = None
    """Laid over the image's: a value of 0 or () keeps what the image says; test ("NONE",) is --no-healthcheck."""
    log: LogConfig = LogConfig()

    mounts: tuple[MountRequest, ...] = ()
    volumes_from: tuple[str, ...] = ()
    """NAME_OR_ID or NAME_OR_ID:ro."""
    volume_driver: str = ""
    """Of volumes that are made for it; "" is "local", and there is no other."""
    devices: tuple[DeviceRequest, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    gpus: tuple[GpuRequest, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    """--device vendor.com/class=name."""
    runtime: str = ""
    """--runtime: "" is the default, else "runc", "crun", "io.containerd.runc.v2" or "nvidia"."""

    network: str = ""
    """"" and "default" are the bridge; "none", "host", "container:X", or a network's name."""
    network_aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """NAME_OR_ID:ALIAS; ID:ALIAS once the container is made."""
    networks: tuple[NetworkJoin, ...] | None = None
    """All networks that it is on, in order, when that is not just `network` with the fields beside it."""
    ports: tuple[PortRequest, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    """PORT/PROTOCOL, ranges already split."""
    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    """NAME:ADDRESS; the address may be "host-gateway"."""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()

    cap_add: tuple[str, ...] = ()
    """CAP_NAME or ALL, upper case."""
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    """--security-opt as `inspect` shows them: a profile by its text. What they mean is in the fields below."""
    no_new_privileges: bool = False
    seccomp: str = ""
    """"" is docker's default profile, "unconfined" none, else the profile's JSON text."""
    apparmor: str = ""
    label_options: tuple[str, ...] = ()
    """SELinux: ("disable",) or user:..., role:..., type:..., level:..."""
    system_paths_unconfined: bool = False
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    cgroupns: str = ""
    userns: str = ""
    cgroup_parent: str = ""
    sysctls: Mapping[str, str] = _NONE

    memory_bytes: int = 0
    memory_swap_bytes: int = 0
    """Memory and swap together; 0 is twice the memory, -1 without end."""
    memory_reservation_bytes: int = 0
    memory_swappiness: int = -1
    kernel_memory_bytes: int = 0
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period_us: int = 0
    cpu_quota_us: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    blkio_weight: int = 0
    pids_limit: int = 0
    """0 and -1 are without end."""
    shm_size_bytes: int = 0
    """0 is the default of 64 MB."""
    oom_score_adj: int = 0
    oom_kill_disable: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    cpu_rt_period_us: int = 0
    cpu_rt_runtime_us: int = 0
    blkio_weight_devices: tuple[DeviceRate, ...] = ()
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()
    isolation: str = ""

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults; `from_json` gives an equal value back."""
        return {
            name: _plain(value)
            for name, value, default in zip(self._fields, self, RunOptions(), strict=True)
            if value != default
        }

    @classmethod
    def from_json(cls, doc: Mapping[str, Any]) -> Self:
        """What `to_json` wrote, by this version or another: a name it does not know is left out."""
        known = {name: _revive(name, value) for name, value in doc.items() if name in cls._fields}
        return cls(**known)


_MANY = {
    "mounts": MountRequest, "ports": PortRequest, "devices": DeviceRequest, "gpus": GpuRequest, "ulimits": Ulimit,
    "networks": NetworkJoin,
    "blkio_weight_devices": DeviceRate, "device_read_bps": DeviceRate, "device_write_bps": DeviceRate,
    "device_read_iops": DeviceRate, "device_write_iops": DeviceRate,
}  # fmt: skip
_ONE = {"restart": RestartPolicy, "log": LogConfig}


def _plain(value: Any) -> Any:
    if isinstance(value, Healthcheck):
        return value.to_json()
    if isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return {name: _plain(one) for name, one in value._asdict().items()}
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, (dict, MappingProxyType)) else value


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _record(kind: Any, doc: Mapping[str, Any]) -> Any:
    return kind(**{name: _tuples(value) for name, value in doc.items() if name in kind._fields})


def _revive(name: str, value: Any) -> Any:
    if name == "health":
        return None if value is None else Healthcheck.from_json(value, "health")
    if name in _MANY:
        return tuple(_record(_MANY[name], one) for one in value)
    if name in _ONE:
        return _record(_ONE[name], value)
    return _tuples(value)
