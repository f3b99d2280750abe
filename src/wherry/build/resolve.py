"""Paths inside a tree, links followed as if the tree's root were "/"."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["lstat", "make_folders", "open_folder", "resolve"]

_MOST_LINKS = 255


def lstat(root_fd: int, path: str) -> os.stat_result | None:
    """Of `path` below the root ("" is the root), its last component not followed; None when it is not there, or lies
    behind a link: the kernel would follow an absolute one to this machine's files.
    """
    parent, _, name = path.rpartition("/")
    try:
        if not parent:
            return os.stat(name or ".", dir_fd=root_fd, follow_symlinks=False)
        fd = open_folder(root_fd, parent, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            return None
        raise
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    finally:
        os.close(fd)


def resolve(root_fd: int, path: str) -> str:
    """The path without links, ".", ".." and slashes at the ends, whether it exists or not; "" is the root.

    Every link is followed, the last one and dangling ones too; none leads outside. The tree must not be changed by
    others meanwhile (open the result with `open_in_root` where it may). Raises: OSError (ELOOP).
    """
    done: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part]
    links = 0
    while todo:
        part = todo.pop()
        if part == ".":
            continue
        if part == "..":
            del done[-1:]
            continue
        here = "/".join([*done, part])
        found = lstat(root_fd, here)
        if found is None or not stat.S_ISLNK(found.st_mode):
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(here, dir_fd=root_fd)
        if target.startswith("/"):
            done.clear()
        todo += [piece for piece in reversed(target.split("/")) if piece]
    return "/".join(done)


def open_folder(root_fd: int, path: str, access: int = os.O_RDONLY) -> int:
    """An fd of the folder, readable or with O_PATH; no component may be a link. The caller closes. Raises: OSError."""
    from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root

    flags = access | os.O_DIRECTORY | os.O_NOFOLLOW
    return open_in_root(root_fd, path or ".", flags, resolve=RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)


def make_folders(root_fd: int, path: str, owner: tuple[int, int], mode: int = 0o755) -> None:
    """Make the folder and its missing parents, those that it makes owned by `owner`. `path` holds no links.

    Raises: NotADirectoryError, OSError.
    """
    made = ""
    for part in path.split("/"):
        if not part:
            continue
        made = f"{made}/{part}" if made else part
        found = lstat(root_fd, made)
        if found is None:
            os.mkdir(made, 0o700, dir_fd=root_fd)
            os.chown(made, *owner, dir_fd=root_fd, follow_symlinks=False)
            os.chmod(made, mode, dir_fd=root_fd)
        elif not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "/" + made)
