"""NVIDIA's driver found in a tree of files, and the CDI spec made of it."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpu_tree import ABI, VERSION, ld_cache, make_tree, pci_card
from wherry.errors import RuntimeFailure
from wherry.gpu import choose, ldcache
from wherry.gpu.inside import library_folder, update_cache
from wherry.gpu.listing import listed, parse_memory, parse_migs
from wherry.gpu.machine import cards, mismatch, missing
from wherry.gpu.nvidia import Driver, Places, find_driver
from wherry.gpu.nvidia_files import CAPABILITIES
from wherry.gpu.nvidia_spec import spec
from wherry.gpu.parse import parse_spec
from wherry.gpu.specs import Specs
from wherry.gpu.torch import has_torch
from wherry.gpu.write import document

LIB = f"/usr/lib/{ABI}"
LIBCUDA = [("libcuda.so.1", "/usr/lib/libcuda.so.1")]
UTILITY = ("utility", "compute")


def driver(root: Path) -> Driver:
    found = find_driver(Places(str(root), str(root)))
    assert found
    return found


def test_a_driver_is_found_with_its_gpus(tmp_path: Path) -> None:
    found = driver(make_tree(tmp_path / "r", migs=[(1, 0), (2, 0)]))
    assert (found.version, found.kernel_version) == (VERSION, VERSION)
    assert [(one.number, one.minor, one.uuid) for one in found.gpus] == [
        (0, 0, "GPU-0f3a-0001"),
        (1, 1, "GPU-1f3a-0001"),
    ]
    assert [(one.name, one.gi_minor, one.ci_minor) for one in found.gpus[0].migs] == [("0:0", 10, 11), ("0:1", 20, 21)]
    assert found.majors["nvidia-uvm"] == 511
    assert ("libcuda.so.1", f"{tmp_path}/r{LIB}/libcuda.so.{VERSION}", "compute") in found.libraries


def test_the_loaders_cache_says_where_libraries_are(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "r")
    (root / "opt").mkdir()
    (root / "opt" / f"libcuda.so.{VERSION}").write_text("")
    (root / "etc").mkdir()
    (root / "etc" / "ld.so.cache").write_bytes(ld_cache([("libcuda.so.1", f"/opt/libcuda.so.{VERSION}")]))
    (found,) = driver(root).libraries
    assert found.path == f"{root}/opt/libcuda.so.{VERSION}"


def test_links_of_a_drivers_tree_stay_in_it(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "r")
    os.unlink(root / "usr" / "lib" / ABI / "libnvidia-ml.so.1")
    os.symlink("/etc/passwd", root / "usr" / "lib" / ABI / "libnvidia-ml.so.1")
    assert "libnvidia-ml.so.1" not in {one.name for one in driver(root).libraries}


def test_without_libraries_there_is_no_driver(tmp_path: Path) -> None:
    assert find_driver(Places(str(tmp_path), str(tmp_path))) is None
    assert find_driver(Places(str(tmp_path), f"{tmp_path}/nowhere")) is None


def test_every_library_has_its_soname_and_its_own_name_in_the_containers_folder(tmp_path: Path) -> None:
    made = spec(driver(make_tree(tmp_path / "r")), UTILITY, "/usr/lib64")
    mounts = {one.container_path: one.host_path for one in made.edits.mounts}
    real = f"{tmp_path}/r{LIB}/libcuda.so.{VERSION}"
    assert {mounts[f"/usr/lib64/{name}"] for name in ("libcuda.so", "libcuda.so.1", f"libcuda.so.{VERSION}")} == {real}
    assert mounts["/usr/bin/nvidia-smi"] == f"{tmp_path}/r/usr/bin/nvidia-smi"
    assert not [path for path in mounts if "GLX" in path or "encode" in path or "vulkan" in path]


def test_capabilities_add_libraries_and_files(tmp_path: Path) -> None:
    found = driver(make_tree(tmp_path / "r"))
    targets = {one.container_path for one in spec(found, CAPABILITIES, LIB).edits.mounts}
    assert {
        f"{LIB}/libnvidia-glcore.so.{VERSION}",
        f"{LIB}/libnvidia-encode.so.1",
        f"{LIB}/libGLX_nvidia.so.0",
    } <= targets
    assert "/usr/share/vulkan/icd.d/nvidia_icd.json" in targets
    nodes = {node.path for device in spec(found, ("graphics",), LIB).devices for node in device.edits.device_nodes}
    assert "/dev/dri/renderD128" in nodes


def test_devices_are_named_by_index_uuid_and_mig_part(tmp_path: Path) -> None:
    made = spec(driver(make_tree(tmp_path / "r", migs=[(1, 0)])), UTILITY, LIB)
    nodes = {one.name: [node.path for node in one.edits.device_nodes] for one in made.devices}
    assert nodes["1"] == nodes["GPU-1f3a-0001"] == ["/dev/nvidia1"]
    assert nodes["0:0"] == ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap10", "/dev/nvidia-caps/nvidia-cap11"]
    assert nodes["all"] == [
        "/dev/nvidia0",
        "/dev/nvidia-caps/nvidia-cap10",
        "/dev/nvidia-caps/nvidia-cap11",
        "/dev/nvidia1",
    ]
    assert nodes["none"] == []
    common = [node.path for node in made.edits.device_nodes]
    assert common == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"]


def test_a_node_that_nobody_has_made_yet_is_made_in_the_container(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "r")
    os.unlink(root / "dev" / "nvidia-uvm")
    os.unlink(root / "dev" / "nvidia1")
    made = spec(driver(root), UTILITY, LIB)
    (uvm,) = [node for node in made.edits.device_nodes if node.path == "/dev/nvidia-uvm"]
    assert (uvm.type, uvm.major, uvm.minor, uvm.file_mode) == ("c", 511, 0, 0o666)
    (second,) = next(one.edits.device_nodes for one in made.devices if one.name == "1")
    assert (second.type, second.major, second.minor) == ("c", 195, 1)


def test_under_wsl_it_is_one_node_and_the_windows_driver(tmp_path: Path) -> None:
    lib = tmp_path / "usr" / "lib" / "wsl" / "lib"
    lib.mkdir(parents=True)
    for name in ("libcuda.so.1", "libdxcore.so", "libnvidia-ml.so.1", "nvidia-smi"):
        (lib / name).write_text("")
    (tmp_path / "usr" / "lib" / "wsl" / "drivers").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dxg").write_text("")
    found = driver(tmp_path)
    assert found.is_wsl
    made = spec(found, UTILITY, LIB)
    targets = {one.container_path for one in made.edits.mounts}
    assert {"/usr/lib/wsl/drivers", "/usr/bin/nvidia-smi", f"{LIB}/libcuda.so.1", f"{LIB}/libdxcore.so"} <= targets
    nodes = {one.name: [node.path for node in one.edits.device_nodes] for one in made.devices}
    assert nodes == {"0": ["/dev/dxg"], "all": ["/dev/dxg"], "none": []}
    assert not made.edits.device_nodes
    assert missing(found, str(tmp_path)) == ("", "")


def test_the_spec_is_one_that_any_reader_takes(tmp_path: Path) -> None:
    made = spec(driver(make_tree(tmp_path / "r", migs=[(1, 0)])), CAPABILITIES, LIB)
    assert parse_spec(document(made)) == made
    assert Specs(((0, made),)).edits(["nvidia.com/gpu=all"]).env == (
        f"NVIDIA_DRIVER_CAPABILITIES={','.join(CAPABILITIES)}", "NVIDIA_VISIBLE_DEVICES=all",
    )  # fmt: skip


@pytest.mark.parametrize(("count", "names"), [(-1, ["k=all"]), (0, []), (1, ["k=0"]), (3, ["k=0", "k=2", "k=10"])])
def test_gpus_by_count_are_the_first_ones(count: int, names: list[str]) -> None:
    assert choose.by_count("k", ["10", "2", "0", "all", "GPU-1"], count) == names


def test_all_without_such_a_device_is_every_one() -> None:
    assert choose.by_count("k", ["1", "0", "card"], -1) == ["k=0", "k=1"]


def test_more_gpus_than_there_are_is_said() -> None:
    with pytest.raises(RuntimeFailure, match=r"could not select 4 GPUs: k has 1 GPU$"):
        choose.by_count("k", ["0", "all"], 4)


def test_gpus_by_id_take_the_beginning_of_a_uuid() -> None:
    names = ["0", "GPU-0abc", "GPU-0abd", "0:1", "all"]
    assert choose.by_ids("k", names, ["0", "GPU-0abc", "0:1", "all", "k=0"]) == [
        "k=0",
        "k=GPU-0abc",
        "k=0:1",
        "k=all",
        "k=0",
    ]
    with pytest.raises(RuntimeFailure, match="several have that id"):
        choose.by_ids("k", names, ["GPU-0ab"])
    with pytest.raises(RuntimeFailure, match="no device of k has that id") as caught:
        choose.by_ids("k", names, ["7"])
    assert caught.value.hint == "there is 0, GPU-0abc, GPU-0abd, 0:1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", None), ("void", None), ("none", (0, ())), ("all", (-1, ())), ("0, GPU-1,", (0, ("0", "GPU-1")))],
)
def test_visible_devices_are_read_as_the_nvidia_runtime_does(text: str, wanted: object) -> None:
    assert choose.visible(text) == wanted


@pytest.mark.parametrize(
    ("asked", "env", "found"),
    [
        (("gpu",), "", ("utility", "compute")),
        (("gpu",), "compute,video", ("compute", "video")),
        (("gpu",), "all", CAPABILITIES),
        (("utility", "gpu"), "all", ("utility",)),
    ],
)
def test_capabilities_come_from_the_flag_then_from_the_image(
    asked: tuple[str, ...], env: str, found: tuple[str, ...]
) -> None:
    assert choose.nvidia_capabilities(asked, env) == found


def test_a_capability_that_there_is_not_is_named() -> None:
    with pytest.raises(RuntimeFailure, match="unsupported capabilities found in NVIDIA_DRIVER_CAPABILITIES: teleport"):
        choose.nvidia_capabilities((), "compute,teleport")


@pytest.mark.parametrize(
    ("loaded", "drop", "what"),
    [
        (VERSION, False, ""),
        ("", False, f"NVIDIA's driver {VERSION} is installed, and its kernel module is not loaded"),
        (VERSION, True, "NVIDIA's kernel module is loaded, and its libraries"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, loaded: str, drop: bool, what: str) -> None:
    root = make_tree(tmp_path / "r", loaded=loaded)
    found = None if drop else driver(root)
    assert missing(found, str(root))[0].startswith(what)
    assert bool(missing(found, str(root))[0]) == bool(what)


@pytest.mark.parametrize(
    ("vendor", "what"),
    [
        ("0x10de", "there is an NVIDIA GPU (0000:09:00.0) and no driver for it"),
        ("0x1002", "there is an AMD GPU, and no NVIDIA one"),
        ("0x8086", "there is an Intel GPU, and no NVIDIA one"),
        ("0x1af4", "this machine shows no GPU, and has no driver for one"),
    ],
)
def test_a_machine_without_a_driver_is_told_by_its_cards(tmp_path: Path, vendor: str, what: str) -> None:
    pci_card(tmp_path, "0000:09:00.0", vendor, "0x1234")
    assert missing(None, str(tmp_path))[0] == what


def test_a_driver_that_was_upgraded_without_a_reboot_is_told(tmp_path: Path) -> None:
    assert mismatch(driver(make_tree(tmp_path / "a"))) == ""
    said = mismatch(driver(make_tree(tmp_path / "b", loaded="535.1.2")))
    assert said.startswith(f"the kernel has NVIDIA's driver 535.1.2 loaded, and its libraries are of {VERSION}")


def test_the_list_has_all_vendors_and_how_each_is_reached(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "r", gpus=1, migs=[(1, 0)])
    amd = pci_card(root, "0000:0a:00.0", "0x1002", "0x74a1", "amdgpu")
    (amd / "drm" / "card1").mkdir(parents=True)
    (amd / "mem_info_vram_total").write_text("1024\n")
    pci_card(root, "0000:0b:00.0", "0x8086", "0x56a0")
    other = parse_spec({"cdiVersion": "0.5.0", "kind": "x.com/npu", "devices": [
        {"name": "0", "containerEdits": {"env": ["A=1"]}}]}, "/etc/cdi/x.json")  # fmt: skip
    memory = parse_memory("GPU-0f3a-0001, 40960\nGPU-x, [N/A]\n")
    found = listed(driver(root), cards(str(root)), Specs(((0, other),)), memory, "")
    assert [(one.vendor, one.number, one.reached) for one in found] == [
        ("nvidia", 0, "--gpus device=0"), ("amd", -1, "--device /dev/kfd --device /dev/dri"), ("intel", -1, ""),
        ("x.com", 0, "--device x.com/npu=0"),
    ]  # fmt: skip
    assert (found[0].memory_bytes, found[0].mig, found[1].memory_bytes) == (40 << 30, ("0:0",), 1024)
    assert found[2].problem == "the kernel has no driver for it loaded"


def test_mig_parts_are_named_by_nvidia_smi() -> None:
    text = (
        "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb     Device  0: (UUID: MIG-aa)\n"
        "  MIG 1g.5gb     Device  1: (UUID: MIG-bb)\nGPU 1: NVIDIA A100 (UUID: GPU-2)\n"
        "  MIG 3g.20gb    Device  0: (UUID: MIG-cc)\n"
    )
    assert parse_migs(text) == {"MIG-aa": "0:0", "MIG-bb": "0:1", "MIG-cc": "1:0"}


def test_this_machines_cache_is_what_ldconfig_prints() -> None:
    entries = [("libz.so.1", "/lib/a/libz.so.1"), ("libcuda.so.1", "/lib/b/libcuda.so.1"), ("libz.so.1", "/late")]
    assert ldcache.libraries(ld_cache(entries), os.uname().machine) == dict(entries[:2])
    assert ldcache.libraries(ld_cache(entries, "aarch64"), "x86_64") == {}
    # The older format before the new one
    old = b"ld.so-1.7.0\0" + (1).to_bytes(4, "little") + bytes(12) + bytes(4)
    assert len(old) % 8 == 0
    assert ldcache.libraries(old + ld_cache(entries), os.uname().machine) == dict(entries[:2])


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_cache_or_none(data: bytes, cut: int) -> None:
    for one in (data, ld_cache([("liba.so.1", "/a"), ("libb.so.1", "/b")])[:cut] + data, b"ld.so-1.7.0\0" + data):
        assert isinstance(ldcache.libraries(one, "x86_64"), dict)
        assert isinstance(ldcache.with_libraries(one, [("libx.so", "/x")], "x86_64"), bytes)


@given(
    st.sampled_from([20, 24, 32, *range(48, 96, 4), *range(-60, 0, 4)]),
    st.sampled_from([0, 0xFFFFFFFF, 0xFFFFFFF0, 70]),
)
def test_no_number_in_an_images_cache_is_a_fault_of_ours(place: int, number: int) -> None:
    machine = os.uname().machine
    # With an extension: a table of one section, the names of hwcaps
    plain = ld_cache([("libb.so.1", "/b"), ("liba.so.1", "/a")])
    table = struct.pack("<IIIIII", 0xEAA42174, 1, 1, 0, len(plain) + 24, 4) + struct.pack("<I", len(plain))
    data = bytearray(plain[:32] + struct.pack("<I", len(plain)) + plain[36:] + table)
    place %= len(data)
    data[place : place + 4] = struct.pack("<I", number)
    changed = ldcache.with_libraries(bytes(data), [("libcuda.so.1", "/x")], machine)
    assert changed == data or ldcache.libraries(changed, machine)["libcuda.so.1"] == "/x"


def test_a_cache_of_nothing_but_long_names_is_quickly_done_with() -> None:
    count, machine = 30_000, os.uname().machine
    flags = 0x0303 if machine == "x86_64" else 0x0A03
    text = 48 + 24 * count
    rows = struct.pack("<iIIIQ", flags, text, text, 0, 0) * count
    head = b"glibc-ld.so.cache1.1" + struct.pack("<II", count, 1001) + bytes(20)
    data = head + rows + b"1a" * 500 + b"\0"
    tracemalloc.start()
    try:
        ldcache.with_libraries(data, [("libcuda.so.1", "/x")], machine)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


NAMES = st.lists(st.from_regex(r"lib[a-z0-9.]{1,6}\.so\.[0-9]{1,2}", fullmatch=True), max_size=6, unique=True)


@given(NAMES, NAMES)
def test_libraries_that_are_put_in_come_before_others(old: list[str], new: list[str]) -> None:
    machine = os.uname().machine
    before = ld_cache([(name, f"/old/{name}") for name in old])
    after = ldcache.with_libraries(before, [(name, f"/new/{name}") for name in new], machine)
    expected = {name: f"/old/{name}" for name in old} | ({name: f"/new/{name}" for name in new} if old else {})
    assert ldcache.libraries(after, machine) == expected
    assert ldcache.with_libraries(after, [(name, f"/new/{name}") for name in new], machine) == after


def test_the_containers_cache_is_changed_inside_of_its_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(ld_cache([("libz.so.1", "/z")]))
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    # As hostile as it can be: /etc leads out, the cache's name is a link to a file of the host
    (root / "etc").symlink_to("/real")
    (root / "real" / "ld.so.cache").symlink_to(outside)
    fd = os.open(root, os.O_PATH)
    try:
        assert not update_cache(fd, LIBCUDA, os.uname().machine)
        os.unlink(root / "real" / "ld.so.cache")
        os.mkfifo(root / "real" / "ld.so.cache")
        assert not update_cache(fd, LIBCUDA, os.uname().machine)
        os.unlink(root / "real" / "ld.so.cache")
        (root / "real" / "ld.so.cache").write_bytes(outside.read_bytes())
        (root / "real" / ".ld.so.cache.wherry").symlink_to(outside)
        assert update_cache(fd, LIBCUDA, os.uname().machine)
        assert not update_cache(fd, LIBCUDA, os.uname().machine)
    finally:
        os.close(fd)
    found = ldcache.libraries((root / "real" / "ld.so.cache").read_bytes(), os.uname().machine)
    assert found["libcuda.so.1"] == "/usr/lib/libcuda.so.1"
    assert outside.read_bytes() == ld_cache([("libz.so.1", "/z")])
    assert sorted(os.listdir(root / "real")) == ["ld.so.cache"]


@pytest.mark.parametrize("folder", [f"usr/lib/{ABI}", "usr/lib64", "lib"])
def test_libraries_go_where_the_images_own_libc_is(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "libc.so.6").write_text("")
    fd = os.open(tmp_path, os.O_PATH)
    try:
        assert library_folder(fd, os.uname().machine) == f"/{folder}"
        os.unlink(tmp_path / folder / "libc.so.6")
        assert library_folder(fd, os.uname().machine) == ""
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("place", "env", "found"),
    [
        ("usr/local/lib/python3.10/site-packages/torch", [], True),
        ("usr/lib/python3/dist-packages/torch", [], True),
        ("srv/env/lib/python3.12/site-packages/torch", ["VIRTUAL_ENV=/srv/env"], True),
        ("srv/env/lib/python3.12/site-packages/torch", [], False),
        ("usr/local/lib/python3.10/site-packages/torchvision", [], False),
    ],
)
def test_pytorch_is_seen_in_an_image(tmp_path: Path, place: str, env: list[str], found: bool) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "__init__.py").write_text("")
    fd = os.open(tmp_path, os.O_PATH)
    try:
        assert has_torch(fd, env) is found
    finally:
        os.close(fd)
