from __future__ import annotations

import json
from typing import Any

import pytest

from wherry.errors import InputError, NotExecutable
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.runtime import caps
from wherry.runtime.devices import Device
from wherry.runtime.machine import Machine
from wherry.runtime.options import MountRequest, RunOptions, Ulimit
from wherry.runtime.spec import NEW, SpecFacts, command, exec_process, network_sysctls, runtime_spec, warnings
from wherry.runtime.users import User

ID = "0123456789abcdef" * 4
MACHINE = Machine((6, 18), "amd64", "laptop", "v1", caps.KNOWN, cpus=2)


def image(**config: Any) -> ImageConfig:
    return ImageConfig(Platform.of("linux", "amd64"), ContainerConfig(**config))


def facts(**more: Any) -> SpecFacts:
    return SpecFacts(**{"id": ID, "rootfs": "/b/rootfs", "machine": MACHINE, **more})


def make(options: RunOptions | None = None, config: ImageConfig | None = None, **more: Any) -> dict[str, Any]:
    return runtime_spec(config or image(), options or RunOptions(command=("true",)), facts(**more))


def option(**fields: Any) -> RunOptions:
    return RunOptions(**{"command": ("true",), **fields})


def mount_at(spec: dict[str, Any], target: str) -> dict[str, Any]:
    (found,) = [one for one in spec["mounts"] if one["destination"] == target]
    return found


