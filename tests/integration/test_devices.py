"""Containers with GPUs and CDI devices: the specs and the driver are played by files, the container is real."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_tree import ABI, VERSION, ld_cache, make_tree
from tests.integration import container_lab
from tests.integration.container_lab import Wherry
from tests.integration.lesson import Lesson

pytestmark = pytest.mark.requires("root", "runc", "busybox")

# What a container of the kind sees; ENV as lines
_LOOK = "env; echo --; ls -l /dev/x* /dev/nvidia* 2>/dev/null; echo --; grep -E 'cuda|/mnt' /proc/mounts; echo --; id"


class Lab:
    """wherry with folders of its own for CDI specs and the driver."""

    def __init__(self, wherry: Wherry, folder: Path) -> None:
        self.wherry, self.cdi, self.machine = wherry, folder / "cdi", folder / "machine"
        self.cdi.mkdir()
        self.env = {
            **container_lab._ENV,
            "WHERRY_CDI_SPEC_DIRS": str(self.cdi),
            "WHERRY_GPU_ROOT": str(self.machine),
            "WHERRY_NVIDIA_DRIVER_ROOT": str(self.machine),
        }

    def __call__(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        argv = self.wherry.argv(*args)
        done = subprocess.run(
            argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def write(self, name: str, **changes: Any) -> Path:
        device = {"name": "one", "containerEdits": {"env": ["ONE=1"]}}
        doc = {"cdiVersion": "0.8.0", "kind": "vendor.com/device", "devices": [device], **changes}
        path = self.cdi / name
        path.write_text(json.dumps(doc))
        return path

    def driver(self, **options: Any) -> None:
        """NVIDIA's, with nodes that are /dev/zero in truth."""
        make_tree(self.machine, **options)
        for path in [one for one in (self.machine / "dev").rglob("*") if one.is_file()]:
            path.unlink()
            os.mknod(path, 0o20666, os.makedev(1, 5))


@pytest.fixture
def lab(wherry: Wherry, tmp_path: Path) -> Iterator[Lab]:
    return Lab(wherry, tmp_path)


def test_a_cdi_device_brings_variables_nodes_mounts_groups_and_hooks(lab: Lab, tmp_path: Path) -> None:
    hook = tmp_path / "hook.sh"
    hook.write_text('#!/bin/sh\ncat > "$0.$1"; [ -z "$2" ] || touch "$2"\n')
    hook.chmod(0o755)
    (tmp_path / "file").write_text("from the host\n")
    hooks = [{"hookName": name, "path": str(hook), "args": ["hook", name]} for name in ("createRuntime", "poststop")]
    lab.write("vendor.json", containerEdits={
        "env": ["COMMON=1", "PATH=/bin"],
        "hooks": hooks,
        "mounts": [{"hostPath": str(tmp_path / "file"), "containerPath": "/mnt/file", "options": ["ro", "bind"]}],
        "additionalGids": [44],
    }, devices=[{"name": "0", "containerEdits": {
        "env": ["OWN=1"],
        "deviceNodes": [
            {"path": "/dev/xzero", "hostPath": "/dev/zero"},
        {"path": "/dev/xkmsg", "type": "c", "major": 1, "minor": 11, "permissions": "r"},
            {"path": "/dev/xnull", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "gid": 7},
        ],
    }}])  # fmt: skip
    reads = "head -c 2 /dev/xzero | od -An -tx1; cat /mnt/file; echo x > /mnt/file; echo x > /dev/xkmsg"
    done = lab("run", "--rm", "--device", "vendor.com/device=0", "busybox", "sh", "-c", f"{_LOOK}; {reads}", code=1)
    env, nodes, mounts, who = done.stdout.split("--\n")
    assert {"COMMON=1", "OWN=1"} <= set(env.splitlines())
    assert "crw-rw-rw-    1 root     root        1,   5" in nodes
    assert "crw-r-----    1 root     7           1,   3" in nodes
    assert "/mnt/file" in mounts
    assert ",44" in who.partition("groups=")[2].partition("\n")[0]
    assert "00 00" in done.stdout
    assert "from the host" in done.stdout
    # Read only by the mount, and the node by its rule
    assert "/mnt/file: Read-only file system" in done.stderr
    assert "/dev/xkmsg: Operation not permitted" in done.stderr
    state = json.loads((tmp_path / "hook.sh.createRuntime").read_text())
    assert state["ociVersion"]
    assert state["bundle"].startswith(str(lab.wherry.root))
    assert (tmp_path / "hook.sh.poststop").exists()


