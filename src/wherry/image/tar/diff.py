"""An overlay's upper folder as a layer folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from wherry.fs.kernel import RESOLVE_NO_SYMLINKS, open_in_root
from wherry.fs.tree import Folder, walk
from wherry.image.tar import whiteout

__all__ = ["DiffStat", "normalise"]


class DiffStat(NamedTuple):
    """`entries` counts all below the root, whiteouts too (0: the step changed nothing); `size` is the files' bytes."""

    entries: int
    size: int


def normalise(folder: str, *, clamp_ns: int, lowers: Sequence[str] | None = None) -> DiffStat:
    """In place: every time becomes `clamp_ns`, overlay's private attributes but "opaque" go, and all sockets.

    `lowers`, the layer folders below (any order), take "opaque" from folders that hide nothing: overlayfs marks each
    new folder in a merged one, so the same files would give another layer on another base.
    Idempotent. Raises: OSError.
    """
    entries = size = 0
    with ExitStack() as stack:
        root_fd = _opened(folder, stack)
        below = None if lowers is None else [_opened(lower, stack) for lower in lowers]
        linked: set[int] = set()
        for one in walk(root_fd):
            entries += len(one.folders)
            for entry in one.files:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISSOCK(status.st_mode):
                    os.unlink(entry.name, dir_fd=one.fd)
                    continue
                entries += 1
                if stat.S_ISREG(status.st_mode) and not (status.st_nlink > 1 and status.st_ino in linked):
                    linked.add(status.st_ino)
                    size += status.st_size
                name = os.fsencode(entry.name)
                path = b"/proc/self/fd/%d/%b" % (one.fd, name)
                for key in whiteout.list_xattrs(path):
                    if key.startswith(whiteout.PRIVATE):
                        os.removexattr(path, key, follow_symlinks=False)
                os.utime(name, ns=(clamp_ns, clamp_ns), dir_fd=one.fd, follow_symlinks=False)
            _normalise_folder(one, below)
            os.utime(one.fd, ns=(clamp_ns, clamp_ns))
    return DiffStat(entries, size)


def _opened(folder: str, stack: ExitStack) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def _normalise_folder(folder: Folder, below: list[int] | None) -> None:
    names = whiteout.list_xattrs(folder.fd)
    hides = whiteout.is_opaque(folder.fd, names) and (below is None or any(_is_folder(fd, folder.path) for fd in below))
    for key in names:
        if key.startswith(whiteout.PRIVATE) and not (hides and key == whiteout.OPAQUE_XATTR):
            os.removexattr(folder.fd, key)


def _is_folder(root_fd: int, path: bytes) -> bool:
    try:
        fd = open_in_root(
            root_fd, path or b".", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS
        )
    except OSError:
        return False
    os.close(fd)
    return True
