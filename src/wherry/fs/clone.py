"""A file's bytes in another file, shared on the disk where the file system can (btrfs, XFS), copied where not.

Never a hard link: the two may change apart from each other.
"""

from __future__ import annotations

import errno
import fcntl
import os

__all__ = ["clone_or_copy", "shares"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FICLONE = 0x40049409
_CHUNK = 16 << 20


def shares(source_fd: int, sink_fd: int) -> bool:
    """Have `sink_fd` share all blocks of `source_fd`; False when the file system can't. Spec: ioctl_ficlone(2)."""
    try:
        fcntl.ioctl(sink_fd, _FICLONE, source_fd)
    except OSError as fault:
        if fault.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


def clone_or_copy(source_fd: int, sink_fd: int, advance: Callable[[int], None]) -> None:
    """All of a regular file into an empty one, by the kernel. `advance(done_bytes)` may raise. Raises: OSError."""
    if shares(source_fd, sink_fd):
        return
    at = 0
    while count := _some(source_fd, sink_fd, at):
        at += count
        advance(at)


def _some(source_fd: int, sink_fd: int, at: int) -> int:
    try:
        return os.copy_file_range(source_fd, sink_fd, _CHUNK, at, at)
    except OSError as fault:
        if fault.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    return os.pwrite(sink_fd, os.pread(source_fd, 1 << 20, at), at)
