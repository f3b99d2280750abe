"""The options of the `local` driver: type, device, o. Pure; docker's rules and messages.

Spec: docs.docker.com/reference/cli/docker/volume/create/ ("Driver-specific options"), mount(8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wherry.errors import InputError, NotFound

__all__ = ["MountPlan", "check_driver", "check_options", "plan"]

_KNOWN = ("type", "device", "o")
_ATTRIBUTES = frozenset({"ro", "nosuid", "nodev", "noexec", "noatime", "strictatime", "nodiratime", "relatime"})
# What says nothing that is not so already
_DEFAULTS = frozenset({
    "rw", "suid", "dev", "exec", "atime", "diratime", "norelatime", "nostrictatime", "async", "nomand", "defaults",
    "auto", "noauto", "user", "nouser", "users", "nofail", "_netdev",
})  # fmt: skip
# Propagation is each container's to choose
_PROPAGATIONS = frozenset(
    way + kind for way in ("", "r") for kind in ("private", "shared", "slave", "unbindable")
)  # fmt: skip


class MountPlan(NamedTuple):
    """What is mounted for a volume with options: a bind of `source` (with what is mounted below it when `recursive`),
    or the file system `fstype` with `options` for it. `attributes` are the mount's own: ro, nosuid, ...
    """

    source: str
    fstype: str = ""
    options: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    recursive: bool = False

    @property
    def is_bind(self) -> bool:
        return not self.fstype


def check_driver(name: str, driver: str) -> None:
    """Raises: NotFound in docker's words for any driver but local."""
    if driver not in ("", "local"):
        raise NotFound(
            (f"create {name}: " if name else "")
            + f'error looking up volume plugin {driver}: plugin "{driver}" not found',
            hint="wherry has no volume plugins: `local` mounts folders, tmpfs and NFS by -o type, device and o",
        )


def check_options(name: str, options: Mapping[str, str]) -> None:
    """`name` is the volume's, for the message. Raises: InputError."""
    for key in options:
        if key not in _KNOWN:
            raise InputError(f'create {name}: invalid option: "{key}"', hint="the local driver has type, device and o")
    hints = {"device": "what to mount, as /srv/data, tmpfs or :/export", "type": "as none (with o=bind), tmpfs, nfs"}
    for key, hint in hints.items():
        if options and key not in options:
            raise InputError(f'create {name}: missing required option: "{key}"', hint=f"-o {key}=...: {hint}")


def plan(options: Mapping[str, str]) -> MountPlan | None:
    """None for a volume that is a plain folder."""
    if not options:
        return None
    words = [one for one in options.get("o", "").split(",") if one]
    attributes = tuple(dict.fromkeys(one for one in words if one in _ATTRIBUTES))
    device = options.get("device", "")
    if "bind" in words or "rbind" in words:
        return MountPlan(device, "", (), attributes, "rbind" in words)
    rest = [one for one in words if one not in _ATTRIBUTES | _DEFAULTS | _PROPAGATIONS]
    return MountPlan(device, options.get("type", ""), tuple(rest), attributes)
