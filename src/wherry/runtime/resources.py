"""`linux.resources` and rlimits: what --memory, --cpus, --ulimit and the like become. Pure.

What v1's words mean on v2 (shares to a weight, memory and swap together to swap alone) the runtime translates; what v2
has no words for is left out here.
Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#control-groups
"""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.limits import check, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.runtime.machine import Machine
    from wherry.runtime.options import RunOptions

__all__ = ["check", "limit_warnings", "resources", "rlimits", "warnings"]

_PERIOD_US = 100_000
_INFINITY = (1 << 64) - 1
_BLOCK_FIELDS = (
    ("blkio_weight_devices", "weightDevice", "weight"),
    ("device_read_bps", "throttleReadBpsDevice", "rate"),
    ("device_write_bps", "throttleWriteBpsDevice", "rate"),
    ("device_read_iops", "throttleReadIOPSDevice", "rate"),
    ("device_write_iops", "throttleWriteIOPSDevice", "rate"),
)


def resources(
    options: RunOptions, machine: Machine, block_devices: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, Any]:
    """Without the device rules. What this machine can't count is left out; `warnings` says so.

    `block_devices` are the (major, minor) of every device that a rate or a weight is for (`devices.block_numbers`).
    """
    options, _ = settle(options, machine)
    found: dict[str, Any] = {}
    if memory := _memory(options, machine):
        found["memory"] = memory
    if cpu := _cpu(options):
        found["cpu"] = cpu
    if options.pids_limit > 0:
        found["pids"] = {"limit": options.pids_limit}
    if block := _block(options, block_devices or {}):
        found["blockIO"] = block
    return found


def _memory(options: RunOptions, machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.memory_bytes:
        found["limit"] = options.memory_bytes
        if machine.swap_limit:
            found["swap"] = options.memory_swap_bytes or 2 * options.memory_bytes
    if options.memory_reservation_bytes:
        found["reservation"] = options.memory_reservation_bytes
    if machine.cgroup != "v2":
        if options.memory_swappiness >= 0:
            found["swappiness"] = options.memory_swappiness
        if options.oom_kill_disable:
            found["disableOOMKiller"] = True
    return found


def _cpu(options: RunOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.cpu_shares:
        found["shares"] = options.cpu_shares
    if options.nano_cpus:
        found |= {"period": _PERIOD_US, "quota": options.nano_cpus * _PERIOD_US // 10**9}
    if options.cpu_period_us:
        found["period"] = options.cpu_period_us
    if options.cpu_quota_us:
        found["quota"] = options.cpu_quota_us
    if options.cpuset_cpus:
        found["cpus"] = options.cpuset_cpus
    if options.cpuset_mems:
        found["mems"] = options.cpuset_mems
    if options.cpu_rt_period_us:
        found["realtimePeriod"] = options.cpu_rt_period_us
    if options.cpu_rt_runtime_us:
        found["realtimeRuntime"] = options.cpu_rt_runtime_us
    return found


def _block(options: RunOptions, numbers: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    found: dict[str, Any] = {"weight": options.blkio_weight} if options.blkio_weight else {}
    for field, name, key in _BLOCK_FIELDS:
        rates = []
        for path, rate in getattr(options, field):
            if path not in numbers:
                raise InputError(f"stat {path}: no such device")
            major, minor = numbers[path]
            rates.append({"major": major, "minor": minor, key: rate})
        if rates:
            found[name] = rates
    return found


def warnings(options: RunOptions, machine: Machine) -> list[str]:
    """What is discarded here, in docker's words, and the ulimits that can't be had."""
    return settle(options, machine)[1] + limit_warnings(options, machine)


def _caps(machine: Machine) -> dict[str, int]:
    return {name: _number(hard) for name, _, hard in machine.rlimits}


def _number(value: int) -> int:
    return _INFINITY if value < 0 else value


def rlimits(options: RunOptions, machine: Machine) -> list[dict[str, Any]]:
    """`process.rlimits`. Without CAP_SYS_RESOURCE a hard limit can't be raised, and trying would end the container's
    start: such a limit becomes the highest that is allowed."""
    highest = {} if machine.may_raise_limits else _caps(machine)
    found = []
    for one in options.ulimits:
        most = highest.get(one.name, _INFINITY)
        hard = min(_number(one.hard), most)
        found.append({"type": f"RLIMIT_{one.name.upper()}", "soft": min(_number(one.soft), hard), "hard": hard})
    return found


def limit_warnings(options: RunOptions, machine: Machine) -> list[str]:
    # Differs from docker: where CAP_SYS_RESOURCE is missing, what needs it is left out and said; docker fails
    if machine.may_raise_limits:
        return []
    highest = _caps(machine)
    score = options.oom_score_adj
    said = [f"the OOM score can't be lowered to {score} here (no CAP_SYS_RESOURCE): it stays."] if score < 0 else []
    return said + [
        f"ulimit {one.name} can't be raised above {highest[one.name]} here (no CAP_SYS_RESOURCE): using that."
        for one in options.ulimits
        if _number(one.hard) > highest.get(one.name, _INFINITY)
    ]
