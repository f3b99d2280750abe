"""The bundle of one start: config.json, the files of /etc, and the monitor's plan."""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import Conflict, InputError
from wherry.fs.atomic import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import Attachment, NetworkRequest
    from wherry.oci.config import Healthcheck, ImageConfig
    from wherry.runtime.options import MountRequest, RunOptions
    from wherry.runtime.spec import SpecFacts
else:
    from wherry.lean import NamedTuple

__all__ = [
    "Start",
    "cgroup_path",
    "effective_health",
    "monitor_plan",
    "network_request",
    "write_bundle",
    "write_health_process",
]

_SECOND_NS = 1_000_000_000


class Start(NamedTuple):
    """What one start is made of, found out once."""

    row: ContainerRow
    options: RunOptions
    config: ImageConfig
    bundle: str
    rootfs_fd: int
    mount_fds: list[int] = []  # noqa: RUF012 - a launch gives its own, and closes what is in it


def network_request(start: Start) -> NetworkRequest:
    from wherry.network.model import Join, NetworkRequest, PortMapping

    options = start.options
    ports = [PortMapping(*one) for one in options.ports]
    if options.publish_all:
        taken = {(one.container_port, one.protocol) for one in ports}
        for exposed in (*start.config.config.exposed_ports, *options.expose):
            number, protocol = _exposed(exposed)
            if (number, protocol) not in taken:
                ports.append(PortMapping(number, protocol))
    return NetworkRequest(
        mode="bridge" if options.network in ("", "default") else options.network,
        name=start.row.name, hostname=options.hostname or start.row.short_id, ports=tuple(ports),
        aliases=options.network_aliases, ipv4=options.ip, mac=options.mac_address,
        hosts_path=f"{start.bundle}/hosts", ipv6=options.ip6, link_locals=options.link_local_ips, links=options.links,
        joins=None if options.networks is None else tuple(Join(*one) for one in options.networks),
    )  # fmt: skip


def _exposed(text: str) -> tuple[int, str]:
    """An image's word, or --expose's: "8000/tcp". Raises: InputError."""
    number, _, protocol = text.partition("/")
    if not (number.isascii() and number.isdecimal() and len(number) <= 5 and 0 < int(number) <= 65535):
        raise InputError(f"invalid exposed port {text!r}", hint="without -P it does not matter")
    if protocol not in {"", "tcp", "udp", "sctp"}:
        raise InputError(f"invalid protocol of the exposed port {text!r}", hint="without -P it does not matter")
    return int(number), protocol or "tcp"


def write_bundle(
    engine: Engine, start: Start, attachment: Attachment, size: list[int] | None = None
) -> dict[str, Any]:  # fmt: skip
    """config.json and the three files of /etc; returns the config. `size` is the terminal's [rows, columns], which the
    command then finds from the start. Raises: InputError, NotFound, Conflict."""
    from wherry.runtime import spec

    options = start.options
    facts = _facts(engine, start, attachment)
    if attachment.has_links:
        from wherry.engine.networks_names import link_env

        options = options._replace(env=(*link_env(engine, attachment, start.row.name), *options.env))
    doc = spec.runtime_spec(start.config, options, facts)
    if size:
        doc["process"]["consoleSize"] = {"height": size[0], "width": size[1]}
    engine.notices += spec.warnings(options, facts)
    _grant_devices(engine, start, doc)
    replace_file(f"{start.bundle}/config.json", json.dumps(doc).encode(), durable=False)
    return doc


def _facts(engine: Engine, start: Start, attachment: Attachment) -> SpecFacts:
    """What the spec must know of users, devices, namespaces and limits here; writes the three files of /etc."""
    from wherry.runtime import devices, limits, spec
    from wherry.runtime.machine import read_machine
    from wherry.runtime.users import resolve

    options = start.options
    user = resolve(start.rootfs_fd, options.user or start.config.config.user, options.group_add)
    mounts = _mounts(engine, start)
    etc, name = _write_network_files(engine, start, attachment)
    return spec.SpecFacts(
        id=start.row.id,
        rootfs=f"{start.bundle}/rootfs",
        machine=read_machine(with_limits=limits.is_limited(options)),
        user=user,
        mounts=mounts,
        devices=devices.host_devices() if options.privileged else devices.resolve(options.devices),
        hosts_file=f"{etc}/hosts",
        hostname_file=f"{etc}/hostname",
        resolv_file=f"{etc}/resolv.conf",
        hostname=name,
        netns=_network_namespace(engine, attachment),
        pidns=_namespace(engine, options.pid, "pid"),
        ipcns=_namespace(engine, options.ipc, "ipc"),
        utsns="" if options.uts == "host" else spec.NEW,
        init=_init(engine) if options.init else "",
        cgroup_prefix=_cgroup_prefix(engine),
        block_devices=devices.block_numbers(options),
    )


