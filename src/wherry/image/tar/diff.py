"""An overlay's upper folder as a layer folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from wherry.fs.tree import walk
from wherry.image.tar import whiteout

__all__ = ["DiffStat", "Note", "normalise"]


class DiffStat(NamedTuple):
    """`entries` counts all below the root, whiteouts too (0: the step changed nothing); `size` is the files' bytes."""

    entries: int
    size: int


class Note(Protocol):
    """Told of each folder of the walk, a parent before its children: what stays of it, and whether it is opaque."""

    def __call__(
        self, path: bytes, files: Sequence[tuple[bytes, os.stat_result]], folders: Sequence[bytes], is_opaque: bool, /
    ) -> object: ...


def normalise(folder: str, *, clamp_ns: int, note: Note | None = None) -> DiffStat:
    """In place: every time becomes `clamp_ns`, overlay's private attributes but "opaque" go, and all sockets.

    Idempotent. Raises: OSError.
    """
    entries = size = 0
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linked: set[int] = set()
        for one in walk(root_fd):
            entries += len(one.folders)
            files: list[tuple[bytes, os.stat_result]] = []
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
                _normalise_file(one.fd, name, clamp_ns)
                files.append((name, status))
            is_opaque = _normalise_folder(one.fd, clamp_ns)
            if note:
                note(one.path, files, one.folders, is_opaque)
    finally:
        os.close(root_fd)
    return DiffStat(entries, size)


def _normalise_file(dir_fd: int, name: bytes, clamp_ns: int) -> None:
    path = b"/proc/self/fd/%d/%b" % (dir_fd, name)
    for key in whiteout.list_xattrs(path):
        if key.startswith(whiteout.PRIVATE):
            os.removexattr(path, key, follow_symlinks=False)
    os.utime(name, ns=(clamp_ns, clamp_ns), dir_fd=dir_fd, follow_symlinks=False)


def _normalise_folder(fd: int, clamp_ns: int) -> bool:
    names = whiteout.list_xattrs(fd)
    opaque = whiteout.is_opaque(fd, names)
    for key in names:
        if key.startswith(whiteout.PRIVATE) and not (opaque and key == whiteout.OPAQUE_XATTR):
            os.removexattr(fd, key)
    os.utime(fd, ns=(clamp_ns, clamp_ns))
    return opaque
