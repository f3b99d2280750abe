"""What --gpus, CDI devices and --runtime nvidia make of a config.json, with a driver and specs played by files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_tree import ABI, VERSION, ld_cache, make_tree, pci_card
from wherry.engine import Engine, devices, gpus
from wherry.engine.containers_bundle import Start
from wherry.errors import InputError, RuntimeFailure
from wherry.gpu import ldcache
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.runtime.options import GpuRequest, RunOptions
from wherry.runtime.parse_gpus import gpus as parse
from wherry.settings import Paths, Settings

MIGS = (
    b"GPU 0: A100 (UUID: GPU-0f3a-0001)\n  MIG 1g.5gb Device 0: (UUID: MIG-aa)\n  MIG 1g.5gb Device 1: (UUID: MIG-bb)\n"
)


class Lab:
    """An engine over a folder; `grant` gives the changed document."""

    def __init__(self, folder: Path) -> None:
        self.machine, self.cdi, self.bundle, self.root = (
            folder / name for name in ("machine", "cdi", "bundle", "root")
        )
        for one in (self.cdi, self.bundle, self.root, folder / "run"):
            one.mkdir()
        env = {
            "WHERRY_GPU_ROOT": str(self.machine), "WHERRY_NVIDIA_DRIVER_ROOT": str(self.machine),
            "WHERRY_CDI_SPEC_DIRS": str(self.cdi),
        }  # fmt: skip
        self.settings = Settings(Paths(str(folder / "w"), str(folder / "run")), env, 0, "/")
        self.host = FakeHost(answer=self._answer)
        self.engine = Engine(self.settings, self.host)
        self.fd = os.open(self.root, os.O_PATH)
        self.smi = MIGS

    def _answer(self, _: Command) -> Completed:
        return Completed(0, self.smi, b"")

    def glibc(self) -> None:
        """The container's: a libc, and a loader's cache."""
        (self.root / "usr" / "lib" / ABI).mkdir(parents=True)
        (self.root / "usr" / "lib" / ABI / "libc.so.6").write_text("")
        (self.root / "etc").mkdir()
        (self.root / "etc" / "ld.so.cache").write_bytes(ld_cache([("libz.so.1", "/z")]))

    def spec(self, kind: str, *names: str, **edits: Any) -> Path:
        path = self.cdi / f"{kind.replace('/', '-')}.json"
        listed = [{"name": name, "containerEdits": {"env": [f"GOT={kind}={name}"]}} for name in names]
        doc = {"cdiVersion": "0.8.0", "kind": kind, "devices": listed, "containerEdits": edits}
        path.write_text(json.dumps(doc))
        return path

    def grant(self, *env: str, **options: Any) -> dict[str, Any]:
        doc: dict[str, Any] = {
            "process": {"env": list(env), "user": {}}, "mounts": [], "linux": {"devices": [], "resources": {}},
        }  # fmt: skip
        start = Start(None, RunOptions(**options), None, str(self.bundle), self.fd)  # type: ignore[arg-type]
        devices.grant(self.engine, start, doc)
        return doc


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    os.close(made.fd)


@pytest.fixture
def driven(lab: Lab) -> Lab:
    """With NVIDIA's driver, whose nodes have their numbers from /proc/devices, as no user can make nodes."""
    make_tree(lab.machine, migs=[(1, 0), (2, 0)])
    for path in [one for one in (lab.machine / "dev").rglob("*") if one.is_file()]:
        path.unlink()
    lab.glibc()
    return lab


def nodes(doc: dict[str, Any]) -> list[str]:
    return [one["path"] for one in doc["linux"]["devices"]]


def test_nothing_asked_is_nothing_changed(driven: Lab) -> None:
    assert driven.grant("A=1") == {
        "process": {"env": ["A=1"], "user": {}}, "mounts": [], "linux": {"devices": [], "resources": {}},
    }  # fmt: skip


def test_all_gpus_with_libraries_where_the_loader_looks_and_a_cache_that_names_them(driven: Lab) -> None:
    doc = driven.grant("PATH=/bin", gpus=(parse("all"),))
    targets = {one["destination"]: one["source"] for one in doc["mounts"]}
    assert targets[f"/usr/lib/{ABI}/libcuda.so.1"].endswith(f"libcuda.so.{VERSION}")
    assert {"/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"} <= set(nodes(doc))
    assert "NVIDIA_VISIBLE_DEVICES=all" in doc["process"]["env"]
    cache = ldcache.libraries((driven.root / "etc" / "ld.so.cache").read_bytes(), os.uname().machine)
    assert cache["libcuda.so.1"] == f"/usr/lib/{ABI}/libcuda.so.1"
    assert cache["libz.so.1"] == "/z"
    assert driven.engine.notices == []