def test_a_hook_that_fails_keeps_the_container_from_starting_and_leaves_nothing(lab: Lab) -> None:
    hook = {"hookName": "createRuntime", "path": "/bin/false"}
    lab.write("vendor.json", containerEdits={"hooks": [hook]})
    done = lab("run", "--rm", "--device", "vendor.com/device=one", "busybox", "true", code=125)
    assert "hook" in done.stderr
    assert lab("ps", "-aq").stdout == ""


def test_what_can_not_be_resolved_is_said_in_dockers_words_with_a_reason(lab: Lab) -> None:
    lab.write("vendor.json")
    done = lab("run", "--rm", "--device", "vendor.com/device=two", "busybox", "true", code=125)
    assert "CDI device injection failed: unresolvable CDI devices vendor.com/device=two" in done.stderr
    assert "hint: did you mean vendor.com/device=one?" in done.stderr or "has the devices one" in done.stderr
    done = lab("run", "--rm", "--device", "nvidia.com/gpu=all", "busybox", "true", code=125)
    assert f"hint: no spec for nvidia.com/gpu in {lab.cdi}; this machine shows no GPU" in done.stderr


def test_a_spec_that_an_upgrade_left_behind_is_named(lab: Lab) -> None:
    mount = {"hostPath": "/usr/lib/libcuda.so.1.2.3", "containerPath": "/usr/lib/libcuda.so.1", "options": ["bind"]}
    path = lab.write("vendor.json", containerEdits={"mounts": [mount]})
    done = lab("run", "--rm", "--device", "vendor.com/device=one", "busybox", "true", code=125)
    assert "CDI device injection failed: /usr/lib/libcuda.so.1.2.3 is not on this machine" in done.stderr
    assert f"{path} is out of date" in done.stderr


def test_gpus_by_a_spec_of_ours_when_the_driver_is_there_and_no_spec(lab: Lab) -> None:
    lab.driver()
    shown = "cat /usr/lib/libcuda.so.1; /usr/bin/nvidia-smi"
    done = lab("run", "--rm", "--gpus", "all", "busybox", "sh", "-c", f"{_LOOK}; {shown}")
    env, nodes, mounts, rest = done.stdout.split("--\n")
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility,compute"} <= set(env.splitlines())
    assert [line.rpartition("/")[2] for line in nodes.splitlines() if line.startswith("c")] == [
        "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidia1", "nvidiactl",
    ]  # fmt: skip
    assert f"/usr/lib/libcuda.so.{VERSION} " in mounts
    assert f"libcuda.so {VERSION}\n" in rest
    assert rest.endswith("fake\n")
    assert "the image has no glibc" in done.stderr


def nodes_of(lab: Lab, *flags: str) -> list[str]:
    done = lab("run", "--rm", *flags, "busybox", "sh", "-c", "ls /dev; echo =$NVIDIA_VISIBLE_DEVICES")
    return [word for word in done.stdout.split() if word.startswith("=") or word[6:].isdecimal()]


@pytest.mark.parametrize(
    ("flags", "nodes"),
    [
        (["--gpus", "1"], ["nvidia0", "=0"]),
        (["--gpus", "device=1"], ["nvidia1", "=1"]),
        (["--gpus", '"device=0,1",capabilities=utility'], ["nvidia0", "nvidia1", "=0,1"]),
        (["--gpus", "device=GPU-1f3a"], ["nvidia1", "=GPU-1f3a"]),
        (["--gpus", "0"], ["=void"]),
        (["--device", "nvidia.com/gpu=1"], ["nvidia1", "="]),
        (["--runtime", "nvidia"], ["="]),
        (["--runtime", "nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=void"], ["=void"]),
        (["--runtime=nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=all"], ["nvidia0", "nvidia1", "=all"]),
        (["--runtime=nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=1"], ["nvidia1", "=1"]),
        (["--runtime=nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=none"], ["=none"]),
        (["--runtime=runc", "-e", "NVIDIA_VISIBLE_DEVICES=all"], ["=all"]),
    ],
)
def test_the_gpus_that_were_asked_for_are_there_and_no_others(lab: Lab, flags: list[str], nodes: list[str]) -> None:
    lab.driver()
    assert nodes_of(lab, *flags) == nodes


