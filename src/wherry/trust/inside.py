"""Files of an image as its containers would see them, read from its layer folders: nothing is mounted or run.

Links are not followed at all: what is wanted lies where the package managers put it, under its real name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root
from wherry.fs.tree import Folder, walk

__all__ = ["Inside"]

# Not the "user" one, which an archive from outside can carry: it would hide packages from the list alone
_OPAQUE = "trusted.overlay.opaque"


class Inside:
    """The regular files that `wanted(path)` asks for, in the merged view of `folders` (base layer first).

    Paths are relative, as bytes. Use as a context: it holds one fd for each layer. Raises: OSError.
    """

    def __init__(self, folders: Sequence[str], wanted: Callable[[bytes], bool]) -> None:
        self._wanted = wanted
        self._found: dict[bytes, int] = {}
        # Every folder above a found file: most paths of a layer hide nothing, and this tells so at once
        self._above: set[bytes] = set()
        self._stack = ExitStack()
        self._roots: list[int] = []
        try:
            for number, folder in enumerate(folders):
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._stack.callback(os.close, fd)
                self._roots.append(fd)
                self._add_layer(number, fd)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def paths(self) -> list[bytes]:
        """Sorted."""
        return sorted(self._found)

    def read(self, path: bytes, limit_bytes: int) -> bytes:
        """Up to `limit_bytes` of a file of `paths`; b"" when it is not there or no regular file any more."""
        if path not in self._found:
            return b""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = open_in_root(
                self._roots[self._found[path]], path, flags, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
            )
        except OSError as fault:
            if fault.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                return b""
            raise
        with os.fdopen(fd, "rb") as file:
            return file.read(limit_bytes) if stat.S_ISREG(os.fstat(fd).st_mode) else b""

    def _add_layer(self, number: int, root_fd: int) -> None:
        for folder in walk(root_fd):
            if number and _is_opaque(folder):
                self._hide(folder.path, itself=False)
            prefix = folder.path + b"/" if folder.path else b""
            for entry in folder.files:
                path = prefix + os.fsencode(entry.name)
                is_file = entry.is_file(follow_symlinks=False)
                if number:
                    # A whiteout, or anything that is no folder, hides what lies there below
                    self._hide(path)
                if is_file and self._wanted(path):
                    self._found[path] = number
                    parts = folder.path.split(b"/")
                    self._above.update(b"/".join(parts[: end + 1]) for end in range(len(parts)))
            if number:
                for name in folder.folders:
                    self._found.pop(prefix + name, None)

    def _hide(self, path: bytes, *, itself: bool = True) -> None:
        if itself:
            self._found.pop(path, None)
        if path not in self._above and path:
            return
        below = path + b"/" if path else b""
        for name in [one for one in self._found if one.startswith(below)]:
            del self._found[name]


def _is_opaque(folder: Folder) -> bool:
    try:
        return os.getxattr(folder.fd, _OPAQUE) == b"y"
    except OSError:
        return False