def _mounts(engine: Engine, start: Start) -> tuple[MountRequest, ...]:
    """Volumes are made and filled, and what can't be named by a path is opened."""
    from wherry.engine.containers_mounts import requests, settle

    binds = settle(engine, start.row, make=True)
    if binds:
        engine.volumes.copy_up(start.row.id, binds, start.rootfs_fd)
    if any(one.needs_opening for one in binds):
        from wherry.engine.volumes_open import open_mounts

        binds = open_mounts(engine, start.bundle, binds, start.mount_fds)
    return requests(start.options, binds)


def _grant_devices(engine: Engine, start: Start, doc: dict[str, Any]) -> None:
    options = start.options
    if options.gpus or options.cdi_devices or options.runtime == "nvidia":
        from wherry.engine.devices import grant

        grant(engine, start, doc)
    elif not (options.shm_size_bytes or options.ipc):
        from wherry.gpu.torch import SMALL_SHM, has_torch

        if has_torch(start.rootfs_fd, doc["process"]["env"]):
            engine.notices.append(SMALL_SHM)


def _init(engine: Engine) -> str:
    from wherry.runtime.docker_init import find_init

    return find_init(engine.settings.env.get("PATH", ""))


def _write_network_files(engine: Engine, start: Start, attachment: Attachment) -> tuple[str, str]:
    """The folder with the three files of /etc, and the name that the container has; "" is its own."""
    from wherry.network.model import FileRequest

    options = start.options
    if attachment.netns == "container":
        # As docker: who shares a network shares the names, also those to come
        other = engine.containers.find(attachment.joins)
        return engine.containers.bundle(other.id), other.options().hostname or other.short_id
    hostname = options.hostname or start.row.short_id
    files = engine.networks.files(
        attachment,
        FileRequest(hostname, options.domainname, options.extra_hosts, options.dns, options.dns_search,
                    options.dns_options),
        start.row.name,
    )  # fmt: skip
    for name, text in (("hosts", files.hosts), ("resolv.conf", files.resolv_conf), ("hostname", files.hostname)):
        # Replaced in place: a running peer may have the old file mounted, but this container does not run yet
        replace_file(f"{start.bundle}/{name}", text.encode(), 0o644, durable=False)
    return start.bundle, ""


def _network_namespace(engine: Engine, attachment: Attachment) -> str:
    if attachment.netns != "container":
        return ""
    return f"/proc/{_running_pid(engine, attachment.joins, 'network')}/ns/net"


def _namespace(engine: Engine, mode: str, kind: str) -> str:
    from wherry.runtime.spec import NEW

    if mode == "host":
        return ""
    if mode.startswith("container:"):
        return f"/proc/{_running_pid(engine, mode.partition(':')[2], kind)}/ns/{kind}"
    return NEW


def _running_pid(engine: Engine, id: str, kind: str) -> int:
    """Raises: Conflict when that container does not run."""
    state = engine.containers.state(id)
    if not state.pid:
        raise Conflict(f"cannot join {kind} of a non running container: {id}", hint=f"wherry start {id[:12]}")
    return state.pid


