"""NVIDIA's driver on this machine → the CDI spec that it needs: what `nvidia-ctk cdi generate` does. Pure.

Each library is mounted under its SONAME and under its own name, in the folder where the container's loader looks: so
there are no links to make and no hook to run (docs/adr/0201-no-hooks-of-our-own.md).
"""

from __future__ import annotations

import os

from wherry.gpu.cdi import Device, DeviceNode, Edits, Mount, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wherry.gpu.nvidia import Driver, Gpu, Mig

__all__ = ["KIND", "library_mounts", "spec"]

KIND = "nvidia.com/gpu"
_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
_SOCKET = ("nosuid", "nodev", "noexec", "rbind", "rprivate")
_COMMON = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
# By driver of /proc/devices and minor: a node that nobody has made yet can be made in the container
_NUMBERS = {
    "nvidiactl": ("nvidia", 255), "nvidia-modeset": ("nvidia", 254), "nvidia-uvm": ("nvidia-uvm", 0),
    "nvidia-uvm-tools": ("nvidia-uvm", 1),
}  # fmt: skip


def spec(driver: Driver, capabilities: Collection[str], folder: str) -> Spec:
    """Devices "0", "1", ... by index, each by UUID too, "0:1" for a MIG part, and "all".

    `folder` is where the container's loader looks for libraries, as /usr/lib/x86_64-linux-gnu.
    """
    edits = Edits(
        env=(f"NVIDIA_DRIVER_CAPABILITIES={','.join(capabilities)}",),
        device_nodes=tuple(_common_nodes(driver)),
        mounts=(*library_mounts(driver, capabilities, folder), *_file_mounts(driver, capabilities)),
    )
    return Spec("0.8.0", KIND, tuple(_devices(driver, capabilities)), edits)


def _devices(driver: Driver, capabilities: Collection[str]) -> Iterator[Device]:
    with_screen = bool({"graphics", "display"} & set(capabilities))
    for gpu in driver.gpus:
        edits = Edits(device_nodes=tuple(_gpu_nodes(driver, gpu, with_screen=with_screen)))
        yield Device(str(gpu.number), edits)
        if gpu.uuid:
            yield Device(gpu.uuid, edits)
        for mig in gpu.migs:
            parts = (*_gpu_nodes(driver, gpu, with_screen=with_screen), *_mig_nodes(driver, mig))
            yield Device(mig.name, Edits(device_nodes=parts))
    everything: list[DeviceNode] = [_node(driver, "dxg")] if driver.is_wsl else []
    for gpu in driver.gpus:
        everything += _gpu_nodes(driver, gpu, with_screen=with_screen)
        for mig in gpu.migs:
            everything += _mig_nodes(driver, mig)
    if driver.is_wsl:
        # Windows shows all of them behind one node: none can be kept from a container
        yield Device("0", Edits(device_nodes=tuple(everything)))
    # Without a GPU there is still the driver, for --gpus 0 and NVIDIA_VISIBLE_DEVICES=none
    yield Device("all", Edits(env=("NVIDIA_VISIBLE_DEVICES=all",), device_nodes=tuple(everything)))
    yield Device("none", Edits(env=("NVIDIA_VISIBLE_DEVICES=none",)))


def _node(driver: Driver, name: str, owner: str = "", minor: int = 0) -> DeviceNode:
    """The host's node; by number where nobody has made it yet, and /proc/devices knows `owner`."""
    major = driver.majors.get(owner) or driver.majors.get(f"{owner}-frontend")
    if name not in driver.nodes and major and not driver.is_wsl:
        return DeviceNode(f"/dev/{name}", "", "c", major, minor, 0o666)
    host = f"{driver.places.machine}/dev/{name}" if driver.places.machine else ""
    return DeviceNode(f"/dev/{name}", host)


def _common_nodes(driver: Driver) -> Iterator[DeviceNode]:
    for name in _COMMON:
        node = _node(driver, name, *_NUMBERS[name])
        # A module that is not loaded has no node
        if name in driver.nodes or node.type:
            yield node


def _gpu_nodes(driver: Driver, gpu: Gpu, *, with_screen: bool) -> Iterator[DeviceNode]:
    yield _node(driver, f"nvidia{gpu.minor}", "nvidia", gpu.minor)
    if with_screen:
        yield from (_node(driver, card) for card in gpu.cards)


def _mig_nodes(driver: Driver, mig: Mig) -> list[DeviceNode]:
    minors = [minor for minor in (mig.gi_minor, mig.ci_minor) if minor >= 0]
    return [_node(driver, f"nvidia-caps/nvidia-cap{minor}", "nvidia-caps", minor) for minor in minors]


def library_mounts(driver: Driver, capabilities: Collection[str], folder: str) -> list[Mount]:
    """Two names for a file, unless they are one; "libcuda.so" too, which programs open that were linked long ago."""
    found: dict[str, str] = {}
    for one in driver.libraries:
        if one.capability in capabilities:
            found.setdefault(one.name, one.path)
            found.setdefault(os.path.basename(one.path), one.path)
            if one.name == "libcuda.so.1":
                found["libcuda.so"] = one.path
    return [Mount(path, f"{folder}/{name}", options=_OPTIONS) for name, path in found.items()]


def _file_mounts(driver: Driver, capabilities: Collection[str]) -> Iterator[Mount]:
    for one in driver.files:
        if one.capability in capabilities:
            is_socket = one.target.startswith(("/run/", "/tmp/"))
            target = "/usr/bin/nvidia-smi" if one.target == "/usr/lib/wsl/lib/nvidia-smi" else one.target
            yield Mount(one.path, target, options=_SOCKET if is_socket else _OPTIONS)
