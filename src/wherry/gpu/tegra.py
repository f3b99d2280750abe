"""NVIDIA's Jetson: what of the driver a container needs stands in files that come with the board's system.

Lines of /etc/nvidia-container-runtime/host-files-for-container.d/*.csv are "dev", "lib", "dir" or "sym", a comma, and a
path (https://github.com/NVIDIA/nvidia-container-toolkit, mode csv). Everything goes to the same path in the container.
"""

from __future__ import annotations

import os
from contextlib import suppress

from wherry.fs.kernel import open_in_root, real_in_root
from wherry.gpu import ldcache
from wherry.gpu.cdi import Device, DeviceNode, Edits, Mount, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from wherry.gpu.nvidia import Places
else:
    from wherry.lean import NamedTuple

__all__ = ["Board", "find_board", "parse", "spec"]

FOLDER = "/etc/nvidia-container-runtime/host-files-for-container.d"
_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
_LIMIT_BYTES = 1 << 20


class Board(NamedTuple):
    """What is there of what the files name, in their order: nodes below /dev, (path on the host, path in a container),
    and the SONAMEs of the loader's cache that lead to such paths, as (name, path in a container)."""

    nodes: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    names: tuple[tuple[str, str], ...] = ()


def parse(text: str) -> list[tuple[str, str]]:
    """(kind, path) for each line that is one; comments and what nobody knows are left out, as NVIDIA's reader does."""
    found = []
    for line in text.splitlines():
        kind, comma, path = (part.strip() for part in line.partition(","))
        if comma and kind in {"dev", "lib", "dir", "sym"} and path.startswith("/") and ".." not in path.split("/"):
            found.append((kind, path))
    return found


def find_board(places: Places, machine: str = "") -> Board | None:
    """None where no such files are."""
    try:
        root = os.open(places.driver or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        entries = _entries(root)
        if not entries:
            return None
        nodes = [path for kind, path in entries if kind == "dev" and os.path.exists(f"{places.machine}{path}")]
        pairs = [(real_in_root(root, path), path) for kind, path in entries if kind != "dev"]
        files = tuple(dict.fromkeys((real, path) for real, path in pairs if real))
        cache = ldcache.libraries(_bytes(root, "/etc/ld.so.cache"), machine or os.uname().machine)
        targets = dict(files)
        names = [(name, targets[real]) for name, path in cache.items() if (real := real_in_root(root, path)) in targets]
        return Board(tuple(dict.fromkeys(nodes)), files, tuple(names))
    finally:
        os.close(root)


def _entries(root: int) -> list[tuple[str, str]]:
    try:
        fd = open_in_root(root, FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        names = sorted(name for name in os.listdir(fd) if name.endswith(".csv"))
    finally:
        os.close(fd)
    return [entry for name in names for entry in parse(_bytes(root, f"{FOLDER}/{name}").decode("utf-8", "replace"))]


def _bytes(root: int, path: str) -> bytes:
    with suppress(OSError), open(open_in_root(root, path, os.O_RDONLY), "rb") as file:
        return file.read(32 * _LIMIT_BYTES)
    return b""


def spec(board: Board, capabilities: Sequence[str], machine: str = "") -> Spec:
    """Devices "0" and "all" are the board's one GPU; `machine` stands before /dev. A link is mounted as its target."""
    nodes = tuple(DeviceNode(path, f"{machine}{path}" if machine else "") for path in board.nodes)
    mounts = tuple(Mount(real, path, options=_OPTIONS) for real, path in board.files)
    edits = Edits((f"NVIDIA_DRIVER_CAPABILITIES={','.join(capabilities)}",), (), mounts)
    own = Edits(device_nodes=nodes)
    names = ("0", "all")
    devices = tuple(Device(name, own._replace(env=(f"NVIDIA_VISIBLE_DEVICES={name}",))) for name in names)
    return Spec("0.8.0", "nvidia.com/gpu", devices, edits)
