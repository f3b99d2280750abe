"""What a removal looks like: `.wh.` names in a tar, 0:0 devices and one attribute in an overlay's folder.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts and the kernel's
Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = [
    "AUFS",
    "OPAQUE",
    "OPAQUE_XATTR",
    "PREFIX",
    "PRIVATE",
    "is_opaque",
    "is_public",
    "is_whiteout",
    "list_xattrs",
    "public_xattrs",
]

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
AUFS = frozenset({b".wh..wh.aufs", b".wh..wh.orph", b".wh..wh.plnk"})
"""What aufs kept for itself, and old layers still hold: means nothing to anybody else."""

OPAQUE_XATTR = "trusted.overlay.opaque"
PRIVATE = ("trusted.overlay.", "user.overlay.")
"""How overlayfs talks to itself: who may set these decides what a container sees of lower layers."""


def is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_public(name: str) -> bool:
    """Whether the attribute belongs to the file: not overlayfs's, not this machine's security labels."""
    if name.startswith("user."):
        return not name.startswith("user.overlay.")
    if name.startswith("trusted."):
        return not name.startswith("trusted.overlay.")
    return name in ("security.capability", "system.posix_acl_access", "system.posix_acl_default")


def list_xattrs(target: int | bytes) -> list[str]:
    """Of an fd, or of a path whose last component is not followed; none where the file system keeps none."""
    try:
        return os.listxattr(target) if isinstance(target, int) else os.listxattr(target, follow_symlinks=False)
    except OSError as fault:
        if fault.errno in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            return []
        raise


def public_xattrs(target: int | bytes, names: list[str]) -> tuple[tuple[str, bytes], ...]:
    """Those of `names` that belong into a layer, sorted, with their values."""
    follow = isinstance(target, int)
    found = [(name, os.getxattr(target, name, follow_symlinks=follow)) for name in names if is_public(name)]
    return tuple(sorted(found, key=lambda pair: os.fsencode(pair[0])))


def is_opaque(fd: int, names: list[str]) -> bool:
    return OPAQUE_XATTR in names and os.getxattr(fd, OPAQUE_XATTR) == b"y"
