"""CDI specs as frozen values: what a device needs in a container. Pure.

Spec: https://github.com/cncf-tags/container-device-interface/blob/v1.0.0/SPEC.md
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "HOOK_NAMES", "VERSIONS", "Device", "DeviceNode", "Edits", "Hook", "IntelRdt", "Mount", "Spec", "joined",
    "qualified",
]  # fmt: skip

VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0")
HOOK_NAMES = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_NONE: Mapping[str, str] = MappingProxyType({})


class DeviceNode(NamedTuple):
    """`path` in the container; `host_path` "" is the same on the host. What is "" or None is read from the host's node.

    `type` is "b", "c", "u" or "p"; `permissions` of "rwm".
    """

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class Mount(NamedTuple):
    """As of mount(8); `type` "" with no bind among the `options` is a bind mount all the same."""

    host_path: str
    container_path: str
    type: str = ""
    options: tuple[str, ...] = ()


class Hook(NamedTuple):
    """A program of the host that the OCI runtime starts; `name` is one of HOOK_NAMES. `args` hold argv[0]."""

    name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout_s: int = 0


class IntelRdt(NamedTuple):
    """A class of service in resctrl. Spec: runtime-spec v1.2.0 config-linux.md#intelrdt."""

    clos_id: str = ""
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    enable_cmt: bool = False
    enable_mbm: bool = False


class Edits(NamedTuple):
    """containerEdits: what changes in the container's config.json. `env` holds NAME=VALUE, later ones win."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hooks: tuple[Hook, ...] = ()
    additional_gids: tuple[int, ...] = ()
    intel_rdt: IntelRdt | None = None


class Device(NamedTuple):
    """One entry of `devices`: "0" of "nvidia.com/gpu=0"."""

    name: str
    edits: Edits
    annotations: Mapping[str, str] = _NONE


class Spec(NamedTuple):
    """One file. `edits` belong to a container that has any of the `devices`; `path` is "" for one of our making."""

    version: str
    kind: str
    devices: tuple[Device, ...]
    edits: Edits = Edits()
    annotations: Mapping[str, str] = _NONE
    path: str = ""


def joined(first: Edits, second: Edits) -> Edits:
    """Both, in order. The last intelRdt wins."""
    return Edits(
        first.env + second.env,
        first.device_nodes + second.device_nodes,
        first.mounts + second.mounts,
        first.hooks + second.hooks,
        first.additional_gids + second.additional_gids,
        second.intel_rdt or first.intel_rdt,
    )


def qualified(text: str) -> tuple[str, str]:
    """ "vendor.com/class=name" → ("vendor.com/class", "name"). Raises: InvalidSpec when it is no such name."""
    kind, equals, name = text.partition("=")
    if not equals or "/" not in kind or not name:
        raise InvalidSpec(f"not the name of a CDI device: {text!r}", hint="it looks like vendor.com/class=name")
    return kind, name