def monitor_plan(engine: Engine, start: Start, *, wants: str, netns: str, size: list[int] | None) -> dict[str, Any]:
    """What runtime/monitor.py is told; `wants` "" is a start that nobody is attached to."""
    from wherry.engine.containers_cleaner import cleaner_argv
    from wherry.engine.containers_log_plan import log_plan
    from wherry.runtime.spec import network_sysctls

    row, options, bundle = start.row, start.options, start.bundle
    driver, run = engine.containers.driver_of(row), engine.containers.run_folder(row.id)
    log, pid_file = f"{bundle}/runtime.log", f"{bundle}/pid"
    console = f"{run}/console" if options.tty else ""
    cgroup = cgroup_path(engine, options, row.id)
    return {
        "id": row.id,
        "bundle": bundle,
        "socket": f"{run}/attach",
        "boot": engine.host.boot_id(),
        "netns": "new" if netns == "own" else "host",
        "sysctls": network_sysctls(options) if netns == "own" else {},
        "names": f"{run}/names" if netns == "own" else "",
        "tty": options.tty,
        "size": size,
        "stdin": options.stdin,
        "stdin_once": options.stdin and not options.detach and "i" in wants,
        "wants": wants,
        "log": log_plan(start),
        "restart": {"name": options.restart.name, "max": options.restart.max_retries},
        "run": driver.run_argv(row.id, bundle, log=log, pid_file=pid_file, console_socket=console),
        "delete": driver.delete_argv(row.id, force=True),
        "env": engine.containers.tool_env,
        "pid_file": pid_file,
        "runtime_log": log,
        "console": console,
        **_cgroups(cgroup),
        "health": _health_plan(engine, start, cgroup),
        "remove": row.remove,
        "cleaner": cleaner_argv(engine, row.id),
        "adopt": None,
        "events": engine.events.of_container(row),
        **_run_lock(row),
    }


def _run_lock(row: ContainerRow) -> dict[str, str]:
    from wherry.engine.containers_rows import TRACKED

    if TRACKED not in row.labels:
        return {}
    from wherry.engine.runs_container import folder_of

    folder = folder_of(row)
    return {"hold": f"{folder}/lock"} if folder else {}


def _cgroups(cgroup: str) -> dict[str, list[str]]:
    """The folders, and of either cgroup version where the kernel counts OOM kills."""
    from wherry.runtime.cgroups import folders

    events = [f"/sys/fs/cgroup/memory{cgroup}/memory.oom_control", f"/sys/fs/cgroup{cgroup}/memory.events"]
    return {"memory_events": events, "cgroups": folders(cgroup)}


def cgroup_path(engine: Engine, options: RunOptions, id: str) -> str:
    """As runtime.spec makes it of the same facts."""
    return f"{options.cgroup_parent}/{id}" if options.cgroup_parent else _cgroup_prefix(engine) + id


def _cgroup_prefix(engine: Engine) -> str:
    tag = engine.settings.paths.tag
    return f"/wherry-{tag}-" if tag else "/wherry-"


def effective_health(start: Start) -> Healthcheck | None:
    """--health-* over the image's HEALTHCHECK; None when there is none, or it is switched off."""
    image, own = start.config.config.healthcheck, start.options.health
    if own is None:
        merged = image
    elif image is None:
        merged = own
    else:
        blanks: dict[str, Any] = {
            name: theirs for name, mine, theirs in zip(own._fields, own, image, strict=True) if not mine
        }
        merged = own._replace(**blanks)
    return merged if merged and merged.test and merged.test[0] != "NONE" else None


def _health_plan(engine: Engine, start: Start, cgroup: str) -> dict[str, Any] | None:
    health = effective_health(start)
    if health is None:
        return None
    shell = start.config.config.shell or ("/bin/sh", "-c")
    args = [*shell, *health.test[1:]] if health.test[0] == "CMD-SHELL" else list(health.test[1:])
    bundle, driver = start.bundle, engine.containers.driver_of(start.row)
    seconds = [
        (value or default * _SECOND_NS) / _SECOND_NS
        for value, default in ((health.interval_ns, 30), (health.timeout_ns, 30), (health.start_period_ns, 0),
                               (health.start_interval_ns, 5))
    ]  # fmt: skip
    return {
        "args": args,
        "argv": driver.exec_argv(
            start.row.id, f"{bundle}/health-process.json", log=f"{bundle}/health.log", pid_file=f"{bundle}/health.pid"
        ),
        "pid_file": f"{bundle}/health.pid",
        "runtime_log": f"{bundle}/health.log",
        **{
            name: str(value)
            for name, value in zip(
                ("interval_s", "timeout_s", "start_period_s", "start_interval_s"), seconds, strict=True
            )
        },
        "retries": health.retries or 3,
        "freezer": [f"/sys/fs/cgroup/freezer{cgroup}/freezer.state", f"/sys/fs/cgroup{cgroup}/cgroup.freeze"],
    }


def write_health_process(start: Start, plan: dict[str, Any], doc: dict[str, Any]) -> None:
    """The probe's `process`, when the container has one: beside config.json, of which it is made."""
    if plan["health"]:
        from wherry.runtime.process import exec_process

        process = exec_process(doc, plan["health"]["args"])
        replace_file(f"{start.bundle}/health-process.json", json.dumps(process).encode(), durable=False)
