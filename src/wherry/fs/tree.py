"""Trees walked by folder fds: a link put in the way while the walk runs is refused, never followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root

__all__ = ["Folder", "disk_usage", "open_folder", "walk"]


class Folder(NamedTuple):
    """One folder of a walk. `path` is relative to the root (b"" is the root itself); `fd` lives until the next step.

    `files` are all entries but folders, sorted by name as bytes; `folders` too, and taking names out of it keeps
    the walk from going there.
    """

    path: bytes
    fd: int
    files: list[os.DirEntry[str]]
    folders: list[bytes]


def open_folder(root_fd: int, path: bytes = b"") -> int:
    """The folder `path` below `root_fd`, to be listed; no component may be a link. The caller closes.

    Raises: OSError.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    return open_in_root(root_fd, path or b".", flags, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)


def walk(root_fd: int, start: bytes = b"", *, live: bool = False) -> Iterator[Folder]:
    """Each folder at or below `start`, a parent before its children, siblings sorted by name as bytes.

    One fd is open at a time, however deep the tree. `live` skips folders that vanish or become links meanwhile.
    Raises: OSError (ENAMETOOLONG for a path over 4095 bytes).
    """
    pending = [start]
    while pending:
        path = pending.pop()
        try:
            fd = open_folder(root_fd, path)
        except OSError as fault:
            if live and path != start and fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                continue
            raise
        try:
            files: list[os.DirEntry[str]] = []
            folders: list[bytes] = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(os.fsencode(entry.name))
                    else:
                        files.append(entry)
            files.sort(key=lambda entry: os.fsencode(entry.name))
            folders.sort()
            yield Folder(path, fd, files, folders)
        finally:
            os.close(fd)
        prefix = path + b"/" if path else b""
        pending += [prefix + name for name in reversed(folders)]


def disk_usage(path: str) -> int:
    """Bytes of all files below the folder, a hard-linked one once; 0 when there is no such folder.

    What vanishes meanwhile, can't be read, or lies behind a path of more than 4095 bytes does not count: no container
    can keep its size from being told. Raises: OSError when `path` can't be opened.
    """
    try:
        root_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    total, pending = 0, [b""]
    seen: set[tuple[int, int]] = set()
    try:
        while pending:
            here = pending.pop()
            try:
                fd = open_folder(root_fd, here)
            except OSError:
                continue
            try:
                size, folders = _measure(fd, seen)
            finally:
                os.close(fd)
            total += size
            pending += [b"/".join((here, name)) if here else name for name in folders]
    finally:
        os.close(root_fd)
    return total


def _measure(fd: int, seen: set[tuple[int, int]]) -> tuple[int, list[bytes]]:
    """Bytes of the files in one folder, and its folders; `seen` keeps what has several links."""
    total, folders = 0, []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(os.fsencode(entry.name))
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            known = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and known in seen:
                continue
            if status.st_nlink > 1:
                seen.add(known)
            total += status.st_size
    return total, folders
