"""NVIDIA's driver played by files: /dev, /proc, /sys and the libraries below one folder."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["VERSION", "ld_cache", "make_tree", "pci_card"]

VERSION = "550.54.14"
ABI = f"{os.uname().machine}-linux-gnu"
_SONAMES = {
    "libcuda.so.1": "libcuda.so", "libnvidia-ml.so.1": "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so.1":
    "libnvidia-ptxjitcompiler.so", "libnvidia-encode.so.1": "libnvidia-encode.so", "libGLX_nvidia.so.0":
    "libGLX_nvidia.so", f"libnvidia-glcore.so.{VERSION}": "libnvidia-glcore.so",
}  # fmt: skip
_FLAGS = {"x86_64": 0x0303, "aarch64": 0x0A03}


def ld_cache(entries: Iterable[tuple[str, str]], machine: str = os.uname().machine) -> bytes:
    """As ldconfig writes it, without extensions."""
    rows, strings = list(entries), b""
    start, table = 48 + 24 * len(rows), b""
    for name, path in rows:
        at = start + len(strings)
        strings += name.encode() + b"\0" + path.encode() + b"\0"
        table += struct.pack("<iIIIQ", _FLAGS[machine], at, at + len(name.encode()) + 1, 0, 0)
    return b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", len(rows), len(strings), 2, 0, 0, 0, 0) + table + strings


def make_tree(root: Path, gpus: int = 2, *, migs: Sequence[tuple[int, int]] = (), loaded: str = VERSION) -> Path:
    """`migs` are (gi, ci) of GPU 0; `loaded` is the kernel module's version, "" for none."""
    libraries = root / "usr" / "lib" / ABI
    libraries.mkdir(parents=True)
    for soname, base in _SONAMES.items():
        (libraries / f"{base}.{VERSION}").write_text(f"{base} {VERSION}\n")
        if not (libraries / soname).exists():
            (libraries / soname).symlink_to(f"{base}.{VERSION}")
    (libraries / "libcuda.so").symlink_to("libcuda.so.1")
    (libraries / "libc.so.6").write_text("libc\n")
    binaries = root / "usr" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "nvidia-smi").write_text("#!/bin/sh\necho fake\n")
    (binaries / "nvidia-smi").chmod(0o755)
    icd = root / "usr" / "share" / "vulkan" / "icd.d" / "nvidia_icd.json"
    icd.parent.mkdir(parents=True)
    icd.write_text("{}")
    (root / "dev").mkdir()
    for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", *(f"nvidia{n}" for n in range(gpus))):
        (root / "dev" / name).write_text("")
    driver = root / "proc" / "driver" / "nvidia"
    driver.mkdir(parents=True)
    (root / "proc" / "devices").write_text(
        "Character devices:\n195 nvidia\n511 nvidia-uvm\n508 nvidia-caps\n\nBlock devices:\n  8 sd\n"
    )
    if not loaded:
        driver.rmdir()
        return root
    (driver / "version").write_text(
        f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {loaded}  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12\n"
    )
    for n in range(gpus):
        _gpu(root, n)
    for gi, ci in migs:
        folder = driver / "capabilities" / "gpu0" / "mig" / f"gi{gi}" / f"ci{ci}"
        folder.mkdir(parents=True)
        for place, minor in ((folder.parent, gi * 10), (folder, gi * 10 + ci + 1)):
            (place / "access").write_text(f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
            caps = root / "dev" / "nvidia-caps"
            caps.mkdir(exist_ok=True)
            (caps / f"nvidia-cap{minor}").write_text("")
    return root


def _gpu(root: Path, n: int) -> None:
    bus = f"0000:0{n + 1}:00.0"
    folder = root / "proc" / "driver" / "nvidia" / "gpus" / bus
    folder.mkdir(parents=True)
    (folder / "information").write_text(
        f"Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 1\nGPU UUID: \t GPU-{n}f3a-0001\nBus Type: \t PCIe\n"
        f"Bus Location: \t {bus}\nDevice Minor: \t {n}\nGPU Excluded:\t No\n"
    )
    pci_card(root, bus, "0x10de", "0x20b0", "nvidia")
    (root / "sys" / "bus" / "pci" / "devices" / bus / "drm" / f"renderD{128 + n}").mkdir(parents=True)


def pci_card(root: Path, bus: str, vendor: str, device: str, driver: str = "") -> Path:
    folder = root / "sys" / "bus" / "pci" / "devices" / bus
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor + "\n")
    (folder / "device").write_text(device + "\n")
    (folder / "class").write_text("0x030200\n")
    if driver:
        (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
    return folder
