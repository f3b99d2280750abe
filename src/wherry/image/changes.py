"""What a container changed: its overlay's upper folder beside the layers below it, as `docker diff` lists it.

Docker's rules: a folder counts as changed when its mode, owner or something in it changed, whatever its time says; of
a removed folder only the folder is named; what is new is named whole.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack

from wherry.fs.tree import Folder, open_folder, walk
from wherry.image.tar import whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["ADDED", "CHANGED", "DELETED", "DRESSING", "Change", "changes", "folder_says_nothing", "is_dressing"]

ADDED, CHANGED, DELETED = "A", "C", "D"

_CAPABILITY = "security.capability"
_FILES = frozenset({".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"})
_FOLDERS = frozenset({"dev", "dev/mqueue", "dev/pts", "dev/shm", "etc", "proc", "sys"})

DRESSING = _FILES | _FOLDERS
"""What a start makes in a container to mount something on; docker keeps it in a layer that nothing shows."""


class Change(NamedTuple):
    """`kind` is ADDED, CHANGED or DELETED; `path` is absolute in the container."""

    kind: str
    path: bytes


def is_dressing(path: bytes, status: os.stat_result) -> bool:
    """Whether what is not a folder (a relative path) is as a start made it."""
    if os.fsdecode(path) not in _FILES:
        return False
    if path == b"etc/mtab":
        return stat.S_ISLNK(status.st_mode)
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def folder_says_nothing(whole: str, path: str, lower_fd: int) -> bool:
    """Whether the empty folder `whole` of an upper folder, at `path` in the container, may be left out of a layer."""
    if path not in _FOLDERS or _is_opaque(whole):
        return False
    try:
        fd = open_folder(lower_fd, os.fsencode(path))
    except OSError:
        return True
    try:
        return not _differs(os.fstat(fd), os.lstat(whole))
    finally:
        os.close(fd)


def changes(upper_fd: int, lower_fd: int) -> list[Change]:
    """Sorted by path. `lower_fd` shows all layers as one tree. The upper folder may change meanwhile."""
    found: dict[bytes, str] = {}
    for folder in walk(upper_fd, live=True):
        with ExitStack() as stack:
            lower = _open_lower(lower_fd, folder.path, stack)
            _folder(folder, lower, found)
    for path in list(found):
        above = path.rpartition(b"/")[0]
        while above:
            found.setdefault(above, CHANGED)
            above = above.rpartition(b"/")[0]
    return [Change(kind, b"/" + path) for path, kind in sorted(found.items())]


def _open_lower(lower_fd: int, path: bytes, stack: ExitStack) -> int | None:
    """The layers' folder at `path`; None when there is none."""
    try:
        fd = open_folder(lower_fd, path)
    except OSError:
        return None
    stack.callback(os.close, fd)
    return fd


def _folder(folder: Folder, lower: int | None, found: dict[bytes, str]) -> None:
    prefix = folder.path + b"/" if folder.path else b""
    there = set(folder.folders)
    for entry in folder.files:
        name = os.fsencode(entry.name)
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if whiteout.is_whiteout(status):
            if lower is not None and _status(lower, name):
                found[prefix + name] = DELETED
            there.add(name)
            continue
        there.add(name)
        if not is_dressing(prefix + name, status):
            _compare(folder.fd, lower, name, prefix + name, status, found)
    for name in folder.folders:
        is_dressing_folder = os.fsdecode(prefix + name) in _FOLDERS
        if not is_dressing_folder or (lower is not None and _status(lower, name)):
            _compare(folder.fd, lower, name, prefix + name, _status(folder.fd, name), found)
    if lower is not None and whiteout.is_opaque(folder.fd, whiteout.list_xattrs(folder.fd)):
        for gone in set(os.listdir(lower)) - {os.fsdecode(name) for name in there}:
            found[prefix + os.fsencode(gone)] = DELETED


def _is_opaque(path: str) -> bool:
    return whiteout.OPAQUE_XATTR in whiteout.list_xattrs(os.fsencode(path))


def _status(dir_fd: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _compare(
    upper: int, lower: int | None, name: bytes, path: bytes, now: os.stat_result | None, found: dict[bytes, str]
) -> None:
    before = None if lower is None else _status(lower, name)
    if now is None:
        return
    if before is None or lower is None:
        found[path] = ADDED
    elif _differs(before, now) or _capability(lower, name) != _capability(upper, name):
        found[path] = CHANGED


def _differs(before: os.stat_result, now: os.stat_result) -> bool:
    if (before.st_mode, before.st_uid, before.st_gid, before.st_rdev) != (
        now.st_mode, now.st_uid, now.st_gid, now.st_rdev,
    ):  # fmt: skip
        return True
    if stat.S_ISDIR(now.st_mode):
        return False
    return (before.st_mtime_ns, before.st_size) != (now.st_mtime_ns, now.st_size)


def _capability(dir_fd: int, name: bytes) -> bytes:
    try:
        return os.getxattr(b"/proc/self/fd/%d/%b" % (dir_fd, name), _CAPABILITY, follow_symlinks=False)
    except OSError:
        return b""
