"""Removing trees that a container or an archive made: any depth, any mode, no link followed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

__all__ = ["remove_tree"]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200  # folders held open at once


def remove_tree(path: str) -> None:
    """Remove `path`, whatever it is, and all below it. What vanishes meanwhile is no fault; nor is a missing `path`.

    Never crosses a symbolic link. Raises: OSError (EBUSY when something is mounted inside, EACCES, ...).
    """
    parent, name = os.path.split(path.rstrip("/"))
    try:
        top = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        while not _remove(top, name, top, name, 0):
            pass
    finally:
        os.close(top)


def _remove(folder: int, name: str, top: int, root: str, depth: int) -> bool:
    """Remove the entry. False when a part was too deep: it was moved up beside, and another round is needed."""
    try:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            os.unlink(name, dir_fd=folder)
            return True
    except FileNotFoundError:
        return True
    if depth >= _DEEPEST:
        # Neither recursion nor open files are endless: hang the deep part directly under the root
        os.rename(name, f"{root}/.deep-{os.urandom(8).hex()}", src_dir_fd=folder, dst_dir_fd=top)
        return False
    try:
        fd = os.open(name, _OPEN, dir_fd=folder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)
        fd = os.open(name, _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return True
    try:
        whole = _empty(fd, top, root, depth)
    finally:
        os.close(fd)
    if whole:
        with suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=folder)
    return whole


def _empty(fd: int, top: int, root: str, depth: int) -> bool:
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    whole = True
    for name, is_folder in found:
        try:
            if is_folder:
                whole = _remove(fd, name, top, root, depth + 1) and whole
            else:
                os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            continue
        except PermissionError:
            os.fchmod(fd, 0o700)
            if is_folder:
                whole = _remove(fd, name, top, root, depth + 1) and whole
            else:
                os.unlink(name, dir_fd=fd)
    return whole
