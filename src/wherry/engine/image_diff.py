"""What differs between two images, by package and by file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root
from wherry.image.packages.merged import Installed, Merged, Node
from wherry.image.packages.record import INSTALLERS, SUFFIX
from wherry.image.tar import whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["ADDED", "CHANGED", "REMOVED", "Difference", "FileChange", "PackageChange", "diff"]

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFCHR: "device", stat.S_IFBLK: "device",
    stat.S_IFIFO: "fifo",
}  # fmt: skip
_CHUNK = 1 << 20


class FileChange(NamedTuple):
    """`kind` is file, folder, link, device or fifo (of the second image, unless it was removed). Sizes are the bytes
    of regular files, else 0. `what` says what is not the same: type, content, link, device, mode, owner, attributes.
    `package` is the one that has the file.
    """

    change: str
    path: str
    kind: str
    from_size: int
    to_size: int
    what: tuple[str, ...] = ()
    package: str = ""


class PackageChange(NamedTuple):
    """`from_version` and `to_version` are the same when only its files differ. Sizes are of all its files, in bytes;
    `files` counts those that differ. `folder` is where it is installed.
    """

    change: str
    name: str
    from_version: str
    to_version: str
    from_size: int
    to_size: int
    files: int
    folder: str


class Difference(NamedTuple):
    """Sorted: packages by name, files by path. Times are not compared."""

    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]


def diff(engine: Engine, before: ImageRecord, after: ImageRecord) -> Difference:
    """Read from the layer folders; what lies in a layer that both have is not read. Raises: OSError."""
    with (
        Merged([engine.layers.path(one) for one in before.layers]) as left,
        Merged([engine.layers.path(one) for one in after.layers]) as right,
    ):
        return compare(_Side(left, before.layers), _Side(right, after.layers))


class _Side:
    """One of the two: its tree, the names of its layers, and which package has which file."""

    def __init__(self, merged: Merged, layers: Sequence[str]) -> None:
        self.merged = merged
        self.layers = layers
        self.packages: dict[tuple[str, bytes], Installed] = {}
        self.owner: dict[bytes, tuple[str, bytes]] = {}
        for one in merged.installed():
            key = (one.package.name, one.package.folder.rpartition(b"/")[0])
            self.packages[key] = one
            self.owner.update(dict.fromkeys(one.files, key))


def compare(left: _Side, right: _Side) -> Difference:
    files: list[FileChange] = []
    touched: dict[tuple[str, bytes], int] = {}
    for path, change in _changes(left, right):
        owner = right.owner.get(path) or left.owner.get(path)
        if owner:
            touched[owner] = touched.get(owner, 0) + (not _is_installers(path))
            change = change._replace(package=owner[0])
        files.append(change)
    return Difference(tuple(_packages(left, right, touched)), tuple(files))


def _packages(left: _Side, right: _Side, touched: Mapping[tuple[str, bytes], int]) -> Iterator[PackageChange]:
    for key in sorted({*left.packages, *right.packages}):
        old, new = left.packages.get(key), right.packages.get(key)
        if old and new and old.package.version == new.package.version and not touched.get(key):
            continue
        yield PackageChange(
            CHANGED if old and new else ADDED if new else REMOVED,
            key[0],
            old.package.version if old else "",
            new.package.version if new else "",
            old.size if old else 0,
            new.size if new else 0,
            touched.get(key, 0),
            "/" + _text(key[1]),
        )


def _is_installers(path: bytes) -> bool:
    """How a package was installed: the same wheel may differ in that."""
    folder, _, name = path.rpartition(b"/")
    return folder.endswith(SUFFIX) and name in INSTALLERS


def _changes(left: _Side, right: _Side) -> Iterator[tuple[bytes, FileChange]]:
    """By path, a folder before what is in it. A new folder is told of by what is in it."""
    pending: list[tuple[bytes, Node | None, Node | None]] = [(b"", left.merged.root, right.merged.root)]
    while pending:
        path, old, new = pending.pop()
        if old and new:
            if what := tuple(_differences(left, right, path, old, new)):
                yield path, _change(CHANGED, path, old, new, what)
        elif (one := old or new) and not one.below:
            yield path, _change(ADDED if new else REMOVED, path, old, new)
        below = [(one.below or {}) if one else {} for one in (old, new)]
        prefix = path + b"/" if path else b""
        names = sorted({*below[0], *below[1]}, reverse=True)
        pending += [(prefix + name, below[0].get(name), below[1].get(name)) for name in names]


def _change(change: str, path: bytes, old: Node | None, new: Node | None, what: tuple[str, ...] = ()) -> FileChange:
    shown = new or old
    assert shown
    kind = _KINDS.get(stat.S_IFMT(shown.status.st_mode), "device")
    return FileChange(change, "/" + _text(path), kind, _size(old), _size(new), what)


def _size(node: Node | None) -> int:
    return node.status.st_size if node and stat.S_ISREG(node.status.st_mode) else 0


def _text(path: bytes) -> str:
    return os.fsdecode(path).encode("utf-8", "replace").decode()


def _differences(left: _Side, right: _Side, path: bytes, old: Node, new: Node) -> Iterator[str]:
    """In words; a folder that both have is compared without what is in it."""
    if left.layers[old.layer : old.layer + 1] == right.layers[new.layer : new.layer + 1]:
        return
    one, two = old.status, new.status
    kind = stat.S_IFMT(one.st_mode)
    if kind != stat.S_IFMT(two.st_mode):
        yield "type"
        return
    places = (left.merged.root_fds[old.layer], right.merged.root_fds[new.layer])
    if kind == stat.S_IFREG and not _same_content(places, path, one, two):
        yield "content"
    if kind == stat.S_IFLNK and _link(places[0], path) != _link(places[1], path):
        yield "link"
    if kind in (stat.S_IFCHR, stat.S_IFBLK) and one.st_rdev != two.st_rdev:
        yield "device"
    if stat.S_IMODE(one.st_mode) != stat.S_IMODE(two.st_mode):
        yield "mode"
    if (one.st_uid, one.st_gid) != (two.st_uid, two.st_gid):
        yield "owner"
    if kind in (stat.S_IFREG, stat.S_IFDIR) and _attributes(places[0], path) != _attributes(places[1], path):
        yield "attributes"


def _open(root_fd: int, path: bytes) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    return open_in_root(root_fd, path or b".", flags, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)


def _same_content(places: tuple[int, int], path: bytes, one: os.stat_result, two: os.stat_result) -> bool:
    if one.st_size != two.st_size:
        return False
    if (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino) or not one.st_size:
        return True
    with (
        open(_open(places[0], path), "rb", buffering=0) as left,
        open(_open(places[1], path), "rb", buffering=0) as right,
    ):
        while chunk := left.read(_CHUNK):
            if chunk != right.read(_CHUNK):
                return False
        return not right.read(1)


def _link(root_fd: int, path: bytes) -> bytes:
    folder, _, name = path.rpartition(b"/")
    fd = _open(root_fd, folder)
    try:
        return os.readlink(name, dir_fd=fd)
    finally:
        os.close(fd)


def _attributes(root_fd: int, path: bytes) -> tuple[tuple[str, bytes], ...]:
    fd = _open(root_fd, path)
    try:
        return whiteout.public_xattrs(fd, whiteout.list_xattrs(fd))
    finally:
        os.close(fd)
