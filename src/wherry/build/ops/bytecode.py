"""The .pyc files that a step wrote, given the bytes that depend on their code alone (image.marshal_refs)."""

from __future__ import annotations

import os
import stat

from wherry.cancel import Cancel
from wherry.fs.tree import walk
from wherry.image.marshal_refs import settled

__all__ = ["settle"]

_LARGEST_BYTES = 16 << 20


def settle(upper: str, cancel: Cancel) -> int:
    """In place, in every __pycache__ below the upper folder, once its mount is gone. How many were changed.

    Elsewhere a .pyc is somebody's file, and not a cache that Python may write anew. Raises: OSError, Cancelled.
    """
    count = 0
    root_fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in walk(root_fd):
            if os.path.basename(folder.path) != b"__pycache__":
                continue
            cancel.check()
            for entry in folder.files:
                if entry.name.endswith(".pyc") and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    count += _settle(folder.fd, entry.name)
    finally:
        os.close(root_fd)
    return count


def _settle(dir_fd: int, name: str) -> bool:
    fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        size = os.fstat(fd).st_size
        if size > _LARGEST_BYTES:
            return False
        changed = settled(os.pread(fd, size, 0))
        if changed is not None:
            # In place: owner, mode and links stay. It is never longer than before
            os.pwrite(fd, changed, 0)
            os.ftruncate(fd, len(changed))
        return changed is not None
    finally:
        os.close(fd)
