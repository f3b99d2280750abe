"""The spec in the kernel's hands: what a process sees that runs with docker's defaults, and what it is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.spec_lab import Lab
from wherry.errors import RuntimeFailure
from wherry.oci.config import ContainerConfig
from wherry.runtime import docker_init
from wherry.runtime.options import DeviceRequest, MountRequest, RunOptions, Ulimit

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    one = Lab(tmp_path_factory.mktemp("lab"))
    yield one
    assert one.leftovers() == []


def test_root_has_fourteen_capabilities_and_no_more(lab: Lab) -> None:
    found = dict(line.split(":\t") for line in lab.shell("grep Cap /proc/self/status").lines)
    assert found == {
        "CapInh": "0" * 16, "CapPrm": "00000000a80425fb", "CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb",
        "CapAmb": "0" * 16,
    }  # fmt: skip


def test_another_user_has_none(lab: Lab) -> None:
    done = lab.shell("grep CapEff /proc/self/status; id; echo $HOME", user="app")
    assert done.lines == [
        "CapEff:\t0000000000000000",
        "uid=1000(app) gid=1000(app) groups=7(extra),1000(app)",
        "/home/app",
    ]


def test_the_images_user_and_folder_are_the_default(lab: Lab) -> None:
    config = ContainerConfig(user="app", working_dir="/made/for/it", env=("A=1",))
    done = lab.run(RunOptions(command=("sh", "-c", "id -u; pwd; echo $A")), config)
    assert done.lines == ["1000", "/made/for/it", "1"]


@pytest.mark.parametrize(
    "script", ["mount -t tmpfs x /tmp", "hostname x", "umount /proc", "echo 1 > /proc/sys/kernel/panic"]
)
def test_what_docker_refuses_is_refused(lab: Lab, script: str) -> None:
    assert lab.shell(script).status != 0


def test_masked_paths_show_nothing(lab: Lab) -> None:
    done = lab.shell("head -c 1 /proc/kcore; head -c 1 /proc/keys; ls /sys/firmware /proc/scsi; echo end")
    assert done.lines[-1] == "end"
    assert "\x7f" not in done.output


def test_proc_and_sys_are_guarded(lab: Lab) -> None:
    mounts = {line.split()[1]: line.split()[3].split(",") for line in lab.shell("cat /proc/mounts").lines}
    for path in ("/proc/sys", "/proc/irq", "/proc/sysrq-trigger", "/sys"):
        if os.path.exists(path):
            assert "ro" in mounts[path], path
    assert "rw" in mounts["/dev"]
    assert "/dev/shm" in mounts


def test_devices_are_dockers(lab: Lab) -> None:
    names = set(lab.shell("ls /dev").lines)
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue"} <= names
    assert not {"kmsg", "mem", "fuse", "sda", "vda"} & names


@pytest.mark.parametrize("user", ["", "app"])
def test_privileged_sees_the_kernel(lab: Lab, user: str) -> None:
    done = lab.shell(
        "mount -t tmpfs x /tmp && echo mounted; grep Seccomp: /proc/self/status", privileged=True, user=user
    )
    assert ("mounted" in done.output) == (user == "")
    assert "Seccomp:\t0" in done.output


def test_seccomp_is_on_unless_it_is_turned_off(lab: Lab) -> None:
    assert "Seccomp:\t2" in lab.shell("grep Seccomp: /proc/self/status").output
    assert "Seccomp:\t0" in lab.shell("grep Seccomp: /proc/self/status", seccomp="unconfined").output


def test_a_profile_of_ones_own_is_obeyed(lab: Lab) -> None:
    profile = (
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    assert lab.shell("mkdir /x", seccomp=profile).status != 0
    assert lab.shell("touch /x", seccomp=profile).status == 0


def test_no_new_privileges(lab: Lab) -> None:
    assert "NoNewPrivs:\t1" in lab.shell("grep NoNewPrivs /proc/self/status", no_new_privileges=True).output
    assert "NoNewPrivs:\t0" in lab.shell("grep NoNewPrivs /proc/self/status").output


def test_capabilities_come_and_go(lab: Lab) -> None:
    assert lab.shell("mount -t tmpfs x /tmp", cap_add=("CAP_SYS_ADMIN",)).status == 0
    assert "CapEff:\t0000000000000000" in lab.shell("grep CapEff /proc/self/status", cap_drop=("ALL",)).output


def test_a_read_only_root_with_a_tmpfs(lab: Lab) -> None:
    tmp = MountRequest("tmpfs", "", "/tmp", options=("size=1m",))
    assert lab.shell("touch /x", read_only=True).status != 0
    assert lab.shell("touch /tmp/x /dev/shm/y", read_only=True, mounts=(tmp,)).status == 0


def test_bind_mounts(lab: Lab) -> None:
    source = lab.folder / "source"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("from the host\n")
    request = MountRequest("bind", str(source), "/deep/in/it")
    assert lab.shell("cat /deep/in/it/file; touch /deep/in/it/new", mounts=(request,)).output == "from the host\n"
    assert (source / "new").exists()
    assert lab.shell("touch /deep/in/it/newer", mounts=(request._replace(read_only=True),)).status != 0
    one_file = MountRequest("bind", str(source / "file"), "/etc/one")
    assert lab.shell("cat /etc/one", mounts=(one_file,)).output == "from the host\n"


def test_a_mount_over_a_link_stays_in_the_container(lab: Lab) -> None:
    """The target is resolved inside the root: an image's link to / must not mount over the host."""
    outside = lab.folder / "outside"
    outside.mkdir(exist_ok=True)
    (lab.root / "way-out").symlink_to(outside)
    source = lab.folder / "secret"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("secret")
    assert lab.shell("cat /way-out/file", mounts=(MountRequest("bind", str(source), "/way-out"),)).output == "secret"
    assert list(outside.iterdir()) == []


