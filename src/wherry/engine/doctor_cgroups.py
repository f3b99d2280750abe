"""`doctor` on cgroups: which limits hold here, and why a container in a container often gets none."""

from __future__ import annotations

import os

from wherry.engine.doctor import Check
from wherry.runtime.cgroup_features import lacking
from wherry.runtime.cgroups import ROOT
from wherry.runtime.machine import cgroup_layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["examine"]

_FLAGS = {
    "memory": "--memory", "swap": "--memory-swap", "reservation": "--memory-reservation",
    "swappiness": "--memory-swappiness", "oom_kill_disable": "--oom-kill-disable", "cfs": "--cpus",
    "shares": "--cpu-shares", "rt": "--cpu-rt-runtime", "cpuset": "--cpuset-cpus", "pids": "--pids-limit",
    "blkio_weight": "--blkio-weight", "blkio_weight_device": "--blkio-weight-device", "read_bps": "--device-read-bps",
    "write_bps": "--device-write-bps", "read_iops": "--device-read-iops", "write_iops": "--device-write-iops",
}  # fmt: skip
# v2 has no words for these, on any machine
_NEVER_ON_V2 = frozenset({"swappiness", "oom_kill_disable", "rt"})
_CORE = frozenset({"memory", "cfs", "pids"})
_LIMITS = "limits on memory, CPU and processes"


def is_read_only(path: str) -> bool:
    """Whether the file system at `path` is; root may write there otherwise."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def examine(root: str = ROOT, read_only: Callable[[str], bool] = is_read_only) -> Iterator[Check]:
    """Reads only. `read_only` is asked about each hierarchy."""
    layout = cgroup_layout(root)
    tops = [root] if layout == "v2" else [f"{root}/{name}" for name in ("devices", "memory", "cpu", "pids", "freezer")]
    if layout != "v2" and not os.path.isdir(f"{root}/devices"):
        note = "no cgroup file systems are mounted"
        yield Check("cgroups", "missing", True, "limits", layout, root, note, "mount them (systemd does)")
        return
    if locked := [top for top in tops if os.path.isdir(top) and read_only(top)]:
        yield Check(
            "cgroups", "missing", True, "limits", layout, locked[0],
            note="it is mounted read-only, so no container can be given a cgroup: this is a container itself",
            hint="start the outer one with --privileged, or with a writable cgroup "
            "(docker run --cgroupns=private --security-opt writable-cgroups=true; in Kubernetes privileged: true)",
        )  # fmt: skip
        return
    yield _controllers(root, layout)
    yield from _delegation(root, layout)


def _controllers(root: str, layout: str) -> Check:
    lacks = lacking(root, layout)
    flags = ", ".join(flag for name, flag in _FLAGS.items() if name in lacks)
    if not lacks & _CORE:
        # What is rare: said, but no fault of the machine
        rare = lacks - _NEVER_ON_V2 if layout == "v2" else lacks
        note = f"this kernel has no {flags}: such a flag is discarded with a warning" if rare else ""
        return Check("cgroups", "ok", True, _LIMITS, layout, root, note, _swap_hint(lacks))
    if layout == "v2":
        hint = "the cgroup above this one must pass its controllers on: with systemd, Delegate=yes for the unit"
    else:
        hint = "add cgroup_enable=memory to the kernel's command line" if "memory" in lacks else "mount the controllers"
    return Check("cgroups", "warning", True, _LIMITS, layout, root, f"no controller for {flags}: discarded", hint)


def _swap_hint(lacks: frozenset[str]) -> str:
    return "swap is counted with swapaccount=1 on the kernel's command line" if "swap" in lacks else ""


def _delegation(root: str, layout: str) -> Iterator[Check]:
    """In a container's own part of a v2 tree: whether its top can pass controllers on to ours."""
    # The real top of the tree has no type, and may hold processes
    if layout != "v2" or not os.path.exists(f"{root}/cgroup.type"):
        return
    have, given = _words(f"{root}/cgroup.controllers"), _words(f"{root}/cgroup.subtree_control")
    stuck = sorted({"cpu", "memory", "pids", "io", "cpuset"} & (have - given))
    if stuck and _words(f"{root}/cgroup.procs"):
        yield Check(
            "delegation", "warning", True, _LIMITS, layout, root,
            note=f"processes stand in this container's top cgroup, so {', '.join(stuck)} can't be passed on to others",
            hint=f"mkdir {root}/init; for p in $(cat {root}/cgroup.procs); do echo $p > {root}/init/cgroup.procs; done",
        )  # fmt: skip


def _words(path: str) -> set[str]:
    try:
        with open(path, encoding="ascii") as file:
            return set(file.read().split())
    except OSError:
        return set()
