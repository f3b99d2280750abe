"""Two trees, file by file: type, mode, owner, size, content, link target, device, attributes, time, hard links."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Difference", "File", "differences", "snapshot"]


class File(NamedTuple):
    """One entry. `content` is a file's hash or a link's target; `group` the first path that is the same file."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    content: str
    device: int
    attributes: tuple[tuple[str, bytes], ...]
    group: str
    mtime_ns: int


class Difference(NamedTuple):
    """`what` names the fields that differ; None is an entry that one side lacks."""

    path: str
    cached: File | None
    anew: File | None

    @property
    def what(self) -> str:
        if self.cached is None:
            return "only in the build without cache"
        if self.anew is None:
            return "only in the build with the cache"
        fields = [name for name in File._fields if getattr(self.cached, name) != getattr(self.anew, name)]
        return "; ".join(
            f"{name}: {getattr(self.cached, name)!r} with the cache, {getattr(self.anew, name)!r} anew"
            for name in fields
        )


_KINDS = {
    stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo", stat.S_IFCHR: "char",
    stat.S_IFBLK: "block", stat.S_IFSOCK: "socket",
}  # fmt: skip


def snapshot(root: str) -> dict[str, File]:
    """Everything below the folder `root`, which ends without "/", the folder itself as ""."""
    seen: dict[tuple[int, int], str] = {}
    return {path: _file(os.path.join(root, path) if path else root, path, seen) for path in _walk(root)}


def _walk(root: str) -> Iterator[str]:
    yield ""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(root, folder)) as scan:
            entries = sorted(scan, key=lambda one: os.fsencode(one.name))
        for entry in entries:
            path = f"{folder}/{entry.name}".lstrip("/")
            yield path
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def _file(where: str, path: str, seen: dict[tuple[int, int], str]) -> File:
    found = os.lstat(where) if path else os.stat(where)
    kind = _KINDS[stat.S_IFMT(found.st_mode)]
    content, group = "", ""
    if kind == "link":
        content = os.readlink(where)
    elif kind == "file":
        with open(where, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    if kind != "dir" and found.st_nlink > 1:
        group = seen.setdefault((found.st_dev, found.st_ino), path)
    attributes = tuple(
        (name, os.getxattr(where, name, follow_symlinks=not path)) for name in sorted(_names(where, not path))
    )
    device = found.st_rdev if kind in ("char", "block") else 0
    size = found.st_size if kind == "file" else 0
    # No archive of a layer has an entry for its root: nobody promises that folder's time
    mtime_ns = found.st_mtime_ns if path else 0
    mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
    return File(kind, mode, owner, size, content, device, attributes, group, mtime_ns)


def _names(where: str, follow: bool) -> list[str]:
    return [name for name in os.listxattr(where, follow_symlinks=follow) if not name.startswith("trusted.overlay.")]


def differences(cached: Mapping[str, File], anew: Mapping[str, File]) -> list[Difference]:
    """In the order of the paths. A lone member of a group that was two links is a difference too."""
    paths = sorted(cached.keys() | anew.keys())
    return [Difference(path, cached.get(path), anew.get(path)) for path in paths if cached.get(path) != anew.get(path)]
