"""ImageConfig + RunOptions + SpecFacts → the OCI runtime's config.json, with docker's defaults.

Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md and config-linux.md
"""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime import devices, mounts, process, resources, seccomp
from wherry.runtime.process import command, exec_process
from wherry.runtime.users import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from wherry.oci.config import ImageConfig
    from wherry.runtime.devices import Device
    from wherry.runtime.machine import Machine
    from wherry.runtime.options import MountRequest, RunOptions
else:
    from wherry.lean import NamedTuple

__all__ = ["NEW", "SpecFacts", "command", "exec_process", "network_sysctls", "runtime_spec", "warnings"]

NEW = "new"

MASKED_PATHS = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class SpecFacts(NamedTuple):
    """What the engine found out for this container before its spec is made.

    `rootfs` is root.path: where the root is attached in the namespace that the runtime is started in. `mounts` are
    all mounts of the container, the image's VOLUMEs and tmpfs included; a volume's `source` is its folder on the host.
    `devices` are those of --device, or all of the host's with --privileged (`devices.resolve`, `devices.host_devices`).
    `hosts_file`, `hostname_file`, `resolv_file` are bound over the files in /etc; "" leaves the image's own.
    A namespace (`netns`, `pidns`, `ipcns`, `utsns`) is a path to join, NEW for one of its own, or "" for that of the
    process that starts the runtime: for `netns` that is the host's, or the monitor's own, which then is the
    container's. `init` is the host's tini (`docker_init.find_init`), bound at /sbin/docker-init, for --init.
    The container's cgroup is `cgroup_prefix` with the id behind it: flat, since a parent of ours would stay, or be
    removed in a race with the next container.
    """

    id: str
    rootfs: str
    machine: Machine
    user: User = User()
    mounts: tuple[MountRequest, ...] = ()
    devices: tuple[Device, ...] = ()
    hosts_file: str = ""
    hostname_file: str = ""
    resolv_file: str = ""
    netns: str = ""
    pidns: str = NEW
    ipcns: str = NEW
    utsns: str = NEW
    hostname: str = ""
    """"" is --hostname, else the first 12 digits of the id; `--network host` gives the machine's."""
    init: str = ""
    cgroup_prefix: str = "/wherry-"
    block_devices: Mapping[str, tuple[int, int]] | None = None
    """Of --device-read-bps and the like: `devices.block_numbers`."""


def hostname(options: RunOptions, facts: SpecFacts) -> str:
    """The name the container sees as its own."""
    if facts.utsns == "":
        return facts.machine.hostname
    own = facts.machine.hostname if options.network == "host" else facts.id[:12]
    return facts.hostname or options.hostname or own


def runtime_spec(config: ImageConfig, options: RunOptions, facts: SpecFacts) -> dict[str, Any]:
    """config.json, ready for json.dumps. Pure. Takes 0.3 ms. Raises: InputError."""
    resources.check(options, facts.machine)
    name = hostname(options, facts)
    who = process.process_object(config, options, facts.user, facts.machine, name)
    who["rlimits"] = resources.rlimits(options, facts.machine)
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": who,
        "root": {"path": facts.rootfs, "readonly": options.read_only},
        "mounts": _mounts(options, facts),
        "linux": _linux(options, facts, who["capabilities"]["bounding"]),
    }
    if facts.utsns == NEW:
        spec["hostname"] = name
    # Only --annotation: a label must never become one, since runtimes obey some (run.oci.*, org.systemd.property.*)
    if options.annotations:
        spec["annotations"] = dict(options.annotations)
    return spec


def _mounts(options: RunOptions, facts: SpecFacts) -> list[dict[str, Any]]:
    defaults = mounts.default_mounts(
        privileged=options.privileged,
        shm_bytes=options.shm_size_bytes,
        host_ipc=facts.ipcns == "",
        no_shm=options.ipc == "none",
    )
    sources = ((facts.resolv_file, "resolv.conf"), (facts.hostname_file, "hostname"), (facts.hosts_file, "hosts"))
    files = [mounts.bind(source, f"/etc/{name}") for source, name in sources if source]
    users = [mounts.user_mount(one, facts.machine.kernel) for one in facts.mounts]
    if options.init:
        if not facts.init:
            raise InputError("--init needs a static tini on the host, and facts.init names none")
        users.append(mounts.bind(facts.init, process.INIT_PATH, read_only=True))
    found = mounts.lay_over(defaults, files, users)
    return mounts.make_read_only(found, [one.target for one in facts.mounts]) if options.read_only else found


