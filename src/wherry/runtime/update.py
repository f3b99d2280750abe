"""`update`: what changes of a container's limits, by docker's rules about what may follow what. Pure."""

from __future__ import annotations

from wherry.errors import Conflict
from wherry.runtime import limits, resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from wherry.runtime.machine import Machine
    from wherry.runtime.options import RestartPolicy, RunOptions
else:
    from wherry.lean import NamedTuple

__all__ = ["Update", "apply", "cgroup_limits", "checked"]


class Update(NamedTuple):
    """Fields as in RunOptions; 0, "" and None leave what is there. `pids_limit` -1 (and 0) takes its limit away."""

    memory_bytes: int = 0
    memory_swap_bytes: int = 0
    memory_reservation_bytes: int = 0
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period_us: int = 0
    cpu_quota_us: int = 0
    cpu_rt_period_us: int = 0
    cpu_rt_runtime_us: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    blkio_weight: int = 0
    pids_limit: int | None = None
    restart: RestartPolicy | None = None


def checked(update: Update, machine: Machine) -> tuple[Update, list[str]]:
    """Without what the kernel can't hold here, and docker's warnings about that. Raises: InputError."""
    from wherry.runtime.options import RunOptions

    limits.check(_fields(update, RunOptions()), machine, updating=True)
    found, said = limits.discard(_fields(update, RunOptions()), machine)
    kept = {name: getattr(found, name) for name in Update._fields if name not in {"restart", "pids_limit"}}
    pids = update.pids_limit if "pids" not in machine.lacks else None
    return update._replace(**kept, pids_limit=pids), said


def _fields(update: Update, options: RunOptions) -> RunOptions:
    changes: dict[str, Any] = {name: value for name, value in zip(update._fields, update, strict=True) if value}
    changes.pop("restart", None)
    if update.pids_limit is not None:
        # 0 would mean that nothing was said
        changes["pids_limit"] = update.pids_limit if update.pids_limit > 0 else -1
    return options._replace(**changes)


def apply(options: RunOptions, update: Update) -> RunOptions:
    """The options after it, but for `restart`. Raises: Conflict with docker's message."""
    for field, name in (("cpu_period_us", "CPU Period"), ("cpu_quota_us", "CPU Quota")):
        if update.nano_cpus and getattr(options, field):
            raise Conflict(
                f"Conflicting options: Nano CPUs cannot be updated as {name} has already been set",
                hint="this container was given --cpu-period or --cpu-quota: update those",
            )
        if getattr(update, field) and options.nano_cpus:
            raise Conflict(
                f"Conflicting options: {name} cannot be updated as NanoCPUs has already been set",
                hint="this container was given --cpus: update that",
            )
    swap = options.memory_swap_bytes or 2 * options.memory_bytes
    # Differs from docker: with --memory-swap -1, `update --memory` may go up without naming the swap again
    if swap >= 0 and update.memory_bytes > swap and not update.memory_swap_bytes:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            hint="give --memory-swap too: the same as --memory for no swap, -1 for swap without end",
        )
    if update.memory_bytes:
        # What was twice the memory is a number of its own from now on
        options = options._replace(memory_swap_bytes=swap)
    return _fields(update, options)


def cgroup_limits(options: RunOptions, machine: Machine) -> dict[str, Any]:
    """All limits that can change, in the runtime spec's words, for `Driver.update` and config.json."""
    plain = options._replace(
        blkio_weight_devices=(), device_read_bps=(), device_write_bps=(), device_read_iops=(), device_write_iops=()
    )
    found = resources.resources(plain, machine)
    if options.pids_limit < 0:
        found["pids"] = {"limit": -1}
    return found
