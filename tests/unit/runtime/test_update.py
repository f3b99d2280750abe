from __future__ import annotations

from typing import Any

import pytest

from wherry.errors import Conflict, InputError
from wherry.runtime import caps
from wherry.runtime.machine import Machine
from wherry.runtime.options import DeviceRate, RunOptions
from wherry.runtime.update import Update, apply, cgroup_limits, checked

MACHINE = Machine((6, 18), "amd64", "laptop", "v1", caps.KNOWN, cpus=2, cpuset_cpus="0-1", cpuset_mems="0")
MB = 1 << 20


def test_what_is_not_named_stays() -> None:
    before = RunOptions(memory_bytes=64 * MB, cpu_shares=5, name="x", pids_limit=9)
    assert apply(before, Update()) == before
    after = apply(before, Update(cpu_shares=7, cpuset_cpus="0"))
    assert after == before._replace(cpu_shares=7, cpuset_cpus="0")


def test_a_pids_limit_can_be_taken_away() -> None:
    for said in (0, -1, -7):
        after = apply(RunOptions(pids_limit=9), Update(pids_limit=said))
        assert after.pids_limit == -1
        assert cgroup_limits(after, MACHINE)["pids"] == {"limit": -1}
    assert apply(RunOptions(), Update(pids_limit=5)).pids_limit == 5


def test_memory_beyond_its_swap_is_refused_as_docker_does() -> None:
    said = "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
    for before in (
        RunOptions(),
        RunOptions(memory_bytes=20 * MB),
        RunOptions(memory_bytes=20 * MB, memory_swap_bytes=30 * MB),
    ):
        with pytest.raises(Conflict, match=said):
            apply(before, Update(memory_bytes=60 * MB))
        assert apply(before, Update(memory_bytes=60 * MB, memory_swap_bytes=60 * MB)).memory_bytes == 60 * MB


def test_less_memory_keeps_the_swap_that_was_set() -> None:
    after = apply(RunOptions(memory_bytes=20 * MB), Update(memory_bytes=10 * MB))
    assert (after.memory_bytes, after.memory_swap_bytes) == (10 * MB, 40 * MB)


def test_swap_without_end_stands_in_no_ones_way() -> None:
    after = apply(RunOptions(memory_bytes=20 * MB, memory_swap_bytes=-1), Update(memory_bytes=60 * MB))
    assert (after.memory_bytes, after.memory_swap_bytes) == (60 * MB, -1)


@pytest.mark.parametrize(
    ("before", "change", "message"),
    [
        ({"cpu_period_us": 50_000}, {"nano_cpus": 10**9}, "Nano CPUs cannot be updated as CPU Period has already been"),
        ({"cpu_quota_us": 50_000}, {"nano_cpus": 10**9}, "Nano CPUs cannot be updated as CPU Quota has already been"),
        ({"nano_cpus": 10**9}, {"cpu_period_us": 50_000}, "CPU Period cannot be updated as NanoCPUs has already been"),
        ({"nano_cpus": 10**9}, {"cpu_quota_us": 50_000}, "CPU Quota cannot be updated as NanoCPUs has already been"),
    ],
)
def test_cpus_and_a_quota_exclude_each_other(before: dict[str, int], change: dict[str, int], message: str) -> None:
    with pytest.raises(Conflict, match=message):
        apply(RunOptions(**before), Update(**change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory_bytes": MB}, "Minimum memory limit allowed is 6MB"),
        ({"memory_reservation_bytes": MB}, "Minimum memory reservation allowed is 6MB"),
        ({"nano_cpus": 10**11}, "Range of CPUs is from 0.01 to 2.00"),
        ({"cpuset_cpus": "7"}, "Requested CPUs are not available - requested 7, available: 0-1"),
        ({"memory_bytes": 60 * MB, "memory_swap_bytes": 10 * MB}, "should be larger than memory limit"),
    ],
)
def test_values_are_checked_before_any_container_is_looked_at(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(Update(**change), MACHINE)


def test_swap_alone_may_be_named() -> None:
    assert checked(Update(memory_swap_bytes=40 * MB), MACHINE) == (Update(memory_swap_bytes=40 * MB), [])


def test_what_the_kernel_cannot_hold_is_said_and_changes_nothing() -> None:
    machine = MACHINE._replace(lacks=frozenset({"blkio_weight", "pids"}))
    update, said = checked(Update(blkio_weight=300, pids_limit=5, cpu_shares=7), machine)
    assert update == Update(cpu_shares=7)
    assert len(said) == 2


def test_the_runtime_is_told_every_limit_but_devices_of_their_own() -> None:
    options = RunOptions(memory_bytes=64 * MB, nano_cpus=10**9, device_read_bps=(DeviceRate("/dev/a", 1),))
    assert cgroup_limits(options, MACHINE) == {
        "memory": {"limit": 64 * MB, "swap": 128 * MB},
        "cpu": {"period": 100_000, "quota": 100_000},
    }
