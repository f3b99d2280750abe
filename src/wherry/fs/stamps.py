"""When a file's times and inode tell that its content is the same as before.

A program can set mtime to anything, and ctime to nothing: on file systems that keep it, it says when the inode changed
last. Not all do (FAT), some ask a server that may be asked too seldom (NFS), and in images made for the purpose it is
a constant (squashfs, ISO 9660).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os

__all__ = ["identity", "is_written_to"]

_DEPENDABLE = frozenset({
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # btrfs
    0x01021994,  # tmpfs
    0x858458F6,  # ramfs
    0x794C7630,  # overlayfs
    0x2FC12FC1,  # ZFS
    0xF2F52010,  # F2FS
    0xCA451A4E,  # bcachefs
})  # fmt: skip
_F_SETSIG, _SIGURG = 10, 23  # not from `signal`, which loads enum
_STATFS_BYTES, _FSID_AT = 120, 56

_libc = ctypes.CDLL(None, use_errno=True)


def identity(fd: int, dependable: frozenset[int] = _DEPENDABLE) -> int | None:
    """A number for the file system that holds the open file, None when its change times can't be believed.

    Of the device's number and the file system's own: a device's number is used again by what is mounted next.
    Raises: OSError.
    """
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.fstatfs(fd, buffer) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    kind = int.from_bytes(buffer.raw[:4], "little")
    if kind not in dependable:
        return None
    own = int.from_bytes(buffer.raw[_FSID_AT : _FSID_AT + 8], "little")
    # 63 bits, as SQLite keeps
    return (own ^ os.fstat(fd).st_dev * 0x9E3779B97F4A7C15) & 0x7FFFFFFFFFFFFFFF


def is_written_to(fd: int) -> bool:
    """Whether anybody has the file open for writing, or mapped, or that can't be told. `fd` is open for reading alone.

    Whoever writes to a mapped page again before it was written back changes content, and no time. Asked by a lease,
    which the kernel gives for reading only while there is no writer, and which is given back at once.
    Spec: fcntl(2), "Leases".
    """
    try:
        # A writer that comes in between is told to us by a signal: one that does nothing, not SIGIO, which kills
        fcntl.fcntl(fd, _F_SETSIG, _SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as fault:
        if fault.errno in (errno.EAGAIN, errno.EACCES, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP):
            return True
        raise
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
