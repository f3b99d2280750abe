from __future__ import annotations

from typing import Any

import pytest

from wherry.errors import InputError
from wherry.runtime import caps, limits, resources
from wherry.runtime.machine import Machine
from wherry.runtime.options import DeviceRate, RunOptions

V1 = Machine((6, 18), "amd64", "laptop", "v1", caps.KNOWN, cpus=4, cpuset_cpus="0-3", cpuset_mems="0")
V2 = V1._replace(cgroup="v2", lacks=frozenset({"swappiness", "oom_kill_disable", "rt"}))
HYBRID = V1._replace(cgroup="hybrid", lacks=frozenset({"blkio_weight", "blkio_weight_device"}))


def said(machine: Machine, **fields: Any) -> list[str]:
    return limits.settle(RunOptions(**fields), machine)[1]


def test_nothing_asked_is_nothing_to_look_at() -> None:
    assert not limits.is_limited(RunOptions(shm_size_bytes=1, oom_score_adj=5))
    assert limits.is_limited(RunOptions(cpuset_mems="0"))
    assert limits.is_limited(RunOptions(device_read_bps=(DeviceRate("/dev/a", 1),)))


@pytest.mark.parametrize(
    ("feature", "fields", "message"),
    [
        ("memory", {"memory_bytes": 1 << 30}, "memory limit capabilities"),
        ("swappiness", {"memory_swappiness": 0}, "Memory swappiness discarded"),
        ("reservation", {"memory_reservation_bytes": 1 << 30}, "memory soft limit"),
        ("oom_kill_disable", {"oom_kill_disable": True}, "OomKillDisable discarded"),
        ("pids", {"pids_limit": 5}, "PIDs limit discarded"),
        ("shares", {"cpu_shares": 5}, "Shares discarded"),
        ("cfs", {"cpu_quota_us": 5000}, "CPU period/quota discarded"),
        ("cpuset", {"cpuset_cpus": "0"}, "Cpuset discarded"),
        ("blkio_weight", {"blkio_weight": 5}, "Block I/O weight or the cgroup is not mounted. Weight discarded"),
        ("blkio_weight_device", {"blkio_weight_devices": (DeviceRate("/dev/a", 10),)}, "Weight-device discarded"),
        ("read_bps", {"device_read_bps": (DeviceRate("/dev/a", 1),)}, "Block I/O BPS read limit discarded"),
        ("write_bps", {"device_write_bps": (DeviceRate("/dev/a", 1),)}, "Block I/O BPS write limit discarded"),
        ("read_iops", {"device_read_iops": (DeviceRate("/dev/a", 1),)}, "Block I/O IOPS read limit discarded"),
        ("write_iops", {"device_write_iops": (DeviceRate("/dev/a", 1),)}, "Block I/O IOPS write limit discarded"),
    ],
)
def test_what_a_kernel_cannot_hold_is_discarded_and_said_once(
    feature: str, fields: dict[str, Any], message: str
) -> None:
    machine = V1._replace(lacks=frozenset({feature}))
    options, warnings = limits.settle(RunOptions(**fields), machine)
    assert len(warnings) == 1
    assert warnings[0].startswith("WARNING: Your kernel does not support ")
    assert message in warnings[0]
    assert options == RunOptions()
    assert limits.settle(options, machine) == (options, [])
    assert resources.resources(RunOptions(**fields), machine) == {}


def test_a_kernel_without_swap_accounting_limits_memory_alone() -> None:
    machine = V1._replace(swap_limit=False, lacks=frozenset({"swap"}))
    options, warnings = limits.settle(RunOptions(memory_bytes=1 << 30), machine)
    assert (options.memory_bytes, options.memory_swap_bytes) == (1 << 30, -1)
    assert "Memory limited without swap." in warnings[0]
    assert limits.settle(options, machine) == (options, [])


def test_an_oom_killer_switched_off_without_a_limit_is_warned_of_twice_as_docker_does() -> None:
    assert [one[:33] for one in said(V1, oom_kill_disable=True)] == [
        "WARNING: Disabling the OOM killer",
        "WARNING: OOM killer is disabled f",
    ]
    assert said(V1, oom_kill_disable=True, memory_bytes=1 << 30) == []


def test_cpus_without_a_scheduler_that_counts_are_refused() -> None:
    with pytest.raises(InputError, match="NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler"):
        limits.check(RunOptions(nano_cpus=10**9), V1._replace(lacks=frozenset({"cfs"})))


def test_real_time_needs_v1() -> None:
    limits.check(RunOptions(cpu_rt_runtime_us=100), V1)
    with pytest.raises(InputError, match="kernel does not support CPU real-time scheduler"):
        limits.check(RunOptions(cpu_rt_runtime_us=100), V2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cpuset_cpus": "0-9"}, "Requested CPUs are not available - requested 0-9, available: 0-3"),
        ({"cpuset_cpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x"),
        ({"cpuset_cpus": "1-0"}, "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"),
        ({"cpuset_mems": "5"}, "Requested memory nodes are not available - requested 5, available: 0"),
        ({"cpuset_mems": ","}, "Invalid value , for cpuset mems: invalid format: ,"),
    ],
)
def test_cpus_and_memory_nodes_that_are_not_there(fields: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        limits.check(RunOptions(**fields), V1)
    assert caught.value.message == message


@pytest.mark.parametrize("machine", [V1, V2, HYBRID], ids=["v1", "v2", "hybrid"])
def test_the_same_flags_on_each_layout(machine: Machine) -> None:
    """Shares, quota, memory and swap are said alike: runc turns them into weights and swap alone on v2."""
    options = RunOptions(
        memory_bytes=64 << 20, memory_swappiness=10, oom_kill_disable=True, nano_cpus=500_000_000, cpu_shares=512,
        cpuset_cpus="0,2-3", cpuset_mems="0", pids_limit=9, memory_reservation_bytes=32 << 20, blkio_weight=300,
        device_read_bps=(DeviceRate("/dev/a", 1 << 20),), device_write_iops=(DeviceRate("/dev/b", 7),),
    )  # fmt: skip
    found = resources.resources(options, machine, {"/dev/a": (254, 0), "/dev/b": (8, 16)})
    memory = {"limit": 64 << 20, "swap": 128 << 20, "reservation": 32 << 20}
    if machine is not V2:
        memory |= {"swappiness": 10, "disableOOMKiller": True}
    block: dict[str, Any] = {
        "throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 1 << 20}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 7}],
    }
    if machine is not HYBRID:
        block["weight"] = 300
    assert found == {
        "memory": memory,
        "cpu": {"shares": 512, "period": 100_000, "quota": 50_000, "cpus": "0,2-3", "mems": "0"},
        "pids": {"limit": 9},
        "blockIO": block,
    }


def test_real_time_budgets_are_told_to_the_runtime() -> None:
    found = resources.resources(RunOptions(cpu_rt_period_us=1_000_000, cpu_rt_runtime_us=950_000), V1)
    assert found == {"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 950_000}}
