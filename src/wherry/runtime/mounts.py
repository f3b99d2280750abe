"""The mounts of a container: docker's own, and the user's laid over them. Pure.

Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md#mounts
"""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from wherry.runtime.options import MountRequest

__all__ = [
    "DEFAULT_SHM_BYTES",
    "bind",
    "default_mounts",
    "lay_over",
    "make_read_only",
    "root_propagation",
    "user_mount",
]

DEFAULT_SHM_BYTES = 64 << 20
_OWN_PROPAGATION = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable"})
_QUIET = frozenset({"nosuid", "nodev", "noexec"})
_KERNEL_WITH_RRO = (5, 12)


def _mount(target: str, fstype: str, source: str, options: Iterable[str]) -> dict[str, Any]:
    return {"destination": target, "type": fstype, "source": source, "options": list(options)}


def default_mounts(*, privileged: bool, shm_bytes: int, host_ipc: bool, no_shm: bool) -> list[dict[str, Any]]:
    """/proc, /dev, /dev/pts, /dev/shm, /dev/mqueue, /sys and the cgroups. `host_ipc` shows the host's /dev/shm."""
    quiet = ("nosuid", "noexec", "nodev")
    sealed = quiet if privileged else (*quiet, "ro")
    # /dev is always a mount of its own: runtimes have been fooled by an image's /dev (CVE-2026-88264, CVE-2026-88265)
    found = [
        _mount("/proc", "proc", "proc", quiet),
        _mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        _mount("/sys", "sysfs", "sysfs", sealed),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", sealed),
        _mount("/dev/mqueue", "mqueue", "mqueue", quiet),
    ]
    if host_ipc:
        found.append(bind("/dev/shm", "/dev/shm"))
    elif not no_shm:
        size = f"size={(shm_bytes or DEFAULT_SHM_BYTES)}"
        found.append(_mount("/dev/shm", "tmpfs", "shm", (*quiet, "mode=1777", size)))
    return found


def bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    """A private recursive bind mount."""
    return _mount(target, "bind", source, ("rbind", "rprivate", *(("ro",) if read_only else ())))


def user_mount(request: MountRequest, kernel: tuple[int, int]) -> dict[str, Any]:
    """One of the user's mounts; a volume's `source` is its folder on the host by now. Raises: InputError."""
    if request.type == "tmpfs":
        return _mount(request.target, "tmpfs", "tmpfs", _tmpfs_options(request))
    options = ["rbind" if request.recursive else "bind"]
    propagation = request.propagation or "rprivate"
    options.append(propagation if propagation in _OWN_PROPAGATION else "rprivate")
    options += [one for one in request.options if one in _QUIET]
    if request.read_only:
        options.append("ro")
        if request.submounts == "readonly" and kernel < _KERNEL_WITH_RRO:
            raise InputError(
                f"{request.target} can't be read-only with all that is mounted below it: that needs Linux 5.12",
                hint="take bind-recursive=readonly away",
            )
        if request.recursive and request.submounts != "writable" and kernel >= _KERNEL_WITH_RRO:
            options.append("rro")
    return _mount(request.target, "bind", request.source, options)


def root_propagation(requests: Iterable[MountRequest]) -> str:
    """What the container's "/" needs to be, so that its mounts can be what they are asked to be; "": runtime's default.

    Of a shared one, mounts made inside must find their way out; of a slave, those made outside their way in.
    """
    asked = {one.propagation for one in requests}
    if asked & {"shared", "rshared"}:
        return "shared"
    return "rslave" if asked & {"slave", "rslave"} else ""


def _tmpfs_options(request: MountRequest) -> list[str]:
    chosen = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    options = list(request.options)
    base = [no for yes, no in chosen.items() if yes not in options and no not in options]
    if request.read_only and "ro" not in options:
        options.append("ro")
    return [*base, *options]


def lay_over(
    defaults: Sequence[dict[str, Any]], files: Sequence[dict[str, Any]], users: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One list, in the order to mount in: parents before children. The user's win over docker's at the same target."""
    taken = {one["destination"] for one in users}
    whole_dev = "/dev" in taken
    kept = [one for one in defaults if one["destination"] not in taken]
    if whole_dev:
        kept = [one for one in kept if not one["destination"].startswith("/dev/")]
    named = [one for one in files if one["destination"] not in taken]
    # Stable: what is equally deep keeps its order. A volume on /etc comes below /etc/hosts, as in docker
    return kept + sorted([*named, *users], key=lambda one: one["destination"].rstrip("/").count("/"))


def make_read_only(mounts: Sequence[dict[str, Any]], users: Iterable[str]) -> list[dict[str, Any]]:
    """For --read-only: all but the kernel's own file systems and the user's mounts (targets in `users`)."""
    free = {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", *users}
    return [
        one if one["destination"] in free or "ro" in one["options"] else {**one, "options": [*one["options"], "ro"]}
        for one in mounts
    ]