def test_the_images_capabilities_count_unless_the_flag_names_some(driven: Lab) -> None:
    def has(doc: dict[str, Any]) -> tuple[bool, bool]:
        names = {os.path.basename(one["destination"]) for one in doc["mounts"]}
        return "libcuda.so.1" in names, "libnvidia-encode.so.1" in names

    assert has(driven.grant("NVIDIA_DRIVER_CAPABILITIES=video", gpus=(parse("all"),))) == (False, True)
    assert has(driven.grant("NVIDIA_DRIVER_CAPABILITIES=video", gpus=(parse("all,capabilities=compute"),))) == (
        True,
        False,
    )
    assert has(driven.grant(gpus=(parse("all"),))) == (True, False)


def test_a_driver_upgraded_without_a_reboot_is_noticed(lab: Lab) -> None:
    make_tree(lab.machine, gpus=0, loaded="535.1.2")
    lab.glibc()
    with pytest.raises(RuntimeFailure) as caught:
        lab.grant(gpus=(parse("all"),))
    assert (
        caught.value.hint == "NVIDIA's driver is loaded and sees no GPU: nvidia-smi says why; `dmesg | grep NVRM` too"
    )


@pytest.mark.parametrize(("id", "minor"), [("MIG-bb", 21), ("0:0", 11)])
def test_a_mig_part_by_uuid_or_number(driven: Lab, id: str, minor: int) -> None:
    doc = driven.grant(gpus=(GpuRequest(device_ids=(id,)),))
    caps = [f"/dev/nvidia-caps/nvidia-cap{one}" for one in (minor - 1, minor)]
    assert [path for path in nodes(doc) if path[-1].isdecimal()] == ["/dev/nvidia0", *caps]
    assert {"path": caps[1], "type": "c", "major": 508, "minor": minor, "fileMode": 0o666} in doc["linux"]["devices"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (parse("all"), 'could not select device driver "" with capabilities: [[gpu]]'),
        (
            parse('driver=nvidia,"capabilities=a,b"'),
            'could not select device driver "nvidia" with capabilities: [[a b gpu]]',
        ),
        (parse("driver=foo"), 'could not select device driver "foo" with capabilities: [[gpu]]'),
        (parse("driver=amd"), 'could not select device driver "amd" with capabilities: [[gpu]]'),
    ],
)
def test_without_a_driver_it_is_dockers_message(lab: Lab, request_: GpuRequest, message: str) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        lab.grant(gpus=(request_,))
    assert (caught.value.message, caught.value.exit_code) == (message, 125)
    assert caught.value.hint


def test_a_gpu_without_a_driver_is_told_which(lab: Lab) -> None:
    pci_card(lab.machine, "0000:09:00.0", "0x10de", "0x2684")
    with pytest.raises(RuntimeFailure) as caught:
        lab.grant(gpus=(parse("all"),))
    assert (
        caught.value.hint == "there is an NVIDIA GPU (0000:09:00.0) and no driver for it: apt-get install nvidia-driver"
    )


def test_a_count_beside_ids_is_refused_with_the_quoting_that_was_meant(driven: Lab) -> None:
    with pytest.raises(InputError, match="cannot set both Count and DeviceIDs on device request") as caught:
        driven.grant(gpus=(parse("device=0,1"),))
    assert caught.value.hint == """for several devices: --gpus '"device=0,1"'"""


def test_what_a_request_says_in_vain_is_noticed(driven: Lab) -> None:
    driven.grant(gpus=(parse('all,"capabilities=compat32,compute",options=a=b'),))
    assert driven.engine.notices == [
        "--gpus capabilities=compat32: 32-bit libraries are not given", "--gpus options=a: the driver has no options",
    ]  # fmt: skip


def test_more_than_there_are(driven: Lab) -> None:
    with pytest.raises(RuntimeFailure, match=r"could not select 3 GPUs: nvidia\.com/gpu has 2 GPUs"):
        driven.grant(gpus=(parse("3"),))


@pytest.mark.parametrize("vendor", ["amd", "intel"])
def test_another_vendors_spec_serves_gpus_where_there_is_no_nvidia(lab: Lab, vendor: str) -> None:
    lab.spec(f"{vendor}.com/gpu", "0", "1")
    assert f"GOT={vendor}.com/gpu=1" in lab.grant(gpus=(parse("all"),))["process"]["env"]
    assert lab.grant(gpus=(parse("1"),))["process"]["env"] == [f"GOT={vendor}.com/gpu=0"]


