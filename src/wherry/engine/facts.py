"""What `wherry version` and `info` say of the machine and of what wherry keeps on it."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from wherry.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Facts", "Survey", "gather", "survey"]


class Facts(NamedTuple):
    """`cgroup` is "v1", "v2" or "hybrid" (v1 controllers beside a v2 tree); `runtime` is "" when there is none."""

    kernel: str
    architecture: str
    cgroup: str
    runtime: str


class Survey(NamedTuple):
    """All of `wherry info`. `runtimes` maps what is installed to its version; `runtime` is the chosen one, or ""."""

    facts: Facts
    hostname: str
    operating_system: str
    cpus: int
    memory_bytes: int
    root: str
    running: int
    paused: int
    stopped: int
    images: int
    runtime: str
    runtimes: dict[str, str]
    seccomp: bool
    apparmor: bool
    swap_limit: bool
    warnings: tuple[str, ...]
    lacks: frozenset[str] = frozenset()
    """Names of limits that the kernel can't hold (runtime.cgroup_features)."""
    file_system: str = ""
    """What `root` is on, as docker names it: "extfs", "xfs"."""
    os_version: str = ""
    cdi_folders: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """What --device takes by CDI: "nvidia.com/gpu=0"."""
    now: str = ""
    """RFC 3339."""


def gather(settings: Settings, host: Host) -> Facts:
    """Nothing is tried, nothing written: `runtime` is the one that was chosen before, or the first that is there."""
    from wherry.runtime import trial
    from wherry.runtime.machine import cgroup_layout

    uname = os.uname()
    chosen = trial.remembered(settings, host)
    if not chosen:
        names = (settings.runtime,) if settings.runtime else trial.CANDIDATES
        chosen = next((name for name in names if trial.find(name, settings)), "")
    return Facts(uname.release, Platform.of("linux", uname.machine).architecture, cgroup_layout(), chosen)


def survey(engine: Engine) -> Survey:
    """Counts, versions and warnings; starts the runtimes' --version. Raises: OSError when the state can't be read."""
    from wherry.engine import doctor
    from wherry.engine.gpus import examine_cdi
    from wherry.runtime.machine import read_machine
    from wherry.store.images import rfc3339

    machine = read_machine()
    facts = engine.facts()
    states = [one.state.status for one in engine.containers.list(all=True)]
    checks = doctor.examine_runtimes(engine.settings, engine.host)
    gpus = examine_cdi(engine.settings)
    return Survey(
        facts=facts,
        hostname=machine.hostname,
        operating_system=_os_release("PRETTY_NAME") or "Linux",
        cpus=machine.cpus,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        root=engine.settings.paths.root,
        running=states.count("running") + states.count("restarting"),
        paused=states.count("paused"),
        stopped=sum(state not in {"running", "restarting", "paused"} for state in states),
        images=len(engine.images.list()),
        runtime=facts.runtime,
        runtimes={one.name: one.version for one in checks if one.version},
        seccomp=doctor.has_seccomp(),
        apparmor=machine.apparmor,
        swap_limit=machine.swap_limit,
        warnings=tuple(f"{one.name}: {one.note}" for one in checks if one.status == "warning") + gpus.warnings,
        lacks=machine.lacks,
        file_system=_file_system(engine.settings.paths.root),
        os_version=_os_release("VERSION_ID"),
        cdi_folders=gpus.folders,
        devices=gpus.names,
        now=rfc3339(time.time_ns()),
    )


def _file_system(path: str) -> str:
    """The type of the mount that holds the path, "" when unknown. docker says extfs for ext2 to ext4."""
    best, kind = "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split()
            place = fields[4]
            if len(place) >= len(best) and f"{path}/".startswith(f"{place.rstrip('/')}/"):
                best, kind = place, fields[fields.index("-") + 1]
    return "extfs" if kind in {"ext2", "ext3", "ext4"} else kind


def _os_release(name: str) -> str:
    """One value of os-release(5), "" when it has none."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    if line.startswith(f"{name}="):
                        return line.partition("=")[2].strip().strip("\"'")
        except FileNotFoundError:
            continue
    return ""
