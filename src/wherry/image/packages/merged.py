"""An image's tree as its containers see it, made from its layer folders: nothing is mounted or run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from wherry.fs.tree import Folder, walk
from wherry.image.packages import record
from wherry.image.packages.record import SUFFIX, Package
from wherry.image.tar import whiteout

__all__ = ["Installed", "Merged", "Node"]


class Node:
    """One entry. `layer` is the number of the layer that it comes from (base 0); `below` is None but for folders."""

    __slots__ = ("below", "layer", "status")

    def __init__(self, layer: int, status: os.stat_result) -> None:
        self.layer = layer
        self.status = status
        self.below: dict[bytes, Node] | None = {} if stat.S_ISDIR(status.st_mode) else None

    def walk(self, path: bytes = b"") -> Iterator[tuple[bytes, Node]]:
        """Everything below, a folder before what is in it, names sorted as bytes."""
        pending = [(path, self)]
        while pending:
            here, node = pending.pop()
            if node is not self:
                yield here, node
            names = sorted(node.below or (), reverse=True)
            pending += [(here + b"/" + name if here else name, (node.below or {})[name]) for name in names]


class Installed:
    """A Python distribution whose METADATA is in layer number `layer`. `files` are those of RECORD that are there."""

    __slots__ = ("files", "layer", "package", "size")

    def __init__(self, package: Package, layer: int, files: Sequence[tuple[bytes, int]]) -> None:
        self.package = package
        self.layer = layer
        self.files = [path for path, _ in files]
        self.size = sum(size for _, size in files)


class Merged:
    """The layer folders `folders`, base first, merged. Use as a context: it holds one fd for each. Raises: OSError."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._stack = ExitStack()
        self.root_fds: list[int] = []
        self.root = Node(0, os.stat("/"))
        try:
            for number, folder in enumerate(folders):
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._stack.callback(os.close, fd)
                self.root_fds.append(fd)
                self._add(number, fd)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Merged:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def find(self, path: bytes) -> Node | None:
        """No link is followed."""
        node: Node | None = self.root
        for name in path.split(b"/"):
            if node is None or node.below is None:
                return None
            node = node.below.get(name)
        return node

    def installed(self) -> list[Installed]:
        """Sorted by name, version and place."""
        found = []
        for path, node in self.root.walk():
            metadata = (node.below or {}).get(b"METADATA") if path.endswith(SUFFIX) else None
            package = record.named(path) if metadata else None
            if metadata and package:
                found.append(Installed(package, metadata.layer, list(self._claimed(path))))
        return sorted(found, key=lambda one: one.package)

    def _claimed(self, folder: bytes) -> Iterator[tuple[bytes, int]]:
        node = self.find(folder + b"/RECORD")
        if node is None:
            return
        data = record.read(self.root_fds[node.layer], folder + b"/RECORD")
        for path in dict.fromkeys(claim.path for claim in record.claims(data, folder)):
            found = self.find(path)
            if found and stat.S_ISREG(found.status.st_mode):
                yield path, found.status.st_size

    def _add(self, number: int, root_fd: int) -> None:
        here = {b"": self.root}
        for folder in walk(root_fd):
            node = here.pop(folder.path)
            assert node.below is not None
            if not folder.path:
                node.layer, node.status = number, os.fstat(folder.fd)
            if whiteout.is_opaque(folder.fd, whiteout.list_xattrs(folder.fd)):
                node.below.clear()
            for entry in folder.files:
                status, name = entry.stat(follow_symlinks=False), os.fsencode(entry.name)
                if whiteout.is_whiteout(status):
                    node.below.pop(name, None)
                else:
                    node.below[name] = Node(number, status)
            self._add_folders(number, folder, node.below, here)

    def _add_folders(self, number: int, folder: Folder, below: dict[bytes, Node], here: dict[bytes, Node]) -> None:
        for name in folder.folders:
            fresh = Node(number, os.stat(name, dir_fd=folder.fd, follow_symlinks=False))
            found = below.get(name)
            if found is not None and found.below is not None:
                found.layer, found.status = number, fresh.status
                fresh = found
            below[name] = fresh
            here[folder.path + b"/" + name if folder.path else name] = fresh
