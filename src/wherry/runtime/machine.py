"""What the spec must know of this machine: read in one go, in less than a millisecond."""

from __future__ import annotations

import os

from wherry.oci.platform import Platform
from wherry.runtime.caps import KNOWN
from wherry.runtime.cgroup_features import cpusets, lacking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Machine", "read_machine"]


class Machine(NamedTuple):
    """`kernel` is (major, minor); `cgroup` is "v1", "v2" or "hybrid"; `capabilities` is the bounding set.

    `may_raise_limits`: CAP_SYS_RESOURCE is effective, so a hard rlimit may go up. `rlimits` maps names ("nofile") to
    this process's (soft, hard), -1 for unlimited. `apparmor`: the kernel enforces AppArmor. `swap_limit`: the memory
    controller counts swap. `thermal_throttle`: /sys shows the CPUs' throttling, which docker masks. `lacks` names the
    limits that the kernel can't hold here (cgroup_features.lacking), `cpuset_*` the CPUs and memory nodes there are.
    """

    kernel: tuple[int, int]
    architecture: str
    hostname: str
    cgroup: str
    capabilities: tuple[str, ...]
    may_raise_limits: bool = True
    rlimits: tuple[tuple[str, int, int], ...] = ()
    apparmor: bool = False
    swap_limit: bool = True
    cpus: int = 1
    thermal_throttle: bool = False
    lacks: frozenset[str] = frozenset()
    cpuset_cpus: str = ""
    cpuset_mems: str = ""


def kernel_version(release: str) -> tuple[int, int]:
    """ "6.18.44-fc" is (6, 18); what can't be read is (0, 0)."""
    parts = release.partition("-")[0].split(".")
    try:
        return int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
    except ValueError:
        return 0, 0


def cgroup_layout(root: str = "/sys/fs/cgroup") -> str:
    """ "v2", "hybrid" (v1 controllers beside a v2 tree) or "v1"."""
    if os.path.exists(f"{root}/cgroup.controllers"):
        return "v2"
    return "hybrid" if os.path.isdir(f"{root}/unified") else "v1"


def _capability_sets() -> tuple[int, int]:
    bounding = effective = 0
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"CapEff:"):
                effective = int(line[7:], 16)
            elif line.startswith(b"CapBnd:"):
                bounding = int(line[7:], 16)
                break
    return bounding, effective


def _rlimits() -> tuple[tuple[str, int, int], ...]:
    import resource

    names = {name[7:].lower(): getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    names.pop("ofile", None)
    return tuple((name, *resource.getrlimit(number)) for name, number in sorted(names.items()))


def read_machine(root: str = "/sys/fs/cgroup", *, with_limits: bool = True) -> Machine:
    """`with_limits` False spares the twenty looks at cgroup files, for a container that is not limited.

    Raises: OSError when /proc is not mounted.
    """
    uname = os.uname()
    bounding, effective = _capability_sets()
    layout = cgroup_layout(root)
    lacks = lacking(root, layout) if with_limits else frozenset()
    cpuset_cpus, cpuset_mems = cpusets(root, layout) if with_limits else ("", "")
    return Machine(
        kernel=kernel_version(uname.release),
        architecture=Platform.of("linux", uname.machine).architecture,
        hostname=uname.nodename,
        cgroup=layout,
        capabilities=tuple(name for number, name in enumerate(KNOWN) if bounding >> number & 1),
        may_raise_limits=bool(effective >> KNOWN.index("CAP_SYS_RESOURCE") & 1),
        rlimits=_rlimits(),
        apparmor=os.path.exists("/sys/kernel/security/apparmor/profiles"),
        swap_limit="swap" not in lacks,
        cpus=os.cpu_count() or 1,
        thermal_throttle=os.path.exists("/sys/devices/system/cpu/cpu0/thermal_throttle"),
        lacks=lacks,
        cpuset_cpus=cpuset_cpus,
        cpuset_mems=cpuset_mems,
    )
