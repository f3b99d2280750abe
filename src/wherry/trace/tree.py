"""All that a folder of a layer holds, as one digest: it stands for the looks below it when a set gets too large."""

from __future__ import annotations

import os
import stat
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash

    from wherry.trace.values import Hashes

__all__ = ["tree_digest"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Where:
    """What a walk carries along. `first` gives the first name of an inode that has several."""

    def __init__(
        self, layer: int, hashes: Hashes, first: Callable[[int], bytes], describe: Callable[[int], str]
    ) -> None:
        self.layer, self.hashes, self.first, self.describe = layer, hashes, first, describe
        self.hashed: _Hash = sha256()

    def add(self, *fields: object) -> None:
        """Each with its length: no two lists of fields give the same bytes."""
        for field in fields:
            data = field if isinstance(field, bytes) else str(field).encode("utf-8", "surrogateescape")
            self.hashed.update(b"%d:" % len(data) + data)


def tree_digest(
    folder_fd: int,
    where: tuple[int, bytes],
    hashes: Hashes,
    first: Callable[[int], bytes],
    describe: Callable[[int], str],
) -> str:
    """Names, types, modes, owners, sizes, times, links, attributes and content of all below `folder_fd`, which lies at
    `where` (layer, path). `describe` gives what an open folder says of itself. No link is followed. Raises: OSError.
    """
    walk = _Where(where[0], hashes, first, describe)
    _folder(walk, folder_fd, where[1])
    return walk.hashed.hexdigest()


def _folder(walk: _Where, folder_fd: int, path: bytes) -> None:
    """By fds and a list, not by recursion: a layer may be deeper than Python's stack."""
    todo: list[tuple[int, bytes, list[bytes]]] = [(os.open(".", _FOLDER, dir_fd=folder_fd), path, [])]
    todo[0][2].extend(_names(todo[0][0]))
    try:
        while todo:
            fd, here, names = todo[-1]
            if not names:
                os.close(todo.pop()[0])
                walk.add("end")
                continue
            name = names.pop()
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            below = here + b"/" * bool(here) + name
            _entry(walk, fd, name, below, found)
            if stat.S_ISDIR(found.st_mode):
                child = os.open(name, _FOLDER, dir_fd=fd)
                todo.append((child, below, _names(child)))
                walk.add(walk.describe(child))
    finally:
        for fd, _, _ in todo:
            os.close(fd)


def _names(fd: int) -> list[bytes]:
    """Last first, to be taken from the end."""
    return sorted(map(os.fsencode, os.listdir(fd)), reverse=True)


def _entry(walk: _Where, fd: int, name: bytes, path: bytes, found: os.stat_result) -> None:
    is_folder = stat.S_ISDIR(found.st_mode)
    walk.add(name, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_rdev)
    if not is_folder:
        # As NODE tells them: a name outside this folder may be one more of the same file
        walk.add(found.st_size, found.st_nlink, walk.first(found.st_ino) if found.st_nlink > 1 else b"")
    at = b"/proc/self/fd/%d/%s" % (fd, name)
    for attribute in sorted(os.listxattr(at, follow_symlinks=False)):
        if not attribute.startswith("trusted.overlay."):
            walk.add(attribute, os.getxattr(at, attribute, follow_symlinks=False))
    if stat.S_ISLNK(found.st_mode):
        walk.add("link", os.readlink(name, dir_fd=fd))
    elif stat.S_ISREG(found.st_mode):
        file_fd = os.open(name, _FILE, dir_fd=fd)
        try:
            walk.add("content", walk.hashes.digest(walk.layer, path, file_fd))
        finally:
            os.close(file_fd)
