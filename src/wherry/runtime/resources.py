"""`linux.resources` and rlimits: what --memory, --cpus, --ulimit and the like become. Pure.

Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#control-groups
"""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.machine import Machine
    from wherry.runtime.options import RunOptions

__all__ = ["check", "limit_warnings", "resources", "rlimits", "warnings"]

_PERIOD_US = 100_000
_LEAST_MEMORY_BYTES = 6 << 20
_INFINITY = (1 << 64) - 1


def check(options: RunOptions, machine: Machine) -> None:
    """Docker's rules about values that fit together. Raises: InputError with docker's messages."""
    memory, swap = options.memory_bytes, options.memory_swap_bytes
    if 0 < memory < _LEAST_MEMORY_BYTES:
        raise InputError("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InputError("You should always set the Memory limit when using Memoryswap limit, see usage")
    if memory and 0 < swap < memory:
        raise InputError("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory and options.memory_reservation_bytes > memory:
        raise InputError("Minimum memory limit can not be less than memory reservation limit, see usage")
    if not -1 <= options.memory_swappiness <= 100:
        raise InputError(f"invalid value: {options.memory_swappiness}, valid memory swappiness range is 0-100")
    if options.nano_cpus and (options.cpu_quota_us or options.cpu_period_us):
        raise InputError("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set")
    if options.nano_cpus and not 10_000_000 <= options.nano_cpus <= machine.cpus * 10**9:
        raise InputError(
            f"Range of CPUs is from 0.01 to {machine.cpus}.00, as there are only {machine.cpus} CPUs available"
        )


def resources(options: RunOptions, machine: Machine) -> dict[str, Any]:
    """Without the device rules. What this machine can't count is left out; `warnings` says so."""
    found: dict[str, Any] = {}
    if memory := _memory(options, machine):
        found["memory"] = memory
    if cpu := _cpu(options):
        found["cpu"] = cpu
    if options.pids_limit > 0:
        found["pids"] = {"limit": options.pids_limit}
    if options.blkio_weight:
        found["blockIO"] = {"weight": options.blkio_weight}
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
    return found


def warnings(options: RunOptions, machine: Machine) -> list[str]:
    said = []
    if options.memory_bytes and not machine.swap_limit:
        said.append(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
    if machine.cgroup == "v2" and options.memory_swappiness >= 0:
        said.append("Memory swappiness discarded: cgroup v2 has no such setting.")
    if machine.cgroup == "v2" and options.oom_kill_disable:
        said.append("OomKillDisable discarded: cgroup v2 has no such setting.")
    return said + limit_warnings(options, machine)


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
    if machine.may_raise_limits:
        return []
    highest = _caps(machine)
    return [
        f"ulimit {one.name} can't be raised above {highest[one.name]} here (no CAP_SYS_RESOURCE): using that."
        for one in options.ulimits
        if _number(one.hard) > highest.get(one.name, _INFINITY)
    ]
