"""Device nodes of containers: docker's default six, those of --device, and all of the host's for --privileged."""

from __future__ import annotations

import os
import stat

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, NamedTuple

    from wherry.runtime.options import DeviceRequest, RunOptions
else:
    from wherry.lean import NamedTuple

__all__ = ["Device", "block_numbers", "host_devices", "node", "resolve", "rules"]

_NOT_OURS = frozenset({"pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"})
# null, zero, full, random, urandom, tty, and the terminals; the runtime makes their nodes itself
_DEFAULT = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1))


class Device(NamedTuple):
    """One node. `type` is "c", "b" or "p"; `mode` holds the permission bits; `permissions` is what of "rwm"."""

    path: str
    type: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    permissions: str = "rwm"


def resolve(requests: Sequence[DeviceRequest]) -> tuple[Device, ...]:
    """Reads the host's nodes; a folder gives every node below it. Raises: InputError with docker's message."""
    found: list[Device] = []
    for request in requests:
        # A link such as /dev/cdrom stands for its target
        path = os.path.realpath(request.host_path)
        try:
            facts = os.stat(path)
        except OSError as fault:
            # Differs from docker: a device that is not there ends run with 125, docker's code for any fault before the
            # command's; docker takes its own message for one about the command, and says 127
            raise InputError(
                f'error gathering device information while adding custom device "{request.host_path}": '
                f"{(fault.strerror or '').lower()}"
            ) from None
        if stat.S_ISDIR(facts.st_mode):
            below = [_moved(one, path, request) for one in _walk(path)]
            if below:
                found += below
                continue
        one = _device(path, facts)
        if one is None:
            raise InputError(
                f'error gathering device information while adding custom device "{request.host_path}": '
                "not a device node"
            )
        found.append(_moved(one, path, request))
    return tuple(found)


def host_devices() -> tuple[Device, ...]:
    """Every node below /dev but pts, shm, mqueue, console and fd: what a privileged container sees."""
    return tuple(_walk("/dev"))


def block_numbers(options: RunOptions) -> dict[str, tuple[int, int]]:
    """(major, minor) of each device that a --device-read-bps and the like is for. Raises: InputError."""
    asked = (
        *options.blkio_weight_devices, *options.device_read_bps, *options.device_write_bps,
        *options.device_read_iops, *options.device_write_iops,
    )  # fmt: skip
    found = {}
    for path, _ in asked:
        try:
            facts = os.stat(path)
        except OSError as fault:
            raise InputError(
                f"stat {path}: {(fault.strerror or '').lower()}", hint="name a block device, as lsblk shows them"
            ) from None
        if not stat.S_ISBLK(facts.st_mode):
            raise InputError(f"{path} is not a block device", hint="see lsblk")
        found[path] = (os.major(facts.st_rdev), os.minor(facts.st_rdev))
    return found


def _moved(one: Device, host_path: str, request: DeviceRequest) -> Device:
    return one._replace(path=request.container_path + one.path[len(host_path) :], permissions=request.permissions)


def _walk(folder: str) -> Iterator[Device]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _NOT_OURS:
                    yield from _walk(entry.path)
            elif entry.name not in _NOT_OURS and (one := _device(entry.path, entry.stat(follow_symlinks=False))):
                yield one
        except FileNotFoundError:
            # Unplugged meanwhile
            continue


def _device(path: str, facts: os.stat_result) -> Device | None:
    if stat.S_ISCHR(facts.st_mode):
        kind = "c"
    elif stat.S_ISBLK(facts.st_mode):
        kind = "b"
    else:
        return None
    rights = stat.S_IMODE(facts.st_mode)
    return Device(path, kind, os.major(facts.st_rdev), os.minor(facts.st_rdev), rights, facts.st_uid, facts.st_gid)


def node(device: Device) -> dict[str, Any]:
    """`linux.devices[]`. Spec: runtime-spec v1.2.0 config-linux.md#devices."""
    return {
        "path": device.path, "type": device.type, "major": device.major, "minor": device.minor,
        "fileMode": device.mode, "uid": device.uid, "gid": device.gid,
    }  # fmt: skip


def rules(devices: Sequence[Device], extra: Sequence[str], *, privileged: bool) -> list[dict[str, Any]]:
    """`linux.resources.devices`: nothing, then docker's defaults, then what was asked for.

    `extra` are --device-cgroup-rule's, "c 1:3 mr". Raises: InputError.
    """
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    found: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    found += [
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"} for major, minor in _DEFAULT
    ]
    found += [
        {"allow": True, "type": one.type, "major": one.major, "minor": one.minor, "access": one.permissions}
        for one in devices
    ]
    return found + [_rule(text) for text in extra]


def _rule(text: str) -> dict[str, Any]:
    words = text.split()
    numbers = words[1].split(":") if len(words) == 3 else []
    if (
        len(numbers) != 2
        or words[0] not in {"a", "b", "c"}
        or not all(number == "*" or number.isdecimal() for number in numbers)
        or not set(words[2]) <= set("rwm")
    ):
        raise InputError(f"invalid device cgroup rule format: '{text}'", hint="for example: c 189:* rwm")
    found: dict[str, Any] = {"allow": True, "type": words[0], "access": words[2]}
    found |= {key: int(number) for key, number in zip(("major", "minor"), numbers, strict=True) if number != "*"}
    return found
