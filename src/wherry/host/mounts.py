"""Detached mounts of other kinds than overlays: file systems by their options, and clones of what is mounted already.

Spec: mount_setattr(2), open_tree(2), fsopen(2).
"""

from __future__ import annotations

import errno
import os

from wherry import lean_ctypes as ctypes
from wherry.errors import HostError
from wherry.fs import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.host._api import FileSystem

__all__ = ["clone", "file_system"]

_OPEN_TREE, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 430, 431, 432, 442
_SET_FLAG, _SET_STRING, _CMD_CREATE = 0, 1, 6
_CLOEXEC = 1
_CLONE, _RECURSIVE, _EMPTY_PATH = 0x1, 0x8000, 0x1000
_ATTRIBUTES = {
    "ro": 0x1, "nosuid": 0x2, "nodev": 0x4, "noexec": 0x8, "noatime": 0x10, "strictatime": 0x20, "nodiratime": 0x80,
    "relatime": 0,
}  # fmt: skip
_ATIME = 0x70
_PRIVATE = 1 << 18


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def file_system(wanted: FileSystem) -> int:
    """A mount fd; see Host.file_system. Raises: OSError."""
    try:
        context = kernel.call(_FSOPEN, wanted.fstype.encode(), _CLOEXEC, what=wanted.fstype)
    except OSError as fault:
        if fault.errno == errno.ENODEV:
            _explain_missing(wanted.fstype, fault)
        raise
    try:
        kernel.call(_FSCONFIG, context, _SET_STRING, b"source", os.fsencode(wanted.source), 0, what="source")
        for option in wanted.options:
            name, equals, value = option.partition("=")
            kind, text = (_SET_STRING, os.fsencode(value)) if equals else (_SET_FLAG, None)
            kernel.call(_FSCONFIG, context, kind, name.encode(), text, 0, what=option)
        if "ro" in wanted.attributes:
            kernel.call(_FSCONFIG, context, _SET_FLAG, b"ro", None, 0, what="ro")
        kernel.call(_FSCONFIG, context, _CMD_CREATE, None, None, 0, what=wanted.source)
        bits = 0
        for one in wanted.attributes:
            bits |= _ATTRIBUTES.get(one, 0)
        return kernel.call(_FSMOUNT, context, _CLOEXEC, bits, what=wanted.source)
    finally:
        os.close(context)


def _explain_missing(fstype: str, fault: OSError) -> None:
    """Raises: HostError for a file system that people know, with what brings it."""
    if fstype.startswith("nfs"):
        raise HostError(
            f"this kernel has no {fstype}: {os.strerror(errno.ENODEV).lower()}",
            hint="modprobe nfs (Debian: apt-get install nfs-common), or a kernel with CONFIG_NFS_FS",
        ) from fault


def clone(fd: int, *, recursive: bool, attributes: Sequence[str]) -> int:
    """A mount fd; see Host.clone. Raises: OSError."""
    flags = _CLONE | _EMPTY_PATH | os.O_CLOEXEC | (_RECURSIVE if recursive else 0)
    made = kernel.call(_OPEN_TREE, fd, b"", flags, what="open_tree")
    try:
        wanted = _Attributes()
        for one in attributes:
            if one == "private":
                wanted.propagation = _PRIVATE
                continue
            bits = _ATTRIBUTES.get(one, 0)
            wanted.set |= bits
            if bits & _ATIME or one == "relatime":
                wanted.clear |= _ATIME
        if attributes:
            kernel.call(
                _MOUNT_SETATTR, made, b"", _EMPTY_PATH | (_RECURSIVE if recursive else 0), ctypes.addressof(wanted),
                ctypes.sizeof(wanted), what="mount_setattr",
            )  # fmt: skip
    except BaseException:
        os.close(made)
        raise
    return made
