"""Docker's rules about limits: which values fit together, and what is discarded where the kernel can't hold it. Pure.

`resources` turns what is left into the runtime spec's words.
"""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.parse_limits import cpu_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.machine import Machine
    from wherry.runtime.options import RunOptions

__all__ = ["check", "discard", "is_limited", "settle"]

_LEAST_MEMORY_BYTES = 6 << 20
_LEAST_US, _LONGEST_US = 1_000, 1_000_000
_MOUNTED = "or the cgroup is not mounted."

# feature of the kernel, the fields that need it with what they become, docker's words
_DISCARDS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("memory", {"memory_bytes": 0},
     f"Your kernel does not support memory limit capabilities {_MOUNTED} Limitation discarded."),
    ("swappiness", {"memory_swappiness": -1},
     f"Your kernel does not support memory swappiness capabilities {_MOUNTED} Memory swappiness discarded."),
    ("reservation", {"memory_reservation_bytes": 0},
     f"Your kernel does not support memory soft limit capabilities {_MOUNTED} Limitation discarded."),
    ("oom_kill_disable", {"oom_kill_disable": False},
     "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
    ("pids", {"pids_limit": 0},
     f"Your kernel does not support PIDs limit capabilities {_MOUNTED} PIDs limit discarded."),
    ("shares", {"cpu_shares": 0}, f"Your kernel does not support CPU shares {_MOUNTED} Shares discarded."),
    ("cfs", {"cpu_period_us": 0, "cpu_quota_us": 0},
     "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."),
    ("cpuset", {"cpuset_cpus": "", "cpuset_mems": ""},
     f"Your kernel does not support cpuset {_MOUNTED} Cpuset discarded."),
    ("blkio_weight", {"blkio_weight": 0},
     f"Your kernel does not support Block I/O weight {_MOUNTED} Weight discarded."),
    ("blkio_weight_device", {"blkio_weight_devices": ()},
     f"Your kernel does not support Block I/O weight_device {_MOUNTED} Weight-device discarded."),
    ("read_bps", {"device_read_bps": ()},
     f"Your kernel does not support BPS Block I/O read limit {_MOUNTED} Block I/O BPS read limit discarded."),
    ("write_bps", {"device_write_bps": ()},
     f"Your kernel does not support BPS Block I/O write limit {_MOUNTED} Block I/O BPS write limit discarded."),
    ("read_iops", {"device_read_iops": ()},
     f"Your kernel does not support IOPS Block read limit {_MOUNTED} Block I/O IOPS read limit discarded."),
    ("write_iops", {"device_write_iops": ()},
     f"Your kernel does not support IOPS Block write limit {_MOUNTED} Block I/O IOPS write limit discarded."),
)  # fmt: skip
_FIELDS = (
    *(field for _, fields, _ in _DISCARDS for field in fields),
    "memory_swap_bytes", "nano_cpus", "cpu_rt_period_us", "cpu_rt_runtime_us",
)  # fmt: skip


def is_limited(options: RunOptions) -> bool:
    """Whether any limit was asked for: if not, nobody need look at the kernel."""
    fresh = type(options)()
    return any(getattr(options, name) != getattr(fresh, name) for name in _FIELDS)


def settle(options: RunOptions, machine: Machine) -> tuple[RunOptions, list[str]]:
    """The options without what the kernel can't hold here, and docker's warnings about it. Idempotent.

    Raises: InputError with docker's message when values do not fit together.
    """
    check(options, machine)
    return discard(options, machine)


def discard(options: RunOptions, machine: Machine) -> tuple[RunOptions, list[str]]:
    """`settle` without the check: for what came through it."""
    fresh = type(options)()
    changed: dict[str, Any] = {}
    said = _about_oom(options) if "oom_kill_disable" not in machine.lacks else []
    for feature, fields, message in _DISCARDS:
        if feature in machine.lacks and any(getattr(options, name) != getattr(fresh, name) for name in fields):
            changed |= fields
            said.append(message)
    if options.memory_bytes and "memory" in machine.lacks:
        changed["memory_swap_bytes"] = 0
    elif options.memory_bytes and options.memory_swap_bytes != -1 and not machine.swap_limit:
        changed["memory_swap_bytes"] = -1
        said.append(f"Your kernel does not support swap limit capabilities {_MOUNTED} Memory limited without swap.")
    return options._replace(**changed), [f"WARNING: {one}" for one in said]


def _about_oom(options: RunOptions) -> list[str]:
    if not options.oom_kill_disable or options.memory_bytes:
        return []
    return [
        "Disabling the OOM killer on containers without setting a '-m/--memory' limit may be dangerous.",
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running "
        "out of resources.",
    ]


