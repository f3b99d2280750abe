"""What a path set is worth in given layers: the same function after the step, and at each later look-up.

A layer may hold any link, and a path set may come from elsewhere: nothing here follows a link or leaves a layer folder,
and only regular files and folders are ever opened.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from wherry.fs import kernel
from wherry.trace import layer as files
from wherry.trace.observe import CONTENT, LINK, LIST, NODE, TREE, XATTRS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from wherry.cancel import Cancel
    from wherry.trace.observe import Look, PathSet
else:
    from wherry.lean import Protocol

__all__ = ["ABSENT", "Contents", "Evaluator", "Hashes", "values"]

ABSENT = "absent"
_WALK = kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_READ_BYTES = 1 << 20
_SHOWN_BYTES = 4096
_TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}  # fmt: skip
_ENTRY = {4: b"d", 8: b"f", 10: b"l", 2: b"c", 6: b"b", 1: b"p", 12: b"s"}


class Hashes(Protocol):
    """Content digests. Layers never change: whoever implements it may remember by layer and path."""

    def digest(self, layer: int, path: bytes, fd: int) -> str:
        """Of all that the regular file `fd` holds; `layer` and `path` as in a Look. Raises: OSError, Cancelled."""


class Contents:
    """Reads; remembers nothing."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel

    def digest(self, layer: int, path: bytes, fd: int) -> str:
        hashed = sha256()
        buffer = bytearray(_READ_BYTES)
        view = memoryview(buffer)
        while count := os.readv(fd, [buffer]):
            self._cancel.check()
            hashed.update(view[:count])
        return hashed.hexdigest()


def values(paths: PathSet, folders: Sequence[str], hashes: Hashes) -> tuple[str, ...]:
    """One string for each look, in order. `folders`: the fs folder of each traced layer, base first.

    Raises: OSError, Cancelled; ValueError for a whole set, which has no values.
    """
    if paths.is_whole:
        raise ValueError("a whole set stands for the layers themselves")
    with Evaluator(folders, hashes) as evaluator:
        return tuple(evaluator.value(look) for look in paths.looks)


class Evaluator:
    """Values in one list of layers, each worked out once for all path sets that ask for it. Close it, or use `with`."""

    def __init__(self, folders: Sequence[str], hashes: Hashes) -> None:
        self._folders = folders
        self._hashes = hashes
        self._fds: dict[int, int] = {}
        self._known: dict[tuple[int, bytes, int], str] = {}
        self._first: dict[int, dict[int, bytes]] = {}

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def value(self, look: Look) -> str:
        """The parts of all its kinds. A layer that is not there holds nothing. Raises: OSError, Cancelled."""
        kinds = look.kinds
        return "; ".join(
            self.part(look.layer, look.path, kind) for kind in (NODE, LINK, LIST, XATTRS, CONTENT, TREE) if kinds & kind
        )

    def part(self, layer: int, path: bytes, kind: int) -> str:
        """What one kind is worth; CONTENT and LIST read, the others cost a few microseconds. Raises: as `value`."""
        key = (layer, path, kind)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work_out(layer, path, kind)
        return found

    def _work_out(self, layer: int, path: bytes, kind: int) -> str:
        if layer >= len(self._folders):
            return ABSENT
        try:
            fd = kernel.open_in_root(self._root(layer), path, os.O_PATH | os.O_NOFOLLOW, resolve=_WALK)
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        except OSError as fault:
            # A link where the step saw a folder; or a name that this file system can't hold
            if fault.errno in (40, 36):
                return ABSENT
            raise
        try:
            found = os.fstat(fd)
            if kind == NODE:
                return self._node(layer, path, fd, found)
            if kind == CONTENT:
                return self._content(layer, path, found)
            if kind == LINK:
                return f"-> {_show(os.readlink(b'', dir_fd=fd))}" if stat.S_ISLNK(found.st_mode) else "no link"
            if kind == LIST:
                return _listing(fd) if stat.S_ISDIR(found.st_mode) else "no folder"
            if kind == TREE:
                return self._tree(layer, path, fd) if stat.S_ISDIR(found.st_mode) else "no folder"
            return _xattrs(fd)
        finally:
            os.close(fd)

    def _tree(self, layer: int, path: bytes, fd: int) -> str:
        from wherry.trace.tree import tree_digest

        def describe(folder_fd: int) -> str:
            return "opaque" if files.is_opaque(folder_fd) else ""

        return tree_digest(fd, (layer, path), self._hashes, lambda inode: self._first_name(layer, inode), describe)

    def _root(self, layer: int) -> int:
        if layer not in self._fds:
            self._fds[layer] = os.open(self._folders[layer], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._fds[layer]

    def _node(self, layer: int, path: bytes, fd: int, found: os.stat_result) -> str:
        told = files.node_attributes(found)
        kind = stat.S_IFMT(told.mode)
        # A root's times are no part of a layer, and a pulled one has others; steps see those of their own upper folder
        time = str(told.mtime_ns) if path else "-"
        words = [_TYPES.get(kind, "?"), f"{stat.S_IMODE(told.mode):o}", f"{told.uid}:{told.gid}", time]
        words.append(str(told.size))
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            words.append(f"{os.major(told.device)}:{os.minor(told.device)}")
        if kind == stat.S_IFDIR:
            words += ["opaque"] if files.is_opaque(fd) else []
        elif told.links > 1:
            # A step can tell which names are one file: the first name of each stands for it
            words.append(f"{told.links} links {_show(self._first_name(layer, found.st_ino))}")
        return " ".join(words)

    def _content(self, layer: int, path: bytes, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "no file"
        fd = kernel.open_in_root(self._root(layer), path, os.O_RDONLY | os.O_NOFOLLOW, resolve=_WALK)
        try:
            return self._hashes.digest(layer, path, fd)
        finally:
            os.close(fd)

    def _first_name(self, layer: int, inode: int) -> bytes:
        if layer not in self._first:
            self._first[layer] = _first_names(self._root(layer))
        return self._first[layer][inode]


def _show(name: bytes) -> str:
    """Readable, printable as UTF-8, and another text for other bytes."""
    return name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _listing(fd: int) -> str:
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        found = files.entries(folder)
    finally:
        os.close(folder)
    whole = b"/".join(_ENTRY.get(one.kind, b"?") + one.name for one in found)
    if len(whole) <= _SHOWN_BYTES:
        return f"holds {_show(whole)}"
    return f"holds {len(found)} names {sha256(whole).hexdigest()}"


def _xattrs(fd: int) -> str:
    names = files.xattr_names(fd)
    hashed = sha256()
    for name in names:
        value = files.xattr(fd, name) or b""
        hashed.update(b"%d:%s%d:" % (len(name), name, len(value)) + value)
    return f"attributes {len(names)} {hashed.hexdigest()}" if names else "no attributes"


def _first_names(root: int) -> dict[int, bytes]:
    """inode → the first of its names in order, for every file with several names in this layer."""
    found: dict[int, bytes] = {}
    todo = [b""]
    while todo:
        path = todo.pop()
        try:
            fd = kernel.open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=_WALK)
        except OSError as fault:
            if fault.errno == 36:  # deeper than a Look can name
                continue
            raise
        try:
            with os.scandir(fd) as entries:
                for one in entries:
                    name = path + b"/" * bool(path) + os.fsencode(one.name)
                    status = one.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        todo.append(name)
                    elif status.st_nlink > 1:
                        found[status.st_ino] = min(name, found.get(status.st_ino, name))
        finally:
            os.close(fd)
    return found
