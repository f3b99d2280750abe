"""The GPUs that are in this machine, whether anything can use them or not; and what is missing. Only looks."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.gpu.nvidia import Driver
else:
    from wherry.lean import NamedTuple

__all__ = ["Card", "cards", "mismatch", "missing"]

_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}


class Card(NamedTuple):
    """One display controller or accelerator on the PCI bus. `driver` is the kernel's, "" when none has taken it;
    `nodes` are below /dev."""

    vendor: str
    bus: str
    device: str
    driver: str
    nodes: tuple[str, ...] = ()
    memory_bytes: int = 0


def cards(machine: str = "") -> list[Card]:
    """By PCI address; `machine` stands before /sys. A machine without PCI has none."""
    folder = f"{machine}/sys/bus/pci/devices"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = []
    for bus in names:
        vendor = _VENDORS.get(_line(f"{folder}/{bus}/vendor"), "")
        # 0x03: display controllers; 0x12: accelerators
        if vendor and _line(f"{folder}/{bus}/class")[:4] in {"0x03", "0x12"}:
            found.append(_card(folder, bus, vendor))
    return found


def _card(folder: str, bus: str, vendor: str) -> Card:
    try:
        driver = os.path.basename(os.readlink(f"{folder}/{bus}/driver"))
    except OSError:
        driver = ""
    try:
        nodes = tuple(sorted(f"dri/{one}" for one in os.listdir(f"{folder}/{bus}/drm") if one[:4] in {"card", "rend"}))
    except OSError:
        nodes = ()
    memory = _line(f"{folder}/{bus}/mem_info_vram_total")
    device = _line(f"{folder}/{bus}/device").removeprefix("0x")
    return Card(vendor, bus, device, driver, nodes, int(memory) if memory.isdecimal() else 0)


def _line(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""


def mismatch(driver: Driver) -> str:
    """The complaint after an upgrade without a reboot, or ""."""
    loaded, files = driver.kernel_version, driver.version
    if driver.is_wsl or not loaded or not files or loaded == files:
        return ""
    return (
        f"the kernel has NVIDIA's driver {loaded} loaded, and its libraries are of {files}: CUDA will fail until a "
        "reboot (or `rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && modprobe nvidia`)"
    )


def missing(driver: Driver | None, machine: str = "") -> tuple[str, str]:
    """What stands between a container and NVIDIA's GPUs, and what to do; ("", "") when nothing does."""
    here = cards(machine)
    nvidia = [one for one in here if one.vendor == "nvidia"]
    loaded = os.path.exists(f"{machine}/proc/driver/nvidia/version")
    if driver is None and os.path.exists(f"{machine}/dev/dxg"):
        return "WSL shows a GPU, and its libraries are not in /usr/lib/wsl/lib", "update the NVIDIA driver of Windows"
    if driver is None and loaded:
        return (
            "NVIDIA's kernel module is loaded, and its libraries (libcuda.so.1, libnvidia-ml.so.1) are not found",
            "install them, or say where they are with WHERRY_NVIDIA_DRIVER_ROOT",
        )
    if driver is None and nvidia:
        return f"there is an NVIDIA GPU ({nvidia[0].bus}) and no driver for it", "apt-get install nvidia-driver"
    if driver is None:
        others = {one.vendor for one in here}
        if "amd" in others:
            return "there is an AMD GPU, and no NVIDIA one", "--device /dev/kfd --device /dev/dri"
        if "intel" in others:
            return "there is an Intel GPU, and no NVIDIA one", "--device /dev/dri"
        return "this machine shows no GPU, and has no driver for one", "lspci shows what is in it"
    if not driver.is_wsl and not loaded:
        return (
            f"NVIDIA's driver {driver.version} is installed, and its kernel module is not loaded",
            "modprobe nvidia; what it says is in `dmesg` (secure boot refuses modules that are not signed)",
        )
    if not driver.is_wsl and not driver.gpus:
        return "NVIDIA's driver is loaded and sees no GPU", "nvidia-smi says why; `dmesg | grep NVRM` too"
    return "", ""
