"""NVIDIA's driver as it lies on this machine: libraries by SONAME, files by capability, GPUs and their MIG parts.

Only looks, and starts nothing. `Places` moves where it looks: to a driver in a container's tree, or to a test's.
"""

from __future__ import annotations

import os
from contextlib import suppress

from wherry.fs.kernel import open_in_root, real_in_root
from wherry.gpu import ldcache
from wherry.gpu.nvidia_files import FILES, LIBRARIES, WSL_LIBRARIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Driver", "File", "Gpu", "Library", "Mig", "Places", "find_driver"]

_FOLDERS = (
    "/usr/lib/{abi}", "/usr/lib64", "/usr/lib", "/usr/lib/wsl/lib", "/usr/lib/{abi}/nvidia/current",
    "/usr/lib64/nvidia", "/run/opengl-driver/lib",
)  # fmt: skip
_TEXT_BYTES = 1 << 16


class Places(NamedTuple):
    """Folders instead of "/": `machine` has dev, proc, sys and run, `driver` the driver's files; "" is "/" itself."""

    machine: str = ""
    driver: str = ""


HERE = Places()


class Library(NamedTuple):
    """`name` is the SONAME by which programs ask for it; `path` the real file on the host."""

    name: str
    path: str
    capability: str


class File(NamedTuple):
    """A program, a configuration, firmware or a socket: `path` on the host, `target` in a container."""

    path: str
    target: str
    capability: str


class Mig(NamedTuple):
    """A compute instance of a GPU that is divided. `name` is "GPU:NUMBER"; the minors are of /dev/nvidia-caps."""

    name: str
    gi: int
    ci: int
    gi_minor: int
    ci_minor: int


class Gpu(NamedTuple):
    """`number` is nvidia-smi's index (by PCI address), `minor` that of /dev/nvidiaN, `cards` those of /dev/dri."""

    number: int
    bus: str
    uuid: str
    model: str
    minor: int
    migs: tuple[Mig, ...] = ()
    cards: tuple[str, ...] = ()