def test_a_mig_part_comes_with_its_capabilities(lab: Lab) -> None:
    lab.driver(gpus=1, migs=[(1, 0), (2, 0)])
    done = lab("run", "--rm", "--gpus", "device=0:1", "busybox", "find", "/dev", "-name", "nvidia*", "-type", "c")
    assert sorted(done.stdout.split()) == [
        "/dev/nvidia-caps/nvidia-cap20", "/dev/nvidia-caps/nvidia-cap21", "/dev/nvidia-modeset", "/dev/nvidia-uvm",
        "/dev/nvidia-uvm-tools", "/dev/nvidia0", "/dev/nvidiactl",
    ]  # fmt: skip


def test_a_spec_of_the_machine_comes_first_and_a_stale_one_does_not(lab: Lab) -> None:
    lab.driver(gpus=1)
    every = [{"name": "all", "containerEdits": {"env": ["FROM=spec"]}}]
    path = lab.write("nvidia.json", kind="nvidia.com/gpu", devices=every)
    assert "FROM=spec" in lab("run", "--rm", "--gpus", "all", "busybox", "env").stdout
    stale = {"mounts": [{"hostPath": "/usr/lib/libcuda.so.1.2.3", "containerPath": "/x", "options": ["bind"]}]}
    lab.write("nvidia.json", kind="nvidia.com/gpu", devices=every, containerEdits=stale)
    done = lab("run", "--rm", "--gpus", "all", "busybox", "env")
    assert "FROM=spec" not in done.stdout
    assert "NVIDIA_VISIBLE_DEVICES=all" in done.stdout
    assert f"{path} is out of date (/usr/lib/libcuda.so.1.2.3 is not there)" in done.stderr


