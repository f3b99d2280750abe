"""Mounts by the mount API of Linux 5.2+: detached, so that a killed process leaves none behind."""

from __future__ import annotations

import os

from wherry import lean_ctypes as ctypes
from wherry.errors import HostError
from wherry.fs import kernel
from wherry.host._api import Mount, Overlay

__all__ = ["classic_mount", "detached", "detached_tmpfs", "unmount"]

_OPEN_TREE, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 430, 431, 432
_SET_FLAG, _SET_STRING, _CMD_CREATE = 0, 1, 6
_OPEN_TREE_CLONE = 1
_MNT_DETACH = 2
_QUIET = 0x2 | 0x4 | 0x8  # MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC
_AT_FDCWD = -100
_PAGE = 4095

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def classic_mount(mount: Mount) -> None:
    """mount(2). Raises: OSError."""
    _check(
        _libc.mount(
            os.fsencode(mount.source), os.fsencode(mount.target), mount.fstype.encode() or None,
            ctypes.c_ulong(mount.flags), os.fsencode(mount.data) or None,
        ),
        mount.target,
    )  # fmt: skip


def unmount(target: str, *, lazy: bool) -> None:
    """umount2(2). Raises: OSError."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH if lazy else 0), target)


def _options(overlay: Overlay) -> dict[str, str]:
    # Explicit, since distributions differ in the defaults: an upper folder must hold a plain diff, and a
    # redirect xattr that an image smuggled in must not be followed
    options = {"redirect_dir": "nofollow", "metacopy": "off", "index": "off", "xino": "off"}
    if overlay.upper:
        options |= {"upperdir": overlay.upper, "workdir": overlay.work}
    return options


def detached(overlay: Overlay) -> int:
    """A mount fd. Raises: HostError when this kernel can't, OSError."""
    # An image may hold a layer twice (two steps that changed nothing), and overlayfs refuses a folder twice (ELOOP).
    # All that the lower one shows or hides, the upper one does too
    overlay = overlay._replace(lowers=tuple(reversed(dict.fromkeys(reversed(overlay.lowers)))))
    if len(overlay.lowers) == 1 and not overlay.upper:
        # overlayfs wants two folders; a single one is its own merged view
        return kernel.call(
            _OPEN_TREE, _AT_FDCWD, os.fsencode(overlay.lowers[0]), _OPEN_TREE_CLONE | os.O_CLOEXEC,
            what=overlay.lowers[0],
        )  # fmt: skip
    try:
        return _by_fsconfig(overlay)
    except OSError as fault:
        if fault.filename != "lowerdir+":
            raise
    return _by_mount(overlay)


def detached_tmpfs(size_bytes: int) -> int:
    """A mount fd; see Host.tmpfs. Raises: OSError."""
    try:
        return _tmpfs(size_bytes, noswap=True)
    except OSError as fault:
        if fault.filename != "noswap":
            raise
    return _tmpfs(size_bytes, noswap=False)  # before Linux 6.4


def _tmpfs(size_bytes: int, *, noswap: bool) -> int:
    context = kernel.call(_FSOPEN, b"tmpfs", 1, what="tmpfs")
    try:
        for key, value in (("source", "tmpfs"), ("mode", "700"), ("size", str(size_bytes))):
            kernel.call(_FSCONFIG, context, _SET_STRING, key.encode(), value.encode(), 0, what=key)
        if noswap:
            kernel.call(_FSCONFIG, context, _SET_FLAG, b"noswap", None, 0, what="noswap")
        kernel.call(_FSCONFIG, context, _CMD_CREATE, None, None, 0, what="tmpfs")
        return kernel.call(_FSMOUNT, context, 1, _QUIET, what="tmpfs")
    finally:
        os.close(context)


def _by_fsconfig(overlay: Overlay) -> int:
    context = kernel.call(_FSOPEN, b"overlay", 1, what="overlay")
    try:
        kernel.call(_FSCONFIG, context, _SET_STRING, b"source", b"wherry", 0, what="source")
        for folder in reversed(overlay.lowers):
            _set_lower(context, folder)
        for key, value in _options(overlay).items():
            kernel.call(_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0, what=f"{key}={value}")
        if overlay.volatile and overlay.upper:
            kernel.call(_FSCONFIG, context, _SET_FLAG, b"volatile", None, 0, what="volatile")
        kernel.call(_FSCONFIG, context, _CMD_CREATE, None, None, 0, what=overlay.upper or overlay.lowers[-1])
        return kernel.call(_FSMOUNT, context, 1, 0, what="overlay")
    finally:
        os.close(context)


def _set_lower(context: int, folder: str) -> None:
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, "layer folder is missing", folder)
    kernel.call(_FSCONFIG, context, _SET_STRING, b"lowerdir+", os.fsencode(folder), 0, what="lowerdir+")


def _by_mount(overlay: Overlay) -> int:
    """For Linux before 6.5: mount on a private temporary folder, take a detached clone, unmount."""
    lowers = ":".join(folder.replace(":", "\\:") for folder in reversed(overlay.lowers))
    data = ",".join([f"lowerdir={lowers}", *(f"{k}={v}" for k, v in _options(overlay).items())])
    if overlay.volatile and overlay.upper:
        data += ",volatile"
    if len(data) > _PAGE:
        raise HostError(
            f"{len(overlay.lowers)} layers need Linux 6.5 or newer to be mounted",
            hint="use an image with fewer layers, or a newer kernel",
        )
    import tempfile

    with tempfile.TemporaryDirectory(prefix="wherry-mount-") as folder:
        classic_mount(Mount("wherry", folder, "overlay", 0, data))
        try:
            return kernel.call(_OPEN_TREE, _AT_FDCWD, os.fsencode(folder), _OPEN_TREE_CLONE | os.O_CLOEXEC, what=folder)
        finally:
            unmount(folder, lazy=True)