class Driver(NamedTuple):
    """`version` is the libraries', `kernel_version` the loaded module's ("" when none is); `majors` maps drivers of
    /proc/devices to their numbers, `nodes` are names below /dev."""

    version: str
    kernel_version: str
    libraries: tuple[Library, ...]
    files: tuple[File, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    nodes: tuple[str, ...] = ()
    majors: Mapping[str, int] = {}
    is_wsl: bool = False
    places: Places = HERE


def find_driver(places: Places = HERE, machine: str = "") -> Driver | None:
    """None where there is neither libcuda nor libnvidia-ml. `machine` is uname's word. Takes 2 ms."""
    machine = machine or os.uname().machine
    try:
        root = os.open(places.driver or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        is_wsl = os.path.exists(f"{places.machine}/dev/dxg")
        wanted = WSL_LIBRARIES if is_wsl else LIBRARIES
        libraries = tuple(_libraries(root, machine, wanted))
        if not {"libcuda.so.1", "libnvidia-ml.so.1"} & {one.name for one in libraries}:
            return None
        version = next((end for one in libraries if (end := one.path.rpartition(".so.")[2]).count(".") >= 1), "")
        return Driver(
            version=version,
            kernel_version=_kernel_version(places),
            libraries=libraries,
            files=tuple(_files(root, places, version, machine)),
            gpus=tuple(_gpus(places)),
            nodes=tuple(_nodes(places)),
            majors=_majors(places),
            is_wsl=is_wsl,
            places=places,
        )
    finally:
        os.close(root)


def _libraries(root: int, machine: str, wanted: Mapping[str, str]) -> Iterator[Library]:
    """Those of the loader's cache, then those of the usual folders: a driver that was just unpacked is in no cache."""
    abi = f"{machine}-linux-gnu"
    known = ldcache.libraries(_bytes(root, "/etc/ld.so.cache"), machine)
    if not any(name.startswith(("libcuda.so.", "libnvidia-ml.so.")) for name in known):
        for folder in _FOLDERS:
            for name in _listed(root, folder.format(abi=abi)):
                if ".so" in name:
                    known.setdefault(name, f"{folder.format(abi=abi)}/{name}")
    seen: set[tuple[str, str]] = set()
    for name, path in sorted(known.items()):
        capability = wanted.get(name.partition(".so")[0])
        # By SONAME: "libcuda.so" is for compilers, and made anew beside the others. Windows' ones have no numbers
        if capability is None or (".so." not in name and wanted is LIBRARIES):
            continue
        real = real_in_root(root, path)
        if real and (name, real) not in seen:
            seen.add((name, real))
            yield Library(name, real, capability)


def _files(root: int, places: Places, version: str, machine: str) -> Iterator[File]:
    for capability, pattern in FILES:
        path = pattern.format(version=version, abi=f"{machine}-linux-gnu")
        if path.startswith(("/run/", "/tmp/")):
            # A socket of a daemon that runs on this machine
            if os.path.exists(places.machine + path):
                yield File(places.machine + path, path, capability)
        elif real := real_in_root(root, path):
            yield File(real, path, capability)


def _listed(root: int, folder: str) -> list[str]:
    with suppress(OSError):
        fd = open_in_root(root, folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)
    return []


def _bytes(root: int, path: str) -> bytes:
    with suppress(OSError), open(open_in_root(root, path, os.O_RDONLY), "rb") as file:
        return file.read(32 << 20)
    return b""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_TEXT_BYTES)
    except OSError:
        return ""


def _fields(path: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in _text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1


def _kernel_version(places: Places) -> str:
    """Of "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024"."""
    first = _text(f"{places.machine}/proc/driver/nvidia/version").partition("\n")[0]
    words = first.split()
    return next((word for word in words if word[:1].isdigit() and "." in word and ":" not in word), "")


def _majors(places: Places) -> dict[str, int]:
    pairs = (line.split() for line in _text(f"{places.machine}/proc/devices").splitlines())
    return {words[1]: int(words[0]) for words in pairs if len(words) == 2 and words[0].isdecimal()}


def _nodes(places: Places) -> Iterator[str]:
    dev = f"{places.machine}/dev"
    for name in _names(dev):
        if name.startswith("nvidia") or name == "dxg":
            if os.path.isdir(f"{dev}/{name}"):
                yield from (f"{name}/{below}" for below in _names(f"{dev}/{name}"))
            else:
                yield name


def _gpus(places: Places) -> Iterator[Gpu]:
    folder = f"{places.machine}/proc/driver/nvidia/gpus"
    number = 0
    for bus in _names(folder):
        facts = _fields(f"{folder}/{bus}/information")
        minor = _number(facts.get("Device Minor", ""))
        if minor < 0 or facts.get("GPU Excluded") == "Yes":
            continue
        migs = tuple(_migs(f"{places.machine}/proc/driver/nvidia/capabilities/gpu{minor}/mig", number))
        nodes = _names(f"{places.machine}/sys/bus/pci/devices/{bus}/drm")
        cards = tuple(f"dri/{one}" for one in nodes if one.startswith(("card", "renderD")))
        yield Gpu(number, bus, facts.get("GPU UUID", ""), facts.get("Model", ""), minor, migs, cards)
        number += 1


def _migs(folder: str, gpu: int) -> Iterator[Mig]:
    count = 0
    for gi in _instances(folder, "gi"):
        for ci in _instances(f"{folder}/gi{gi}", "ci"):
            minors = [
                _number(_fields(f"{folder}/{path}/access").get("DeviceFileMinor", ""))
                for path in (f"gi{gi}", f"gi{gi}/ci{ci}")
            ]
            yield Mig(f"{gpu}:{count}", gi, ci, minors[0], minors[1])
            count += 1


def _instances(folder: str, prefix: str) -> list[int]:
    numbers = (_number(name.removeprefix(prefix)) for name in _names(folder) if name.startswith(prefix))
    return sorted(number for number in numbers if number >= 0)