def test_a_missing_mount_source_is_named(lab: Lab) -> None:
    with pytest.raises(RuntimeFailure, match="can't mount /no/such at /x"):
        lab.shell("true", mounts=(MountRequest("bind", "/no/such", "/x"),))


def test_limits_reach_the_kernel(lab: Lab) -> None:
    done = lab.shell("ulimit -n; ulimit -c", ulimits=(Ulimit("nofile", 64, 128), Ulimit("core", 0, 0)))
    assert done.lines == ["64", "0"]
    v2 = lab.machine.cgroup == "v2"
    read = "cat /sys/fs/cgroup/memory.max" if v2 else "cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert lab.shell(read, memory_bytes=64 << 20).output == f"{64 << 20}\n"


def test_too_much_memory_ends_the_step(lab: Lab) -> None:
    done = lab.shell("head -c 100m /dev/zero > /dev/shm/x", memory_bytes=16 << 20, shm_size_bytes=1 << 30)
    assert done.status == 137


def test_too_many_processes_are_refused(lab: Lab) -> None:
    done = lab.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done", pids_limit=4)
    assert "fork" in done.output


def test_a_limit_above_the_machines_does_not_stop_the_start(lab: Lab) -> None:
    """Without CAP_SYS_RESOURCE it is capped, with it raised."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    assert lab.shell("true", ulimits=(Ulimit("nofile", most, most),)).status == 0


def test_names_of_the_container(lab: Lab) -> None:
    assert lab.shell("hostname; echo $HOSTNAME", hostname="web").lines == ["web", "web"]


def test_sysctls_of_the_network_namespace(lab: Lab) -> None:
    done = lab.shell("cat /proc/sys/net/core/somaxconn", sysctls={"net.core.somaxconn": "77"})
    assert done.output == "77\n"
    assert Path("/proc/sys/net/core/somaxconn").read_text() != "77\n"


def test_init_reaps_and_forwards(lab: Lab) -> None:
    init = docker_init.find_init(os.environ["PATH"])
    done = lab.run(RunOptions(command=("sh", "-c", "cat /proc/1/comm; exit 5"), init=True), init=init)
    assert done.status == 5
    assert done.lines[0] in {"docker-init", "tini", "tini-static", "catatonit"}


def test_a_device_of_the_host(lab: Lab) -> None:
    from wherry.runtime import devices

    found = devices.resolve([DeviceRequest("/dev/zero", "/dev/nil", "r")])
    done = lab.run(RunOptions(command=("sh", "-c", "head -c 3 /dev/nil")), devices=found)
    assert done.output == "\0\0\0"


def test_an_images_dev_is_hidden_by_one_of_its_own(lab: Lab) -> None:
    """CVE-2026-88264: an image whose /dev is a link to somewhere else."""
    (lab.root / "elsewhere").mkdir(exist_ok=True)
    (lab.root / "dev").symlink_to("/elsewhere")
    try:
        done = lab.shell("ls /dev")
        assert done.status != 0 or "null" in done.output
    except RuntimeFailure:
        pass
    finally:
        (lab.root / "dev").unlink()
    assert list((lab.root / "elsewhere").iterdir()) == []