def test_the_containers_loader_finds_the_driver_and_ldconfig_names_it(lab: Lab, tmp_path: Path) -> None:
    """An image with a glibc, by its looks: its libc's folder gets the libraries, and its cache knows them."""
    lab.driver(gpus=1)
    root = tmp_path / "image"
    (root / "usr" / "lib" / ABI).mkdir(parents=True)
    (root / "usr" / "lib" / ABI / "libc.so.6").write_text("")
    (root / "etc").mkdir()
    (root / "etc" / "ld.so.cache").write_bytes(ld_cache([("libz.so.1", "/usr/lib/libz.so.1")]))
    (root / "bin").mkdir()
    (root / "bin" / "sh").write_bytes(Path(container_lab.BUSYBOX).read_bytes())
    (root / "bin" / "sh").chmod(0o755)
    tar = tmp_path / "image.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(tar), "."], check=True)
    lab("import", "-c", "ENV PATH=/bin", str(tar), "looks-like-debian")
    done = lab(
        "run", "--name", "gpu", "--gpus", "all", "looks-like-debian", "sh", "-c", f"cat /usr/lib/{ABI}/libcuda.so.1"
    )
    assert done.stdout == f"libcuda.so {VERSION}\n"
    lab("cp", "gpu:/etc/ld.so.cache", str(tmp_path / "cache"))
    listed = subprocess.run(
        ["ldconfig", "-p", "-C", str(tmp_path / "cache")], capture_output=True, text=True, check=True
    ).stdout
    assert f"libcuda.so.1 (libc6,x86-64) => /usr/lib/{ABI}/libcuda.so.1" in listed.replace("AArch64", "x86-64")
    assert "libz.so.1" in listed
    # Once more: nothing is doubled
    lab("start", "-a", "gpu")
    lab("cp", "gpu:/etc/ld.so.cache", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == (tmp_path / "cache").read_bytes()


def test_a_container_with_a_gpu_has_more_than_64_mb_of_shared_memory(lab: Lab) -> None:
    lab.driver(gpus=1)
    fill = ["busybox", "dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=100"]
    assert "No space left on device" in lab("run", "--rm", *fill, code=1).stderr
    lab("run", "--rm", "--gpus", "all", *fill)
    lab("create", "--name", "aa", "--gpus", "all", "--memory", "512m", "busybox")
    lab("create", "--name", "bb", "--gpus", "all", "--shm-size", "32m", "busybox")
    first, second = [one["HostConfig"] for one in json.loads(lab("inspect", "aa", "bb").stdout)]
    assert (first["ShmSize"], second["ShmSize"]) == (256 << 20, 32 << 20)
    request = {"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    assert first["DeviceRequests"] == second["DeviceRequests"] == [request]


def test_an_image_with_pytorch_and_64_mb_is_warned_of(lab: Lab, tmp_path: Path) -> None:
    packages = tmp_path / "image" / "usr" / "local" / "lib" / "python3.10" / "site-packages" / "torch"
    packages.mkdir(parents=True)
    (packages / "__init__.py").write_text("")
    (tmp_path / "image" / "sh").write_bytes(Path(container_lab.BUSYBOX).read_bytes())
    (tmp_path / "image" / "sh").chmod(0o755)
    subprocess.run(["tar", "-C", str(tmp_path / "image"), "-cf", str(tmp_path / "t.tar"), "."], check=True)
    lab("import", str(tmp_path / "t.tar"), "with-torch")
    warned = "this image has PyTorch and /dev/shm has 64 MB"
    assert warned in lab("run", "--rm", "with-torch", "/sh", "-c", "exit 0").stderr
    for flags in (["--shm-size", "1g"], ["--ipc", "host"]):
        assert warned not in lab("run", "--rm", *flags, "with-torch", "/sh", "-c", "exit 0").stderr


def test_gpu_ls_and_doctor_tell_what_there_is(lab: Lab) -> None:
    lab.driver(loaded="535.1.2")
    done = lab("gpu", "ls", "--format", "{{.Index}} {{.Name}} {{.UUID}}")
    assert done.stdout.splitlines() == [
        "0 NVIDIA A100-SXM4-40GB GPU-0f3a-0001", "1 NVIDIA A100-SXM4-40GB GPU-1f3a-0001",
    ]  # fmt: skip
    assert "CUDA will fail until a reboot" in done.stderr
    checks = json.loads(lab("doctor", "--format", "json").stdout)["Checks"]
    assert [one["status"] for one in checks if one["name"] == "gpu"] == ["warning", "warning"]
    assert json.loads(lab("gpu", "spec").stdout)["kind"] == "nvidia.com/gpu"
    info = lab("info")
    assert f" CDI spec directories:\n  {lab.cdi}\n Discovered Devices:\n  cdi: nvidia.com/gpu=0\n" in info.stdout
    assert "WARNING: gpu: the kernel has NVIDIA's driver 535.1.2 loaded" in info.stderr
    found = json.loads(lab("info", "--format", "json").stdout)["DiscoveredDevices"]
    assert {"Source": "cdi", "ID": "nvidia.com/gpu=GPU-1f3a-0001"} in found


def test_devices_go_to_where_the_caller_says(lab: Lab) -> None:
    (lab.machine / "dev").mkdir(parents=True)
    for name in ("a", "b"):
        os.mknod(lab.machine / "dev" / name, 0o20600, os.makedev(1, 5))
    flags = ["--device", f"{lab.machine}/dev:/dev/folder:r", "--device", "/dev/zero:/dev/xz:rw"]
    done = lab(
        "run", "--rm", *flags, "busybox", "sh", "-c", "ls /dev/folder /dev/xz; head -c 1 /dev/folder/a | od -An -c"
    )
    assert done.stdout.split() == ["/dev/xz", "/dev/folder:", "a", "b", r"\0"]


def test_a_cgroup_rule_allows_a_node_that_the_container_makes_itself(lab: Lab) -> None:
    make = "mknod /dev/made c 1 7 && head -c 1 /dev/made | od -An -c"
    rule = ["--device-cgroup-rule", "c 1:7 rwm"]
    assert lab("run", "--rm", *rule, "busybox", "sh", "-c", make).stdout.strip() == r"\0"


def test_a_runtime_by_name_does_all_that_is_done_to_the_container(lab: Lab, tmp_path: Path) -> None:
    """crun is played by a script that notes its verb and is runc in truth: not every machine's cgroups are for crun."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    (programs / "crun").write_text(
        f'#!/bin/sh\nfor word in "$@"; do case $word in run|exec|pause|resume|delete) echo $word >> {log}; break;; '
        'esac; done\nexec runc "$@"\n'
    )
    (programs / "crun").chmod(0o755)
    lab.env["PATH"] = f"{programs}:{lab.env['PATH']}"
    lab("run", "-d", "--name", "other", "--runtime", "crun", "busybox", "sleep", "100")
    assert json.loads(lab("inspect", "other").stdout)[0]["HostConfig"]["Runtime"] == "crun"
    assert lab("exec", "other", "echo", "inside").stdout == "inside\n"
    lab("pause", "other")
    lab("unpause", "other")
    lab("rm", "-f", "other")
    assert log.read_text().split()[:4] == ["run", "exec", "pause", "resume"]
    log.unlink()
    lab("run", "--rm", "busybox", "true")
    assert not log.exists()


@pytest.mark.parametrize(("verb", "code"), [("run", 125), ("create", 1)])
@pytest.mark.parametrize("name", ["foo", "/usr/bin/runc"])
def test_a_runtime_that_there_is_not_is_said_in_dockers_words(lab: Lab, verb: str, code: int, name: str) -> None:
    done = lab(verb, "--runtime", name, "busybox", "true", code=code)
    assert f"unknown or invalid runtime name: {name}" in done.stderr
    assert lab("ps", "-aq").stdout == ""


def test_the_same_runtime_by_containerds_name(lab: Lab) -> None:
    assert lab("run", "--rm", "--runtime", "io.containerd.runc.v2", "busybox", "echo", "a").stdout == "a\n"


def test_an_image_can_not_reach_a_hook_by_its_variables(lab: Lab, tmp_path: Path) -> None:
    """CVE-2025-23266: the image's LD_PRELOAD was loaded into a createContainer hook, which is root's on the host."""
    hook = tmp_path / "hook.sh"
    hook.write_text('#!/bin/sh\nenv > "$0.$1"\n')
    hook.chmod(0o755)
    names = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    lab.write("vendor.json", containerEdits={
        "hooks": [{"hookName": name, "path": str(hook), "args": ["hook", name]} for name in names]
    })  # fmt: skip
    lab("run", "--rm", "-e", "LD_PRELOAD=/evil.so", "--device", "vendor.com/device=one", "busybox", "true")
    for name in names:
        said = (tmp_path / f"hook.sh.{name}").read_text()
        assert {line.partition("=")[0] for line in said.splitlines()} <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


def test_links_of_an_image_do_not_lead_mounts_or_the_cache_out_of_it(lab: Lab, tmp_path: Path) -> None:
    """CVE-2024-0132 and its kin: where the driver's files go, the image has links to the host."""
    lab.driver(gpus=1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ld.so.cache").write_bytes(ld_cache([("libz.so.1", "/z")]))
    (outside / "libc.so.6").write_text("")
    root = tmp_path / "image"
    (root / "usr" / "lib").mkdir(parents=True)
    up = "/".join([".."] * 30)
    (root / "usr" / "lib" / ABI).symlink_to(f"{up}{outside}")
    (root / "etc").symlink_to(f"{up}{outside}")
    (root / "usr" / "bin").symlink_to(outside)
    (root / str(outside)[1:]).mkdir(parents=True)
    (root / str(outside)[1:] / "libc.so.6").write_text("")
    (root / "bin").mkdir()
    (root / "bin" / "sh").write_bytes(Path(container_lab.BUSYBOX).read_bytes())
    (root / "bin" / "sh").chmod(0o755)
    subprocess.run(["tar", "-C", str(root), "-cf", str(tmp_path / "i.tar"), "."], check=True)
    lab("import", "-c", "ENV PATH=/bin", str(tmp_path / "i.tar"), "hostile")
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    done = lab("run", "--rm", "--gpus", "all", "hostile", "sh", "-c", f"cat {outside}/libcuda.so.1")
    assert done.stdout == f"libcuda.so {VERSION}\n"
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


def test_a_mig_part_by_the_uuid_that_nvidia_smi_gives_it(lab: Lab) -> None:
    lab.driver(gpus=1, migs=[(1, 0), (2, 0)])
    (lab.machine / "usr" / "bin" / "nvidia-smi").write_text(
        "#!/bin/sh\necho 'GPU 0: A100 (UUID: GPU-0f3a-0001)'\necho '  MIG 1g.5gb Device 0: (UUID: MIG-aa)'\n"
        "echo '  MIG 1g.5gb Device 1: (UUID: MIG-bb)'\n"
    )
    done = lab("run", "--rm", "--gpus", "device=MIG-bb", "busybox", "ls", "/dev/nvidia-caps")
    assert done.stdout.split() == ["nvidia-cap20", "nvidia-cap21"]


def test_a_gpu_beside_privileged_and_a_node_of_the_same_name(lab: Lab) -> None:
    lab.driver(gpus=1)
    flags = ["--privileged", "--gpus", "all", "--device", "/dev/null:/dev/nvidia0"]
    assert "1,   5" in lab("run", "--rm", *flags, "busybox", "ls", "-l", "/dev/nvidia0").stdout


def smoke(lab: Lab, tmp_path: Path, *, image: str) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "wherry"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(lab.wherry.argv())} "$@"\n')
    program.chmod(0o755)
    env = {**lab.env, "GPU_SMOKE_NVIDIA_SMI": str(lab.machine / "usr" / "bin" / "nvidia-smi")}
    return subprocess.run(
        [str(Path(__file__).parents[2] / "tools" / "gpu-smoke"), "--wherry", str(program), "--image", image],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_report_for_a_machine_with_a_gpu_passes_where_all_is_well_and_fails_where_it_is_not(
    lab: Lab, tmp_path: Path
) -> None:
    lab.driver(gpus=1)
    smi = lab.machine / "usr" / "bin" / "nvidia-smi"
    smi.write_text('#!/bin/sh\necho "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-0f3a-0001)"\n')
    lab.wherry("tag", "busybox", "smoke")
    packed = tmp_path / "usr" / "bin"
    packed.mkdir(parents=True)
    tar = tmp_path / "smoke.tar"
    tar.write_bytes(container_lab.busybox_tar())
    lab("import", "-c", "ENV PATH=/bin:/usr/bin", str(tar), "smoke")
    done = smoke(lab, tmp_path, image="smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = {line.partition("s  ")[2].partition(":")[0]: line[:4] for line in done.stdout.splitlines()}
    assert verdicts["--gpus all"] == verdicts["--device nvidia.com/gpu=0"] == verdicts["nothing is left"] == "PASS"
    assert verdicts["PyTorch"] == "SKIP"
    assert done.stdout.rstrip().endswith("PASS")
    smi.write_text('#!/bin/sh\necho "GPU $$: another one each time (UUID: GPU-$$)"\n')
    done = smoke(lab, tmp_path, image="smoke")
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith("FAIL")


@pytest.mark.requires("mmdebstrap", "mirror")
def test_a_real_loader_takes_the_driver_and_a_real_ldconfig_names_it(lesson: Lesson, tmp_path: Path) -> None:
    """The library is glibc's empty libutil under a name of as many letters: Debian's own programs look for it."""
    machine = make_tree(tmp_path / "machine", gpus=1)
    for path in [one for one in (machine / "dev").rglob("*") if one.is_file()]:
        path.unlink()
        os.mknod(path, 0o20666, os.makedev(1, 5))
    played = Path(f"/usr/lib/{ABI}/libutil.so.1").read_bytes().replace(b"libutil.so.1", b"libcuda.so.1")
    (machine / "usr" / "lib" / ABI / f"libcuda.so.{VERSION}").write_bytes(played)
    script = (
        "ldconfig -p | grep -c 'libcuda.so.1 '; "
        'python3 -c \'import ctypes; ctypes.CDLL("libcuda.so.1"); ctypes.CDLL("libcuda.so")\'; '
        "ldconfig 2>/dev/null; echo $?; ldconfig -p | grep -c 'libcuda.so.1 '; "
        "python3 -c 'import ctypes; ctypes.CDLL(\"libcuda.so.1\")' && echo loads"
    )
    done = lesson.wherry(
        "run", "--rm", "--network", "none", "--gpus", "all", lesson.base, "sh", "-ec", script,
        WHERRY_GPU_ROOT=str(machine), WHERRY_NVIDIA_DRIVER_ROOT=str(machine), WHERRY_CDI_SPEC_DIRS="/nowhere",
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["1", "0", "1", "loads"], "")
