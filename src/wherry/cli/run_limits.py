"""The limits among the flags of `run`, `create` and `update` → fields of RunOptions."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime import parse_limits, parse_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.cli.flags import Args

__all__ = ["read", "shared"]

_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "memory_bytes": ("memory", parse_values.size_bytes),
    "memory_reservation_bytes": ("memory-reservation", parse_values.size_bytes),
    "memory_swap_bytes": ("memory-swap", parse_values.memory_swap_bytes),
    "nano_cpus": ("cpus", parse_values.cpus_nano),
    "blkio_weight": ("blkio-weight", parse_limits.uint16),
    "cpuset_cpus": ("cpuset-cpus", str),
    "cpuset_mems": ("cpuset-mems", str),
}
_NUMBERS = {
    "cpu_shares": "cpu-shares",
    "cpu_period_us": "cpu-period",
    "cpu_quota_us": "cpu-quota",
    "cpu_rt_period_us": "cpu-rt-period",
    "cpu_rt_runtime_us": "cpu-rt-runtime",
    "pids_limit": "pids-limit",
}
_DEVICES = {
    "blkio_weight_devices": ("blkio-weight-device", parse_limits.device_weight),
    "device_read_bps": ("device-read-bps", parse_limits.bytes_rate),
    "device_write_bps": ("device-write-bps", parse_limits.bytes_rate),
    "device_read_iops": ("device-read-iops", parse_limits.io_rate),
    "device_write_iops": ("device-write-iops", parse_limits.io_rate),
}


def shared(args: Args, parsed: Callable[[str, str, Callable[[str], Any]], Any]) -> dict[str, Any]:
    """What `update` has too: the fields that were given, and no others. `parsed(flag, text, parse)` words a fault."""
    found = {
        field: parsed(name, args.text(name), parse) for field, (name, parse) in _VALUES.items() if args.given(name)
    }
    return found | {field: args.number(name) for field, name in _NUMBERS.items() if args.given(name)}


def read(args: Args, parsed: Callable[[str, str, Callable[[str], Any]], Any]) -> dict[str, Any]:
    """Every limit of `run` and `create`. Raises: InputError, FlagError."""
    found = shared(args, parsed)
    # As docker's inspect: no limit at all, however it was said
    found["pids_limit"] = max(found.get("pids_limit", 0), 0)
    score = args.number("oom-score-adj") or 0
    if not -1000 <= score <= 1000:
        raise InputError(f"Invalid value {score}, range for oom score adj is [-1000, 1000]")
    swappiness = args.number("memory-swappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InputError(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    for field, name in (("kernel_memory_bytes", "kernel-memory"), ("shm_size_bytes", "shm-size")):
        if args.given(name):
            found[field] = parsed(name, args.text(name), parse_values.size_bytes)
    for field, (name, parse) in _DEVICES.items():
        found[field] = tuple(parsed(name, one, parse) for one in args.all(name))
    return found | {
        "memory_swappiness": -1 if swappiness is None else swappiness,
        "oom_score_adj": score,
        "oom_kill_disable": args.on("oom-kill-disable"),
        "ulimits": tuple(parsed("ulimit", one, parse_values.ulimit) for one in args.all("ulimit")),
        "isolation": parse_limits.isolation(args.text("isolation")),
    }