def test_a_plain_container_is_what_docker_makes() -> None:
    """Field by field as docker 26.1 writes it for `run --network none` (but for the order)."""
    spec = make(netns=NEW, hosts_file="/h", hostname_file="/n", resolv_file="/r")
    seccomp = spec["linux"].pop("seccomp")
    assert seccomp["defaultAction"] == "SCMP_ACT_ERRNO"
    held = sorted(caps.DEFAULT)
    process = spec["process"]
    assert {key: sorted(value) for key, value in process.pop("capabilities").items()} == {
        "bounding": held, "effective": held, "permitted": held,
    }  # fmt: skip
    assert process == {
        "terminal": False,
        "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
        "args": ["true"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=0123456789ab"],
        "cwd": "/",
        "noNewPrivileges": False,
        "oomScoreAdj": 0,
        "rlimits": [],
    }
    assert (spec["hostname"], spec["root"]) == ("0123456789ab", {"path": "/b/rootfs", "readonly": False})
    linux = spec["linux"]
    assert linux["cgroupsPath"] == f"/wherry-{ID}"
    assert linux["namespaces"] == [{"type": kind} for kind in ("mount", "network", "uts", "pid", "ipc")]
    assert linux["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647",
    }  # fmt: skip
    assert "/proc/kcore" in linux["maskedPaths"]
    assert linux["readonlyPaths"] == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert set(linux["resources"]) == {"devices"}
    assert [one["destination"] for one in spec["mounts"]] == [
        "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm", "/etc/resolv.conf",
        "/etc/hostname", "/etc/hosts",
    ]  # fmt: skip
    assert mount_at(spec, "/dev")["options"] == ["nosuid", "strictatime", "mode=755", "size=65536k"]
    assert mount_at(spec, "/etc/hosts") == {
        "destination": "/etc/hosts", "type": "bind", "source": "/h", "options": ["rbind", "rprivate"],
    }  # fmt: skip


def test_the_spec_is_json() -> None:
    spec = make()
    assert json.loads(json.dumps(spec)) == spec


def test_the_monitors_network_namespace_is_not_made_again() -> None:
    spec = make(netns="")
    assert {"type": "network"} not in spec["linux"]["namespaces"]
    assert "sysctl" not in spec["linux"]


def test_the_maker_of_a_network_namespace_writes_its_sysctls() -> None:
    found = network_sysctls(
        option(sysctls={"net.core.somaxconn": "9", "kernel.sem": "1", "net.ipv4.ping_group_range": "1 0"})
    )
    assert found == {
        "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "1 0", "net.core.somaxconn": "9",
    }  # fmt: skip
    spec = make(option(sysctls={"net.core.somaxconn": "9", "kernel.sem": "1"}))
    assert spec["linux"]["sysctl"] == {"kernel.sem": "1"}


def test_a_peers_namespaces_are_joined() -> None:
    spec = make(netns="/proc/5/ns/net", pidns="/proc/5/ns/pid", ipcns="/proc/5/ns/ipc")
    found = {one["type"]: one.get("path") for one in spec["linux"]["namespaces"]}
    assert (found["network"], found["pid"], found["ipc"]) == ("/proc/5/ns/net", "/proc/5/ns/pid", "/proc/5/ns/ipc")


def test_the_hosts_namespaces_are_not_listed() -> None:
    spec = make(option(network="host"), pidns="", ipcns="", utsns="")
    assert [one["type"] for one in spec["linux"]["namespaces"]] == ["mount"]
    assert "hostname" not in spec
    assert "HOSTNAME=laptop" in spec["process"]["env"]
    assert mount_at(spec, "/dev/shm")["source"] == "/dev/shm"


def test_a_sysctl_of_the_host_is_refused() -> None:
    with pytest.raises(InputError, match="somaxconn' is not allowed in the host network namespace"):
        make(option(network="host", sysctls={"net.core.somaxconn": "1"}))


def test_cgroup_namespaces_follow_the_layout() -> None:
    v2 = MACHINE._replace(cgroup="v2")
    assert {"type": "cgroup"} in make(machine=v2)["linux"]["namespaces"]
    assert {"type": "cgroup"} not in make(option(cgroupns="host"), machine=v2)["linux"]["namespaces"]
    assert {"type": "cgroup"} in make(option(cgroupns="private"))["linux"]["namespaces"]


def test_hostnames() -> None:
    assert make(option(hostname="web"))["hostname"] == "web"
    assert make(option(network="host"))["hostname"] == "laptop"
    assert make(option(network="host", hostname="web"))["hostname"] == "web"
    assert make(option(domainname="example.com"))["linux"]["sysctl"] == {"kernel.domainname": "example.com"}


def test_privileged_lifts_every_guard() -> None:
    spec = make(option(privileged=True), devices=(Device("/dev/sda", "b", 8, 0, 0o660, 0, 6),))
    assert spec["process"]["capabilities"]["effective"] == list(caps.KNOWN)
    linux = spec["linux"]
    assert not {"seccomp", "maskedPaths", "readonlyPaths"} & linux.keys()
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert linux["devices"] == [
        {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0, "fileMode": 0o660, "uid": 0, "gid": 6}
    ]
    assert "ro" not in mount_at(spec, "/sys")["options"]
    assert "ro" not in mount_at(spec, "/sys/fs/cgroup")["options"]


def test_privileged_with_a_profile_keeps_the_profile() -> None:
    spec = make(option(privileged=True, seccomp='{"defaultAction": "SCMP_ACT_LOG"}'))
    assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_LOG"


def test_unconfined_pieces() -> None:
    assert "seccomp" not in make(option(seccomp="unconfined"))["linux"]
    linux = make(option(system_paths_unconfined=True))["linux"]
    assert "maskedPaths" not in linux
    assert "seccomp" in linux


def test_capabilities_open_system_calls() -> None:
    def names(spec: dict[str, Any]) -> set[str]:
        return {name for rule in spec["linux"]["seccomp"]["syscalls"] for name in rule["names"] if not rule.get("args")}

    assert "mount" in names(make(option(cap_add=("CAP_SYS_ADMIN",))))
    assert "mount" not in names(make())


def test_a_user_other_than_root_holds_no_capability() -> None:
    found = make(user=User(1000, 1000, (1000, 5), "/home/app"))["process"]
    assert found["capabilities"] == {"bounding": [name for name in caps.KNOWN if name in caps.DEFAULT]}
    assert found["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [1000, 5]}
    assert not any(entry.startswith("HOME=") for entry in found["env"])


def test_ambient_and_inheritable_stay_empty() -> None:
    """CVE-2022-24769, CVE-2022-27649."""
    for user in (User(), User(1000)):
        found = make(option(cap_add=("CAP_SYS_ADMIN",)), user=user)["process"]["capabilities"]
        assert not found.get("ambient")
        assert not found.get("inheritable")


def test_the_environment_is_laid_over_in_order() -> None:
    config = image(env=("PATH=/app/bin", "A=image", "B=image", "C=image"))
    spec = make(option(env=("A=user", "C", "HOME=/h", "X==y"), tty=True), config)
    found = dict(entry.split("=", 1) for entry in spec["process"]["env"])
    assert found == {
        "PATH": "/app/bin", "HOSTNAME": "0123456789ab", "TERM": "xterm", "A": "user", "B": "image", "HOME": "/h",
        "X": "=y",
    }  # fmt: skip
    assert spec["process"]["terminal"] is True


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        ({"cmd": ("c",)}, {"command": ()}, ("c",)),
        ({"cmd": ("c",)}, {"command": ("x",)}, ("x",)),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": ()}, ("e", "c")),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": ("x", "y")}, ("e", "x", "y")),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": (), "entrypoint": ("n",)}, ("n",)),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": ("x",), "entrypoint": ("n",)}, ("n", "x")),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": ("x",), "entrypoint": ()}, ("x",)),
    ],
)
def test_entrypoint_and_command_are_joined_as_docker_does(
    config: dict[str, Any], options: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert command(image(**config), RunOptions(**options)) == expected


@pytest.mark.parametrize(
    ("config", "options"), [({}, {}), ({"entrypoint": ("e",), "cmd": ("c",)}, {"entrypoint": ()}), ({"cmd": ()}, {})]
)
def test_nothing_to_run_is_an_error(config: dict[str, Any], options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no command specified"):
        command(image(**config), RunOptions(**options))


def test_working_folders() -> None:
    assert make(config=image(working_dir="/app"))["process"]["cwd"] == "/app"
    assert make(option(workdir="/x/../y/"), image(working_dir="/app"))["process"]["cwd"] == "/y"
    with pytest.raises(InputError, match="the working directory 'rel' is invalid, it needs to be an absolute path"):
        make(option(workdir="rel"))


@pytest.mark.parametrize(
    "path", ["/proc/self/fd/7", "/proc/self/fd/../fd/7", "//proc/1/fd/9", "/dev/fd/7", "/proc/1/cwd"]
)
def test_a_working_folder_behind_a_file_descriptor_is_refused(path: str) -> None:
    """CVE-2024-21626."""
    for options, config in ((option(workdir=path), image()), (option(), image(working_dir=path))):
        with pytest.raises(InputError, match="CVE-2024-21626"):
            make(options, config)


def test_labels_never_become_annotations() -> None:
    config = image(labels={"run.oci.keep_original_groups": "1", "org.systemd.property.X": "y"})
    assert "annotations" not in make(option(labels={"run.oci.hooks.stdout": "/x"}), config)
    assert make(option(annotations={"a": "b"}))["annotations"] == {"a": "b"}


def test_a_read_only_root_leaves_the_users_mounts_alone() -> None:
    requests = (MountRequest("bind", "/src", "/data"), MountRequest("tmpfs", "", "/tmp"))
    spec = make(option(read_only=True), mounts=requests, hosts_file="/h")
    assert spec["root"]["readonly"] is True
    assert "ro" not in mount_at(spec, "/data")["options"]
    assert "ro" not in mount_at(spec, "/tmp")["options"]
    assert "ro" not in mount_at(spec, "/dev/shm")["options"]
    assert "ro" in mount_at(spec, "/etc/hosts")["options"]


def test_user_mounts_win_over_dockers_and_go_parents_first() -> None:
    requests = (
        MountRequest("bind", "/1", "/a/b/c"), MountRequest("volume", "/v", "/a"),
        MountRequest("bind", "/h", "/etc/hosts"),
        MountRequest("tmpfs", "", "/dev/shm", options=("size=1g",)),
    )  # fmt: skip
    spec = make(mounts=requests, hosts_file="/own")
    assert [one["destination"] for one in spec["mounts"]][-4:] == ["/a", "/etc/hosts", "/dev/shm", "/a/b/c"]
    assert mount_at(spec, "/etc/hosts")["source"] == "/h"
    assert mount_at(spec, "/dev/shm")["options"] == ["noexec", "nosuid", "nodev", "size=1g"]


def test_a_users_dev_takes_all_of_it() -> None:
    spec = make(mounts=(MountRequest("bind", "/dev", "/dev"),))
    assert [one["destination"] for one in spec["mounts"] if one["destination"].startswith("/dev")] == ["/dev"]


def test_bind_mounts_are_private_and_read_only_all_the_way_down() -> None:
    request = MountRequest("bind", "/s", "/t", read_only=True)
    assert mount_at(make(mounts=(request,)), "/t")["options"] == ["rbind", "rprivate", "ro", "rro"]
    old = MACHINE._replace(kernel=(5, 11))
    assert mount_at(make(mounts=(request,), machine=old), "/t")["options"] == ["rbind", "rprivate", "ro"]
    flat = request._replace(recursive=False, propagation="rslave")
    assert mount_at(make(mounts=(flat,)), "/t")["options"] == ["bind", "rslave", "ro"]


def test_tmpfs_is_closed_unless_it_is_asked_to_be_open() -> None:
    request = MountRequest("tmpfs", "", "/t", options=("exec", "size=1m"))
    assert mount_at(make(mounts=(request,)), "/t")["options"] == ["nosuid", "nodev", "exec", "size=1m"]


def test_shared_memory() -> None:
    assert "size=1073741824" in mount_at(make(option(shm_size_bytes=1 << 30)), "/dev/shm")["options"]
    assert not [one for one in make(option(ipc="none"))["mounts"] if one["destination"] == "/dev/shm"]


def test_init_is_the_hosts_in_front_of_the_command() -> None:
    spec = make(option(init=True), init="/usr/bin/tini-static")
    assert spec["process"]["args"] == ["/sbin/docker-init", "--", "true"]
    assert mount_at(spec, "/sbin/docker-init")["source"] == "/usr/bin/tini-static"
    assert "ro" in mount_at(spec, "/sbin/docker-init")["options"]


def test_limits_become_resources() -> None:
    found = make(option(memory_bytes=1 << 30, nano_cpus=1_500_000_000, cpu_shares=512, pids_limit=50, cpuset_cpus="0"))
    limits = found["linux"]["resources"]
    assert limits["memory"] == {"limit": 1 << 30, "swap": 2 << 30}
    assert limits["cpu"] == {"shares": 512, "period": 100000, "quota": 150000, "cpus": "0"}
    assert limits["pids"] == {"limit": 50}


@pytest.mark.parametrize(
    ("memory", "swap", "expected"), [(8 << 20, -1, -1), (8 << 20, 0, 16 << 20), (8 << 20, 9 << 20, 9 << 20)]
)
def test_swap(memory: int, swap: int, expected: int) -> None:
    found = make(option(memory_bytes=memory, memory_swap_bytes=swap))
    assert found["linux"]["resources"]["memory"]["swap"] == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"memory_bytes": 4096}, "Minimum memory limit allowed is 6MB"),
        ({"memory_swap_bytes": 1 << 30}, "You should always set the Memory limit"),
        ({"memory_bytes": 1 << 30, "memory_swap_bytes": 1 << 29}, "should be larger than memory limit"),
        ({"memory_bytes": 1 << 30, "memory_reservation_bytes": 2 << 30}, "less than memory reservation limit"),
        ({"memory_swappiness": 200}, "Valid memory swappiness range is 0-100"),
        ({"nano_cpus": 99 * 10**9}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"nano_cpus": -(10**9)}, "Range of CPUs is from 0.01 to 2.00"),
        ({"nano_cpus": 10**9, "cpu_quota_us": 5}, "Nano CPUs and CPU Quota cannot both be set"),
        ({"nano_cpus": 10**9, "cpu_period_us": 5}, "Nano CPUs and CPU Period cannot both be set"),
        ({"cpu_period_us": 50}, "CPU cfs period can not be less than 1ms"),
        ({"cpu_period_us": 1_000_001}, "or larger than 1s"),
        ({"cpu_quota_us": 50}, "CPU cfs quota can not be less than 1ms"),
        ({"cpu_shares": -1}, "shares: invalid argument"),
        ({"memory_reservation_bytes": 1 << 20}, "Minimum memory reservation allowed is 6MB"),
        ({"cpu_rt_period_us": 1000, "cpu_rt_runtime_us": 2000}, "runtime cannot be higher than"),
        ({"blkio_weight": 5}, "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_limits_that_make_no_sense_are_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(option(**fields))


def test_what_the_machine_cannot_count_is_left_out_and_said() -> None:
    machine = MACHINE._replace(swap_limit=False)
    options = option(memory_bytes=1 << 30)
    assert make(options, machine=machine)["linux"]["resources"]["memory"] == {"limit": 1 << 30}
    assert "without swap" in warnings(options, facts(machine=machine))[0]
    assert warnings(option(), facts(machine=machine)) == ()


def test_a_limit_that_may_not_be_raised_is_capped_and_said() -> None:
    """CAP_SYS_RESOURCE is missing in many a VM and container: the start must not fail for it."""
    machine = MACHINE._replace(may_raise_limits=False, rlimits=(("nofile", 1024, 4096), ("core", 0, -1)))
    options = option(ulimits=(Ulimit("nofile", 5000, 9999), Ulimit("core", -1, -1)))
    infinity = (1 << 64) - 1
    assert make(options, machine=machine)["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 4096, "hard": 4096},
        {"type": "RLIMIT_CORE", "soft": infinity, "hard": infinity},
    ]  # fmt: skip
    assert warnings(options, facts(machine=machine)) == (
        "ulimit nofile can't be raised above 4096 here (no CAP_SYS_RESOURCE): using that.",
    )
    assert make(options)["process"]["rlimits"][0] == {"type": "RLIMIT_NOFILE", "soft": 5000, "hard": 9999}


def test_an_oom_score_is_not_lowered_without_the_right_to() -> None:
    machine = MACHINE._replace(may_raise_limits=False)
    assert "oomScoreAdj" not in make(machine=machine)["process"]
    assert make(option(oom_score_adj=500), machine=machine)["process"]["oomScoreAdj"] == 500
    assert "the OOM score can't be lowered to -5 here" in warnings(option(oom_score_adj=-5), facts(machine=machine))[0]


def test_apparmor_is_named_only_where_the_kernel_has_it() -> None:
    options = option(apparmor="mine")
    assert "apparmorProfile" not in make(options)["process"]
    assert make(options, machine=MACHINE._replace(apparmor=True))["process"]["apparmorProfile"] == "mine"
    assert warnings(options, facts()) == ("this machine has no AppArmor: the profile mine is not applied",)


def test_what_differs_from_docker_is_said() -> None:
    assert "not /dev/shm" in warnings(option(ipc="container:x"), facts())[0]


@pytest.mark.parametrize(
    ("propagations", "wanted"),
    [
        ((), None),
        (("rprivate",), None),
        (("rslave",), "rslave"),
        (("slave", "shared"), "shared"),
        (("rshared",), "shared"),
    ],
)
def test_the_root_lets_mounts_travel_where_one_is_asked_to(propagations: tuple[str, ...], wanted: str | None) -> None:
    asked = tuple(MountRequest("bind", "/s", f"/t{one}", propagation=one) for one in propagations)
    assert make(mounts=asked)["linux"].get("rootfsPropagation") == wanted


def test_thermal_throttling_is_masked_where_there_is_such_a_thing() -> None:
    masked = make(machine=MACHINE._replace(thermal_throttle=True))["linux"]["maskedPaths"]
    assert masked[-2:] == [f"/sys/devices/system/cpu/cpu{n}/thermal_throttle" for n in (0, 1)]


def test_cgroups_go_where_they_are_told() -> None:
    assert make(option(cgroup_parent="/mine"))["linux"]["cgroupsPath"] == f"/mine/{ID}"
    assert make(cgroup_prefix="/other/")["linux"]["cgroupsPath"] == f"/other/{ID}"


def test_exec_inherits_the_container() -> None:
    base = make(option(env=("A=1",), no_new_privileges=True), image(working_dir="/app"))
    found = exec_process(base, ("sh",), env=("B=2", "A"), tty=True)
    assert found["args"] == ["sh"]
    assert (found["cwd"], found["terminal"], found["noNewPrivileges"]) == ("/app", True, True)
    names = {entry.partition("=")[0] for entry in found["env"]}
    assert names == {"PATH", "HOSTNAME", "TERM", "B"}
    assert found["capabilities"] == base["process"]["capabilities"]


def test_exec_as_somebody_else() -> None:
    base = make(user=User(0, 0, (0,), "/root"))
    found = exec_process(base, ("id",), user=User(1000, 1000, (1000,), "/home/app"), workdir="/tmp")
    assert found["user"]["uid"] == 1000
    assert "effective" not in found["capabilities"]
    assert found["cwd"] == "/tmp"


def test_exec_privileged_has_everything() -> None:
    found = exec_process(make(), ("sh",), privileged=caps.KNOWN)
    assert found["capabilities"]["effective"] == list(caps.KNOWN)


@pytest.mark.parametrize("workdir", ["rel", "/proc/self/fd/8"])
def test_exec_refuses_a_bad_working_folder(workdir: str) -> None:
    with pytest.raises((InputError, NotExecutable)):
        exec_process(make(), ("sh",), workdir=workdir)