def test_a_driver_of_cdi_takes_names(lab: Lab) -> None:
    lab.spec("x.com/npu", "a")
    assert lab.grant(gpus=(parse("driver=cdi,device=x.com/npu=a"),))["process"]["env"] == ["GOT=x.com/npu=a"]


def test_a_spec_of_the_machine_wins_over_ours_unless_it_is_stale(driven: Lab) -> None:
    path = driven.spec("nvidia.com/gpu", "all", "0")
    assert driven.grant(gpus=(parse("all"),))["process"]["env"] == ["GOT=nvidia.com/gpu=all"]
    mounts = [{"hostPath": "/nope/libcuda.so.1", "containerPath": "/x", "options": ["bind"]}]
    driven.spec("nvidia.com/gpu", "all", "0", mounts=mounts)
    assert "NVIDIA_VISIBLE_DEVICES=all" in driven.grant(gpus=(parse("all"),))["process"]["env"]
    assert driven.engine.notices[0].startswith(f"{path} is out of date (/nope/libcuda.so.1 is not there)")
    # Who asks for the spec's own device gets it, or is told
    with pytest.raises(RuntimeFailure, match=r"/nope/libcuda\.so\.1 is not on this machine") as caught:
        driven.grant(cdi_devices=("nvidia.com/gpu=all",))
    assert str(path) in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("visible", "gpus_", "env"),
    [
        ("all", ["/dev/nvidia0", "/dev/nvidia1"], "all"),
        ("1", ["/dev/nvidia1"], "1"),
        ("GPU-0f3a-0001", ["/dev/nvidia0"], "GPU-0f3a-0001"),
        ("none", [], "none"),
    ],
)
def test_visible_devices_of_the_nvidia_runtime(driven: Lab, visible: str, gpus_: list[str], env: str) -> None:
    doc = driven.grant(f"NVIDIA_VISIBLE_DEVICES={visible}", runtime="nvidia")
    assert [path for path in nodes(doc) if path[-1].isdecimal() and "caps" not in path] == gpus_
    assert f"NVIDIA_VISIBLE_DEVICES={env}" in doc["process"]["env"]
    assert "/dev/nvidiactl" in nodes(doc)


@pytest.mark.parametrize("env", [[], ["NVIDIA_VISIBLE_DEVICES="], ["NVIDIA_VISIBLE_DEVICES=void"]])
def test_no_visible_devices_is_no_driver(driven: Lab, env: list[str]) -> None:
    assert nodes(driven.grant(*env, runtime="nvidia")) == []


def test_visible_devices_may_be_names_of_cdi(lab: Lab) -> None:
    lab.spec("nvidia.com/gpu", "0")
    doc = lab.grant("NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0", runtime="nvidia")
    assert "GOT=nvidia.com/gpu=0" in doc["process"]["env"]


def test_an_image_gets_no_devices_of_others_by_its_own_variable(lab: Lab) -> None:
    lab.spec("vendor.com/disk", "sda")
    variable = "NVIDIA_VISIBLE_DEVICES=vendor.com/disk=sda"
    with pytest.raises(RuntimeFailure, match=r"asks for vendor\.com/disk=sda"):
        lab.grant(variable, runtime="nvidia")
    doc = lab.grant(variable, runtime="nvidia", env=(variable,))
    assert "GOT=vendor.com/disk=sda" in doc["process"]["env"], "the user may give it"


def test_an_image_without_a_glibc_is_told(driven: Lab) -> None:
    (driven.root / "usr" / "lib" / ABI / "libc.so.6").unlink()
    driven.grant(gpus=(parse("0"),), cdi_devices=("nvidia.com/gpu=none",))
    assert driven.engine.notices == ["the image has no glibc: NVIDIA's libraries can't be used in it"]


def test_a_hook_for_the_end_is_marked_and_unmarked(lab: Lab) -> None:
    hook = {"hookName": "poststop", "path": "/bin/true"}
    lab.spec("x.com/npu", "a", hooks=[hook])
    lab.grant(cdi_devices=("x.com/npu=a",))
    assert (lab.bundle / "poststop").exists()
    lab.spec("x.com/npu", "a")
    lab.grant(cdi_devices=("x.com/npu=a",))
    assert not (lab.bundle / "poststop").exists()


def test_shared_memory_is_half_of_what_the_container_may_have() -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert devices.shm_bytes(RunOptions()) == whole // 2
    assert devices.shm_bytes(RunOptions(memory_bytes=512 << 20)) == 256 << 20
    assert devices.shm_bytes(RunOptions(memory_bytes=64 << 20)) == 64 << 20


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (RunOptions(), False),
        (RunOptions(gpus=(GpuRequest(),)), True),
        (RunOptions(runtime="nvidia"), True),
        (RunOptions(runtime="runc"), False),
        (RunOptions(cdi_devices=("amd.com/gpu=0",)), True),
        (RunOptions(cdi_devices=("x.com/npu=0",)), False),
    ],
)
def test_who_has_a_gpu(options: RunOptions, found: bool) -> None:
    assert devices.wants_gpu(options) is found


