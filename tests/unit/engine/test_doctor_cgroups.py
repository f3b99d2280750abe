from __future__ import annotations

from pathlib import Path

import pytest

from wherry.engine.doctor import Check
from wherry.engine.doctor_cgroups import examine

V1 = (
    "devices/devices.list", "memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes",
    "memory/memory.soft_limit_in_bytes", "memory/memory.oom_control", "memory/memory.swappiness", "cpu/cpu.shares",
    "cpu/cpu.cfs_quota_us", "cpu/cpu.rt_runtime_us", "cpuset/cpuset.cpus", "pids/cgroup.procs", "blkio/blkio.weight",
    "blkio/blkio.weight_device", "blkio/blkio.throttle.read_bps_device", "blkio/blkio.throttle.write_bps_device",
    "blkio/blkio.throttle.read_iops_device", "blkio/blkio.throttle.write_iops_device",
)  # fmt: skip


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    for name in V1:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "a").mkdir()
    for name in ("memory.max", "memory.swap.max", "io.weight"):
        (tmp_path / "a" / name).touch()
    return tmp_path


def found(root: Path) -> list[Check]:
    return list(examine(str(root), lambda path: False))


def test_a_whole_tree_is_fine(v1: Path) -> None:
    (one,) = found(v1)
    assert (one.status, one.version, one.note, one.hint) == ("ok", "v1", "", "")


def test_a_whole_v2_tree_is_fine(v2: Path) -> None:
    (one,) = found(v2)
    assert (one.status, one.version, one.note) == ("ok", "v2", "")


def test_what_is_rare_is_named_by_its_flags(v1: Path) -> None:
    (v1 / "blkio/blkio.weight").unlink()
    (v1 / "memory/memory.memsw.limit_in_bytes").unlink()
    (one,) = found(v1)
    assert one.status == "ok"
    assert one.note == "this kernel has no --memory-swap, --blkio-weight: such a flag is discarded with a warning"
    assert "swapaccount=1" in one.hint


def test_a_controller_that_is_not_there(v1: Path, tmp_path: Path) -> None:
    for name in V1:
        if name.startswith("memory/"):
            (v1 / name).unlink()
    (one,) = found(v1)
    assert one.status == "warning"
    assert "no controller for --memory, --memory-swap" in one.note
    assert "cgroup_enable=memory" in one.hint


def test_nothing_mounted(tmp_path: Path) -> None:
    (one,) = found(tmp_path)
    assert (one.status, one.note) == ("missing", "no cgroup file systems are mounted")


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_a_read_only_tree_is_explained(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    locked = str(root) if layout == "v2" else f"{root}/devices"
    (one,) = examine(str(root), lambda path: path == locked)
    assert (one.status, one.where) == ("missing", locked)
    assert "read-only, so no container can be given a cgroup" in one.note
    assert "--privileged" in one.hint


def test_controllers_that_were_not_passed_on(v2: Path) -> None:
    (v2 / "cgroup.controllers").write_text("pids\n")
    (one,) = found(v2)
    assert one.status == "warning"
    assert "--memory" in one.note
    assert "Delegate=yes" in one.hint


def test_processes_that_stand_in_the_way_of_delegation(v2: Path) -> None:
    """A container with a cgroup namespace of its own: its shell is in the top cgroup, and v2 wants none there."""
    (v2 / "cgroup.type").write_text("domain\n")
    (v2 / "cgroup.procs").write_text("1\n17\n")
    (v2 / "cgroup.subtree_control").write_text("pids\n")
    fine, stuck = found(v2)
    assert fine.status == "ok"
    assert (stuck.name, stuck.status) == ("delegation", "warning")
    assert "so cpu, cpuset, io, memory can't be passed on" in stuck.note
    assert f"mkdir {v2}/init" in stuck.hint
    (v2 / "cgroup.procs").write_text("")
    assert len(found(v2)) == 1