def _linux(options: RunOptions, facts: SpecFacts, bounding: list[str]) -> dict[str, Any]:
    limits = resources.resources(options, facts.machine, facts.block_devices)
    limits["devices"] = devices.rules(facts.devices, options.device_cgroup_rules, privileged=options.privileged)
    linux: dict[str, Any] = {
        "cgroupsPath": f"{options.cgroup_parent}/{facts.id}"
        if options.cgroup_parent
        else facts.cgroup_prefix + facts.id,
        "namespaces": _namespaces(options, facts),
        "resources": limits,
        "devices": [devices.node(one) for one in facts.devices],
    }
    if sysctl := _sysctls(options, facts):
        linux["sysctl"] = sysctl
    if propagation := mounts.root_propagation(facts.mounts):
        linux["rootfsPropagation"] = propagation
    if not (options.privileged or options.system_paths_unconfined):
        linux["maskedPaths"] = [*MASKED_PATHS, *_thermal(facts.machine)]
        linux["readonlyPaths"] = list(READONLY_PATHS)
    if rules := _seccomp(options, facts.machine, bounding):
        linux["seccomp"] = rules
    return linux


def _thermal(machine: Machine) -> list[str]:
    if not machine.thermal_throttle:
        return []
    return [f"/sys/devices/system/cpu/cpu{number}/thermal_throttle" for number in range(machine.cpus)]


def _namespaces(options: RunOptions, facts: SpecFacts) -> list[dict[str, str]]:
    found = [{"type": "mount"}]
    wanted = (("network", facts.netns), ("uts", facts.utsns), ("pid", facts.pidns), ("ipc", facts.ipcns))
    for kind, where in wanted:
        if where == NEW:
            found.append({"type": kind})
        elif where:
            found.append({"type": kind, "path": where})
    # As docker: v1's hierarchies stay in view, v2's tree is the container's own
    mode = options.cgroupns or ("private" if facts.machine.cgroup == "v2" else "host")
    if mode == "private":
        found.append({"type": "cgroup"})
    return found


def network_sysctls(options: RunOptions) -> dict[str, str]:
    """net.* settings of the container's own network namespace, by name ("net.ipv4.ip_unprivileged_port_start").

    Whoever made that namespace (the monitor, the step's child) writes them below /proc/sys, dots as slashes: the
    runtime can't, since the namespace it is started in looks like the host's to it. Not for `--network host`, nor
    container:X. With `facts.netns == NEW` runtime_spec has them in config.json already.
    """
    own = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
    return own | {name: value for name, value in options.sysctls.items() if name.startswith("net.")}


def _sysctls(options: RunOptions, facts: SpecFacts) -> dict[str, str]:
    """Raises: InputError when one would change the host."""
    chosen = dict(options.sysctls)
    network = {name: chosen.pop(name) for name in list(chosen) if name.startswith("net.")}
    if network and options.network == "host":
        raise InputError(f"sysctl '{next(iter(network))}' is not allowed in the host network namespace")
    if facts.netns == NEW:
        chosen |= network_sysctls(options)
    elif facts.netns:
        chosen |= network
    if options.domainname and facts.utsns == NEW:
        chosen.setdefault("kernel.domainname", options.domainname)
    return chosen


def _seccomp(options: RunOptions, machine: Machine, bounding: list[str]) -> dict[str, Any] | None:
    if options.seccomp == seccomp.UNCONFINED or (options.privileged and not options.seccomp):
        return None
    if options.seccomp:
        return seccomp.evaluate(seccomp.parse(options.seccomp), bounding, machine.architecture, machine.kernel)
    return seccomp.profile(bounding, machine.architecture, machine.kernel)


def warnings(options: RunOptions, facts: SpecFacts) -> tuple[str, ...]:
    """What the container will not get though it was asked for, in sentences for the user."""
    said = resources.warnings(options, facts.machine)
    if options.ipc.startswith("container:"):
        # Differs from docker: /dev/shm is a mount of each container's own
        said.append("--ipc container: shares System V IPC and message queues, but not /dev/shm")
    if options.apparmor and not facts.machine.apparmor and options.apparmor != "unconfined":
        said.append(f"this machine has no AppArmor: the profile {options.apparmor} is not applied")
    return tuple(said)
