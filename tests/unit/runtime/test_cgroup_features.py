from __future__ import annotations

from pathlib import Path

from wherry.runtime.cgroup_features import cpusets, lacking


def test_a_v1_tree_lacks_what_it_has_no_file_for(tmp_path: Path) -> None:
    for name in (
        "memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.oom_control",
        "memory/memory.swappiness", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpuset/cpuset.cpus", "pids/cgroup.procs",
        "blkio/blkio.throttle.read_bps_device", "blkio/blkio.throttle.write_bps_device",
        "blkio/blkio.throttle.read_iops_device", "blkio/blkio.throttle.write_iops_device",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert lacking(str(tmp_path), "hybrid") == {"swap", "rt", "blkio_weight", "blkio_weight_device"}


def test_nothing_mounted_lacks_everything(tmp_path: Path) -> None:
    assert {"memory", "pids", "cfs", "cpuset"} <= lacking(str(tmp_path), "v1")
    assert {"memory", "pids", "cfs", "cpuset"} <= lacking(str(tmp_path), "v2")


def test_a_whole_v2_tree_lacks_what_v2_has_no_words_for(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma\n")
    service = tmp_path / "system.slice"
    service.mkdir()
    for name in ("memory.max", "memory.swap.max", "io.weight"):
        (service / name).touch()
    assert lacking(str(tmp_path), "v2") == {"swappiness", "oom_kill_disable", "rt"}


def test_a_v2_tree_with_half_of_its_controllers(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory pids io\n")
    service = tmp_path / "system.slice"
    service.mkdir()
    (service / "memory.max").touch()
    found = lacking(str(tmp_path), "v2")
    assert {"swap", "cfs", "shares", "cpuset", "blkio_weight"} <= found
    assert not {"memory", "pids", "read_bps"} & found


def test_the_cpus_there_are(tmp_path: Path) -> None:
    (tmp_path / "cpuset").mkdir()
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset.cpus.effective").write_text("0,2\n")
    (tmp_path / "cpuset.mems.effective").write_text("0\n")
    assert cpusets(str(tmp_path), "v1") == ("0-3", "")
    assert cpusets(str(tmp_path), "v2") == ("0,2", "0")
