"""Limits that really hold: what the kernel's files say, and what happens to who goes beyond."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")

CGROUPS = Path("/sys/fs/cgroup")
IS_V2 = (CGROUPS / "cgroup.controllers").exists()
_V2 = {
    "memory.limit_in_bytes": "memory.max", "memory.soft_limit_in_bytes": "memory.low", "cpu.cfs_quota_us": "cpu.max",
    "cpu.shares": "cpu.weight", "cpuset.cpus": "cpuset.cpus", "pids.max": "pids.max",
}  # fmt: skip


def cgroup_file(wherry: Wherry, name: str, file: str) -> str:
    """What the kernel says of the running container `name`; `file` as v1 calls it."""
    controller = file.partition(".")[0]
    lines = Path(f"/proc/{wherry.pid(name)}/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if IS_V2 and not controllers:
            return (CGROUPS / path.lstrip("/") / _V2[file]).read_text().strip()
        if controller in controllers.split(","):
            # This machine may show us a part of a hierarchy as its whole
            folders = [CGROUPS / controller / path.lstrip("/"), CGROUPS / controller / Path(path).name]
            return next(one for one in folders if one.is_dir()).joinpath(file).read_text().strip()
    raise AssertionError(f"no cgroup of {controller}: {lines}")


def inspected(wherry: Wherry, name: str, *keys: str) -> Any:
    found = json.loads(wherry("inspect", name).stdout)[0]
    for key in keys:
        found = found[key]
    return found


@pytest.fixture
def box(wherry: Wherry) -> Callable[..., str]:
    """Starts a sleeping container with some flags; its name."""

    def start(*flags: str) -> str:
        wherry("run", "-d", "--name", "box", "--network", "none", *flags, "busybox", "sleep", "1000")
        return "box"

    return start


def test_the_kernel_holds_what_was_asked_for(wherry: Wherry, box: Callable[..., str]) -> None:
    box("-m", "32m", "--memory-reservation", "16m", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0",
        "--pids-limit", "20")  # fmt: skip
    assert cgroup_file(wherry, "box", "memory.limit_in_bytes") == str(32 << 20)
    assert cgroup_file(wherry, "box", "memory.soft_limit_in_bytes") == str(16 << 20)
    assert cgroup_file(wherry, "box", "cpu.cfs_quota_us") in {"50000", "50000 100000"}
    assert cgroup_file(wherry, "box", "cpu.shares") in {"512", "20", "59"}
    assert cgroup_file(wherry, "box", "cpuset.cpus") == "0"
    assert cgroup_file(wherry, "box", "pids.max") == "20"


def test_who_takes_more_memory_is_killed_and_it_is_said(wherry: Wherry) -> None:
    done = wherry(
        "run", "--name", "hog", "--network", "none", "-m", "16m", "--memory-swap", "16m", "busybox", "tail",
        "/dev/zero", code=None,
    )  # fmt: skip
    assert done.returncode == 137
    state = inspected(wherry, "hog", "State")
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    assert "Exited (137)" in wherry("ps", "-a").stdout


def test_a_child_that_is_killed_for_memory_is_said_too(wherry: Wherry) -> None:
    wherry(
        "run", "--name", "hog", "--network", "none", "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c",
        "tail /dev/zero; exit 0",
    )  # fmt: skip
    assert inspected(wherry, "hog", "State", "OOMKilled") is True
    assert inspected(wherry, "hog", "State", "ExitCode") == 0


def test_no_more_processes_than_the_limit(wherry: Wherry) -> None:
    done = wherry(
        "run", "--rm", "--network", "none", "--pids-limit", "4", "busybox", "sh", "-c",
        "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait", code=None,
    )  # fmt: skip
    assert "can't fork" in done.stderr


def test_a_ulimit_and_shared_memory_and_the_oom_score(wherry: Wherry) -> None:
    done = wherry(
        "run", "--rm", "--network", "none", "--ulimit", "nofile=64:128", "--shm-size", "8m", "--oom-score-adj", "700",
        "busybox", "sh", "-c", "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; df -k /dev/shm | tail -1",
    )  # fmt: skip
    lines = done.stdout.split()
    assert lines[:3] == ["64", "128", "700"]
    assert "8192" in lines


def test_a_rate_for_a_block_device_is_in_its_cgroup(wherry: Wherry, box: Callable[..., str]) -> None:
    disks = [
        Path("/sys/block") / name for name in os.listdir("/sys/block") if not name.startswith(("loop", "zram", "ram"))
    ]
    nodes = [f"/dev/{disk.name}" for disk in disks if os.path.exists(f"/dev/{disk.name}")]
    if not nodes or IS_V2 or not (CGROUPS / "blkio/blkio.throttle.read_bps_device").exists():
        pytest.skip("no disk whose rate can be limited")
    box("--device-read-bps", f"{nodes[0]}:1mb", "--device-write-iops", f"{nodes[0]}:7")
    number = Path(f"/sys/block/{Path(nodes[0]).name}/dev").read_text().strip()
    assert cgroup_file(wherry, "box", "blkio.throttle.read_bps_device") == f"{number} {1 << 20}"
    assert cgroup_file(wherry, "box", "blkio.throttle.write_iops_device") == f"{number} 7"
    assert inspected(wherry, "box", "HostConfig", "BlkioDeviceReadBps") == [{"Path": nodes[0], "Rate": 1 << 20}]


def test_an_oom_killer_that_was_switched_off(wherry: Wherry, box: Callable[..., str]) -> None:
    done = wherry("create", "--network", "none", "--oom-kill-disable", "busybox", "true")
    assert "Disabling the OOM killer" in done.stderr or "OomKillDisable discarded" in done.stderr
    box("-m", "32m", "--oom-kill-disable", "--memory-swappiness", "7")
    if not IS_V2:
        assert "oom_kill_disable 1" in cgroup_file(wherry, "box", "memory.oom_control")
        assert cgroup_file(wherry, "box", "memory.swappiness") == "7"


def test_a_device_rule_opens_what_was_closed(wherry: Wherry) -> None:
    """As for a device that is plugged in later: its node is made inside."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    number = os.stat("/dev/fuse").st_rdev
    rule = f"c {os.major(number)}:{os.minor(number)}"
    script = f"mknod /tmp/d {rule.replace(':', ' ')}; (: < /tmp/d) && echo read; (: >> /tmp/d) && echo write"
    found = {}
    for access in ("", "r", "rw"):
        flags = ["--device-cgroup-rule", f"{rule} {access}"] if access else []
        seen = wherry("run", "--rm", "--network", "none", *flags, "busybox", "sh", "-c", script, code=None)
        found[access] = seen.stdout.split()
        assert ("peration not permitted" in seen.stderr) == (access != "rw")
    assert found == {"": [], "r": ["read"], "rw": ["read", "write"]}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--device-read-bps", "/dev/nothing:1mb"], "stat /dev/nothing: no such file or directory"),
        (["--device-read-bps", "/dev/null:1mb"], "/dev/null is not a block device"),
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["--cpus", "1000"], "Range of CPUs is from 0.01 to "),
        (["--cpuset-cpus", "5000"], "Requested CPUs are not available - requested 5000"),
        (["--memory-swap", "1g"], "You should always set the Memory limit when using Memoryswap limit"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_and_leaves_nothing(wherry: Wherry, flags: list[str], message: str) -> None:
    done = wherry("run", "--rm", "--network", "none", *flags, "busybox", "true", code=125)
    assert message in done.stderr
    assert wherry("ps", "-aq").stdout == ""


def test_a_running_container_is_changed_and_stays_so(wherry: Wherry, box: Callable[..., str]) -> None:
    box("-m", "32m")
    wherry("update", "-m", "48m", "--memory-swap", "64m", "--cpus", "0.25", "--pids-limit", "30", "box")
    for _ in range(2):
        assert cgroup_file(wherry, "box", "memory.limit_in_bytes") == str(48 << 20)
        assert cgroup_file(wherry, "box", "cpu.cfs_quota_us") in {"25000", "25000 100000"}
        assert cgroup_file(wherry, "box", "pids.max") == "30"
        host = inspected(wherry, "box", "HostConfig")
        assert (host["Memory"], host["MemorySwap"]) == (48 << 20, 64 << 20)
        assert (host["NanoCpus"], host["PidsLimit"]) == (250_000_000, 30)
        wherry("restart", "-t", "0", "box")
    wherry("update", "--pids-limit", "-1", "box")
    assert cgroup_file(wherry, "box", "pids.max") == "max"


def test_a_monitors_own_restart_has_the_limits_of_an_update(wherry: Wherry) -> None:
    wherry(
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--restart",
        "always",
        "-m",
        "32m",
        "busybox",
        "sleep",
        "1000",
    )
    wherry("update", "-m", "24m", "box")
    first = wherry.pid("box")
    os.kill(first, 9)
    eventually(lambda: wherry.pid("box") not in {0, first}, "a restart")
    assert cgroup_file(wherry, "box", "memory.limit_in_bytes") == str(24 << 20)


def test_a_restart_policy_counts_from_the_next_end_on(wherry: Wherry, box: Callable[..., str]) -> None:
    box()
    wherry("update", "--restart", "always", "box")
    first = wherry.pid("box")
    os.kill(first, 9)
    eventually(lambda: wherry.pid("box") not in {0, first}, "a restart")
    wherry("update", "--restart", "no", "box")
    os.kill(wherry.pid("box"), 9)
    eventually(lambda: wherry.status("box") == "exited", "no restart")
    assert inspected(wherry, "box", "HostConfig", "RestartPolicy")["Name"] == "no"


def test_a_stopped_container_starts_with_what_was_changed(wherry: Wherry) -> None:
    wherry("create", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    wherry("update", "-m", "32m", "--memory-swap", "32m", "--cpu-shares", "256", "box")
    wherry("start", "box")
    assert cgroup_file(wherry, "box", "memory.limit_in_bytes") == str(32 << 20)


def test_what_the_kernel_refuses_changes_nothing(wherry: Wherry) -> None:
    """More is in use than the new limit leaves, and it can't be swapped out."""
    script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo full; sleep 1000"
    wherry(
        "run", "-d", "--name", "box", "--network", "none", "-m", "64m", "--memory-swap", "64m", "busybox", "sh", "-c",
        script,
    )  # fmt: skip
    eventually(lambda: "full" in wherry("logs", "box").stdout, "a full /dev/shm")
    done = wherry("update", "-m", "8m", "--memory-swap", "8m", "box", code=None)
    if done.returncode == 0:
        pytest.skip("this kernel killed or swapped instead")
    assert "Cannot update container" in done.stderr
    assert inspected(wherry, "box", "HostConfig", "Memory") == 64 << 20
    assert cgroup_file(wherry, "box", "memory.limit_in_bytes") == str(64 << 20)


def test_what_uses_what_from_python(wherry: Wherry, box: Callable[..., str]) -> None:
    from wherry.runtime.update import Update

    box("-m", "64m")
    with wherry.engine() as engine:
        assert engine.containers.update("box", Update(memory_bytes=32 << 20)) == []
        (found,) = engine.containers.stats(["box"])
    assert found.memory_limit_bytes == 32 << 20
    assert 0 < found.memory_bytes < 32 << 20
    assert found.pids == 1


def test_read_only_cgroups_are_explained(wherry: Wherry) -> None:
    """As in a container that was started without --privileged."""
    lock = "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount --bind $d $d && mount -o remount,bind,ro $d; done 2>&1;"
    shown = []
    for words in (["doctor"], ["run", "--rm", "--network", "none", "busybox", "true"]):
        argv = [
            "unshare",
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            f'{lock} exec "$@"',
            "sh",
            *wherry.argv(*words),
        ]
        shown.append(subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60))
    doctor, run = shown
    assert doctor.returncode == 1
    assert "mounted read-only, so no container can be given a cgroup" in doctor.stdout
    assert run.returncode == 125
    assert "no cgroup can be made for the container: read-only file system" in run.stderr
    assert "wherry doctor" in run.stderr


def test_an_update_of_several_names_goes_on_after_a_fault(wherry: Wherry, box: Callable[..., str]) -> None:
    box()
    done = wherry("update", "--cpu-shares", "100", "nobody", "box", code=1)
    assert done.stdout == "box\n"
    assert "No such container: nobody" in done.stderr
    assert inspected(wherry, "box", "HostConfig", "CpuShares") == 100
    assert "you must provide one or more flags" in wherry("update", "box", code=1).stderr


def test_a_container_with_rm_keeps_its_restart_policy(wherry: Wherry) -> None:
    wherry("run", "-d", "--rm", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    said = wherry("update", "--restart", "always", "box", code=1).stderr
    assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in said


def test_the_examples_of_the_guide_run(wherry: Wherry, tmp_path: Path) -> None:
    program = tmp_path / "wherry"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(wherry.argv())} "$@"\n')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(tmp_path)}
    for block in runnable(PROJECT / "docs" / "limits.md"):
        done = subprocess.run(["bash", "-euc", block], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
