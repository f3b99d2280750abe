"""Removing trees that a container or an archive made: any depth, any mode, no link followed."""

from __future__ import annotations

import errno
import os

__all__ = ["remove_at", "remove_tree"]

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROUNDS = 100


def remove_tree(path: str) -> None:
    """Remove `path`, whatever it is, and all below it. What vanishes meanwhile is no fault; nor is a missing `path`.

    Never crosses a symbolic link. Raises: OSError (EBUSY when something is mounted inside, EACCES, ...).
    """
    parent, name = os.path.split(path.rstrip("/"))
    try:
        dir_fd = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for _ in range(_ROUNDS):
            try:
                remove_at(dir_fd, os.fsencode(name))
                return
            except FileNotFoundError:
                # Gone, or somebody else removes it too, and took away the folder that we were in
                if not _is_there(dir_fd, name):
                    return
        raise OSError(errno.EBUSY, "folder keeps changing while it is removed", path)
    finally:
        os.close(dir_fd)


def remove_at(dir_fd: int, name: bytes) -> None:
    """Remove `name` in `dir_fd`, and all below it when it is a folder; links are removed, not followed.

    Raises: OSError (FileNotFoundError when there is nothing, ESTALE when the folder is moved meanwhile).
    """
    try:
        os.unlink(name, dir_fd=dir_fd)
    except IsADirectoryError:
        _empty(dir_fd, name)
        os.rmdir(name, dir_fd=dir_fd)


def _is_there(dir_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _empty(dir_fd: int, name: bytes) -> None:
    """Iterative, and going back by "..": neither the stack nor the number of fds grows with the depth."""
    here = _open(dir_fd, name)
    above: list[tuple[bytes, os.stat_result, list[bytes]]] = []
    try:
        folders = _unlink_files(here)
        while folders or above:
            if folders:
                below = folders.pop()
                try:
                    fd = _open(here, below)
                except FileNotFoundError:
                    continue
                above.append((below, os.fstat(here), folders))
                os.close(here)
                here = fd
                folders = _unlink_files(here)
                continue
            below, parent, folders = above.pop()
            fd = os.open(b"..", os.O_RDONLY | _FOLDER, dir_fd=here)
            os.close(here)
            here = fd
            if not os.path.samestat(parent, os.fstat(here)):
                # Somebody moved the folder: what is above it now is not ours to empty
                raise OSError(errno.ESTALE, "folder was moved while it was being removed", os.fsdecode(name))
            try:
                os.rmdir(below, dir_fd=here)
            except FileNotFoundError:
                continue
    finally:
        os.close(here)


def _open(dir_fd: int, name: bytes) -> int:
    """The folder, to be listed and emptied: without root, its mode may stand in the way."""
    try:
        fd = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=dir_fd)
    except PermissionError:
        fd = os.open(name, os.O_PATH | _FOLDER, dir_fd=dir_fd)
        try:
            # By the fd: the name could be a link by now
            os.chmod(f"/proc/self/fd/{fd}", 0o700)
        finally:
            os.close(fd)
        fd = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=dir_fd)
    try:
        if os.fstat(fd).st_mode & 0o700 != 0o700:
            os.fchmod(fd, 0o700)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _unlink_files(fd: int) -> list[bytes]:
    """Remove all but the folders; their names."""
    folders = []
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if is_folder:
            folders.append(os.fsencode(name))
            continue
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            continue
    return folders