def check(options: RunOptions, machine: Machine, *, updating: bool = False) -> None:
    """Docker's rules about values that fit together. `updating`: more is known of the container than these options say.

    Raises: InputError with docker's messages.
    """
    _check_memory(options, updating=updating)
    _check_cpu(options, machine)
    _check_cpusets(options, machine)
    weight = options.blkio_weight
    if weight and "blkio_weight" not in machine.lacks and not 10 <= weight <= 1000:
        raise InputError("Range of blkio weight is from 10 to 1000", hint=f"--blkio-weight was {weight}")


def _check_memory(options: RunOptions, *, updating: bool) -> None:
    memory, swap = options.memory_bytes, options.memory_swap_bytes
    if 0 < memory < _LEAST_MEMORY_BYTES:
        raise InputError("Minimum memory limit allowed is 6MB", hint="give more with --memory")
    if swap > 0 and not memory and not updating:
        raise InputError(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
            hint="--memory-swap is memory and swap together: give --memory too",
        )
    if memory and 0 < swap < memory:
        raise InputError(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
            hint="--memory-swap is memory and swap together; as much as --memory means no swap",
        )
    if 0 < options.memory_reservation_bytes < _LEAST_MEMORY_BYTES:
        raise InputError("Minimum memory reservation allowed is 6MB", hint="give more with --memory-reservation")
    if memory and options.memory_reservation_bytes > memory:
        raise InputError(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
            hint="--memory-reservation is at most --memory",
        )
    if not -1 <= options.memory_swappiness <= 100:
        raise InputError(f"invalid value: {options.memory_swappiness}. Valid memory swappiness range is 0-100")


def _check_cpu(options: RunOptions, machine: Machine) -> None:
    period, quota = options.cpu_period_us, options.cpu_quota_us
    if options.nano_cpus and period:
        raise InputError("Conflicting options: Nano CPUs and CPU Period cannot both be set", hint=_ONE_OF)
    if options.nano_cpus and quota:
        raise InputError("Conflicting options: Nano CPUs and CPU Quota cannot both be set", hint=_ONE_OF)
    if options.nano_cpus and "cfs" in machine.lacks:
        raise InputError(
            f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_MOUNTED}".rstrip("."),
            hint="start without --cpus; wherry doctor says what is missing",
        )
    # Differs from docker: --cpus below 0.01 is refused when a container is made, not by the kernel when it starts
    if options.nano_cpus and not 10_000_000 <= options.nano_cpus <= machine.cpus * 10**9:
        raise InputError(
            f"Range of CPUs is from 0.01 to {machine.cpus}.00, as there are only {machine.cpus} CPUs available",
            hint="give fewer with --cpus" if options.nano_cpus > 0 else "give more with --cpus",
        )
    if period and not _LEAST_US <= period <= _LONGEST_US:
        raise InputError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            hint=f"--cpu-period was {period}",
        )
    if 0 < quota < _LEAST_US:
        raise InputError("CPU cfs quota can not be less than 1ms (i.e. 1000)", hint=f"--cpu-quota was {quota}")
    if options.cpu_shares < 0:
        # Differs from docker: negative --cpu-shares are refused when a container is made, not when it starts
        raise InputError("shares: invalid argument", hint=f"--cpu-shares was {options.cpu_shares}; 1024 is the default")
    _check_real_time(options, machine)


_ONE_OF = "--cpus sets period and quota: give it, or --cpu-period and --cpu-quota"


def _check_real_time(options: RunOptions, machine: Machine) -> None:
    period, runtime = options.cpu_rt_period_us, options.cpu_rt_runtime_us
    if (period or runtime) and "rt" in machine.lacks:
        raise InputError(
            "kernel does not support CPU real-time scheduler",
            hint="--cpu-rt-period and --cpu-rt-runtime need cgroup v1 and a kernel with CONFIG_RT_GROUP_SCHED",
        )
    if period and runtime > period:
        raise InputError(
            "cpu real-time runtime cannot be higher than cpu real-time period",
            hint=f"--cpu-rt-runtime was {runtime}, --cpu-rt-period {period}",
        )


def _check_cpusets(options: RunOptions, machine: Machine) -> None:
    sets = (
        ("cpus", "CPUs", options.cpuset_cpus, machine.cpuset_cpus),
        ("mems", "memory nodes", options.cpuset_mems, machine.cpuset_mems),
    )
    for name, what, asked, there in sets:
        try:
            wanted = cpu_list(asked)
        except InputError as fault:
            raise InputError(
                f"Invalid value {asked} for cpuset {name}: {fault.message}", hint=f"--cpuset-{name} is as 0-3 or 0,2"
            ) from None
        if there and "cpuset" not in machine.lacks and not wanted <= cpu_list(there):
            raise InputError(
                f"Requested {what} are not available - requested {asked}, available: {there}",
                hint=f"choose among them with --cpuset-{name}",
            )
