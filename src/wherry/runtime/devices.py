"""Device nodes of containers: docker's default six, those of --device, and all of the host's for --privileged."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.runtime.options import DeviceRequest

__all__ = ["Device", "host_devices", "resolve"]


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
    raise NotImplementedError


def host_devices() -> tuple[Device, ...]:
    """Every node below /dev but pts, shm, mqueue, console and fd: what a privileged container sees."""
    raise NotImplementedError