def test_the_list_asks_nvidia_smi_of_the_driver_for_the_memory(driven: Lab) -> None:
    driven.smi = b"GPU-0f3a-0001, 40960\nGPU-1f3a-0001, 81920\n"
    assert [one.memory_bytes >> 30 for one in gpus.list_gpus(driven.settings, driven.host)] == [40, 80]
    (asked,) = [what for verb, what in driven.host.calls if verb == "run"]
    assert asked == (
        f"{driven.machine}/usr/bin/nvidia-smi",
        "--query-gpu=uuid,memory.total",
        "--format=csv,noheader,nounits",
    )


def test_mig_parts_are_known_by_uuid(driven: Lab) -> None:
    from wherry.gpu.nvidia import find_driver

    assert gpus.mig_names(driven.engine, find_driver(devices.places(driven.settings))) == {
        "MIG-aa": "0:0",
        "MIG-bb": "0:1",
    }


def test_doctor_has_a_line_for_each_gpu_and_each_broken_spec(driven: Lab) -> None:
    driven.spec("nvidia.com/gpu")
    found = gpus.examine_gpus(driven.settings, driven.host)
    assert [(one.name, one.status) for one in found] == [("gpu", "ok"), ("gpu", "ok"), ("cdi", "warning")]
    assert found[2].note == "devices: a spec has at least one device"


def test_doctor_says_when_there_is_none(lab: Lab) -> None:
    assert [(one.name, one.status, one.required) for one in gpus.examine_gpus(lab.settings, lab.host)] == [
        ("gpu", "missing", False)
    ]
    assert gpus.why_none(lab.settings).startswith("this machine shows no GPU")


def test_a_jetson_gives_what_its_files_name(lab: Lab) -> None:
    lab.glibc()
    board = lab.machine / "etc" / "nvidia-container-runtime" / "host-files-for-container.d"
    board.mkdir(parents=True)
    (board / "l4t.csv").write_text(
        "dev, /dev/nvhost-ctrl\ndev, /dev/nope\nlib, /usr/lib/tegra/libcuda.so.1.1\ndir, /usr/share/nv\n"
        "sym, /usr/lib/tegra/libcuda.so\nlib, /../../etc/shadow\n# a comment\nwhat, /x\nlib, /gone\n"
    )
    (board / "README").write_text("lib, /usr/bin/x\n")
    (lab.machine / "dev").mkdir()
    os.symlink("/dev/null", lab.machine / "dev" / "nvhost-ctrl")
    tegra = lab.machine / "usr" / "lib" / "tegra"
    tegra.mkdir(parents=True)
    (tegra / "libcuda.so.1.1").write_text("cuda")
    (tegra / "libcuda.so").symlink_to("/usr/lib/tegra/libcuda.so.1.1")
    (lab.machine / "usr" / "share" / "nv").mkdir(parents=True)
    (lab.machine / "etc" / "ld.so.cache").write_bytes(ld_cache([("libcuda.so.1", "/usr/lib/tegra/libcuda.so.1.1")]))
    for options, env in (
        ({"gpus": (parse("all"),)}, ()),
        ({"gpus": (parse("1"),)}, ()),
        ({"runtime": "nvidia"}, ("NVIDIA_VISIBLE_DEVICES=all",)),
        ({"cdi_devices": ("nvidia.com/gpu=all",)}, ()),
    ):
        doc = lab.grant(*env, **options)
        assert [(one["path"], one["major"], one["minor"]) for one in doc["linux"]["devices"]] == [
            ("/dev/nvhost-ctrl", 1, 3)
        ]
        real = f"{lab.machine}/usr/lib/tegra/libcuda.so.1.1"
        assert {one["destination"]: one["source"] for one in doc["mounts"]} == {
            "/usr/lib/tegra/libcuda.so.1.1": real, "/usr/lib/tegra/libcuda.so": real,
            "/usr/share/nv": f"{lab.machine}/usr/share/nv",
        }  # fmt: skip
    cache = ldcache.libraries((lab.root / "etc" / "ld.so.cache").read_bytes(), os.uname().machine)
    assert cache["libcuda.so.1"].startswith("/usr/lib/tegra/libcuda.so")
    assert [(one.name, one.reached) for one in gpus.list_gpus(lab.settings, lab.host)] == [
        ("the Jetson's GPU", "--gpus all")
    ]
