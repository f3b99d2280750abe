"""The traced layers as the kernel sees them: nodes with numbers, what was asked of each, and the answers.

The kernel asks for a name only in a node that we said is a folder, and layers never change: so no path here leads
through a link.
"""

from __future__ import annotations

import errno
import os
import stat

from wherry.trace import layer as files
from wherry.trace import wire
from wherry.trace.observe import CONTENT, LINK, LIST, MAX_LOOKS, MAX_PATH_BYTES, NODE, XATTRS, PathSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Layers", "Node"]

_TOP = 1


class Node:
    """`asked` counts the look-ups that the kernel has not forgotten."""

    __slots__ = ("asked", "inode", "layer", "mode", "number", "path", "size")

    def __init__(self, number: int, layer: int, path: bytes) -> None:
        self.number, self.layer, self.path = number, layer, path
        self.asked = self.mode = self.size = self.inode = 0


class Layers:
    """`folders`: base first. Node 1 is a folder of ours that holds them as "0", "1" and so on."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._roots = [os.open(one, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for one in folders]
        self._nodes: dict[int, Node] = {}
        self._numbers: list[dict[bytes, Node]] = [{} for _ in folders]
        self._next = _TOP + 1
        # The root of the merged tree is dressed as the uppermost layer's without asking here
        self._seen: list[dict[bytes, int]] = [{b"": NODE} for _ in folders]
        self._looks = len(folders)
        self.is_whole = False

    def path_set(self) -> PathSet:
        if self.is_whole:
            return PathSet(is_whole=True)
        return PathSet.of((layer, path, kinds) for layer, seen in enumerate(self._seen) for path, kinds in seen.items())

    def _note(self, layer: int, path: bytes, kind: int) -> None:
        if self.is_whole:
            return
        seen = self._seen[layer]
        before = seen.get(path, 0)
        if not before:
            self._looks += 1
            if self._looks > MAX_LOOKS or len(path) > MAX_PATH_BYTES:
                self.is_whole = True
                self._seen = [{} for _ in self._seen]
                return
        seen[path] = before | kind

    def lookup(self, parent: int, name: bytes) -> tuple[int, bytes] | None:
        """The node's number and attributes, or None when there is no such name."""
        if parent == _TOP:
            if not name.isdigit() or int(name) >= len(self._roots):
                return None
            layer, path = int(name), b""
        else:
            above = self._nodes[parent]
            layer, path = above.layer, above.path + b"/" + name if above.path else name
        self._note(layer, path, NODE)
        try:
            found = self._stat(layer, path)
        except FileNotFoundError:
            return None
        node = self._numbers[layer].get(path)
        if node is None:
            # The same number for the same name as long as the kernel knows it: it compares
            node = Node(self._next, layer, path)
            node.mode, node.size, node.inode = found.st_mode, found.st_size, found.st_ino
            self._nodes[self._next] = self._numbers[layer][path] = node
            self._next += 1
        node.asked += 1
        return node.number, _attributes(found)

    def forget(self, number: int, times: int) -> None:
        node = self._nodes.get(number)
        if node is None:
            return
        node.asked -= times
        if node.asked <= 0:
            del self._nodes[number], self._numbers[node.layer][node.path]

    def attributes(self, number: int) -> bytes:
        if number == _TOP:
            return wire.attributes(_TOP, stat.S_IFDIR | 0o755, wire.BLOCK_BYTES, 0, (1, 0, 0, 0))
        node = self._nodes[number]
        return _attributes(self._stat(node.layer, node.path))

    def target(self, number: int) -> bytes:
        node = self._nodes[number]
        self._note(node.layer, node.path, LINK)
        with _Near(self._roots[node.layer], node.path) as (fd, path):
            return os.readlink(path, dir_fd=fd)

    def open(self, number: int) -> int:
        """A fd; `is_read` says when something is read from it."""
        node = self._nodes[number]
        if not stat.S_ISREG(node.mode):
            raise OSError(errno.ENXIO, "not a file")
        return self._open(node, os.O_RDONLY | os.O_NOFOLLOW)

    def is_read(self, number: int) -> None:
        node = self._nodes[number]
        self._note(node.layer, node.path, CONTENT)

    def listing(self, number: int) -> list[bytes]:
        """The records of READDIR, in order, with . and .. ."""
        if number == _TOP:
            return list(_records([files.Entry(b"%d" % one, 4, one + 2) for one in range(len(self._roots))], _TOP))
        node = self._nodes[number]
        self._note(node.layer, node.path, LIST)
        fd = self._open(node, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return list(_records(files.entries(fd), node.inode))
        finally:
            os.close(fd)

    def xattr(self, number: int, name: bytes) -> bytes | None:
        if number == _TOP:
            return None
        node = self._nodes[number]
        if name.startswith(files.PRIVATE):
            # Of these a layer of ours has only this one, and it is part of what NODE is worth
            if name != files.OPAQUE or not stat.S_ISDIR(node.mode):
                return None
        else:
            self._note(node.layer, node.path, XATTRS)
        fd = self._open(node, os.O_PATH | os.O_NOFOLLOW)
        try:
            if name == files.OPAQUE:
                return b"y" if files.is_opaque(fd) else None
            return files.xattr(fd, name)
        finally:
            os.close(fd)

    def xattr_names(self, number: int) -> list[bytes]:
        if number == _TOP:
            return []
        node = self._nodes[number]
        self._note(node.layer, node.path, XATTRS)
        fd = self._open(node, os.O_PATH | os.O_NOFOLLOW)
        try:
            return files.xattr_names(fd)
        finally:
            os.close(fd)

    def _stat(self, layer: int, path: bytes) -> os.stat_result:
        if len(path) <= MAX_PATH_BYTES:
            return os.stat(path or b".", dir_fd=self._roots[layer], follow_symlinks=False)
        with _Near(self._roots[layer], path) as (fd, rest):
            return os.stat(rest, dir_fd=fd, follow_symlinks=False)

    def _open(self, node: Node, flags: int) -> int:
        with _Near(self._roots[node.layer], node.path) as (fd, path):
            return os.open(path, flags | os.O_CLOEXEC, dir_fd=fd)


class _Near:
    """A folder's fd and a path from there that is short enough for a system call."""

    def __init__(self, root: int, path: bytes) -> None:
        self._fd, self._path, self._mine = root, path or b".", False

    def __enter__(self) -> tuple[int, bytes]:
        while len(self._path) > MAX_PATH_BYTES:
            cut = self._path.rindex(b"/", 0, MAX_PATH_BYTES)
            head, self._path = self._path[:cut], self._path[cut + 1 :]
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            further = os.open(head, flags, dir_fd=self._fd)
            self.__exit__()
            self._fd, self._mine = further, True
        return self._fd, self._path

    def __exit__(self, *_: object) -> None:
        if self._mine:
            os.close(self._fd)
            self._mine = False


def _attributes(found: os.stat_result) -> bytes:
    told = files.node_attributes(found)
    major, minor = os.major(told.device), os.minor(told.device)
    device = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    return wire.attributes(found.st_ino, told.mode, told.size, told.mtime_ns, (told.links, told.uid, told.gid, device))


def _records(entries: Sequence[files.Entry], inode: int) -> Iterator[bytes]:
    dots = (files.Entry(b".", 4, inode), files.Entry(b"..", 4, inode))
    for offset, (name, kind, number) in enumerate((*dots, *entries), 1):
        record = wire.DIRENT.pack(number, offset, len(name), kind) + name
        yield record + bytes(-len(record) % 8)
