"""What COPY brings: sources matched and walked once into a flat list, from which both the key and the copy are made."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from wherry.build import pattern
from wherry.build.resolve import lstat, open_folder, resolve
from wherry.errors import BuildError, NotFound, nearest

__all__ = ["Entry", "Match", "Tree", "find", "walk"]


class Tree(NamedTuple):
    """A place to copy from. `root_fd` is its root (the caller closes); `what` names it to people.

    `excludes(path)` says what .dockerignore hides, `prunes(path)` whether nothing below the folder can be visible.
    `is_context`: owners are not kept (everything is root's), and attributes of the machine stay behind.
    """

    root_fd: int
    what: str
    is_context: bool = False
    excludes: Callable[[str], bool] = lambda _: False
    prunes: Callable[[str], bool] = lambda _: True


class Entry(NamedTuple):
    """One file, folder or link. `path` is below the match ("" is the match itself), `source` below the tree's root.

    `hard` is the `path` of the entry before that is the same file. Times are ns.
    """

    path: str
    source: str
    mode: int
    uid: int
    gid: int
    size: int
    rdev: int
    link: str
    hard: str
    xattrs: tuple[tuple[str, bytes], ...]
    device: int
    inode: int
    mtime_ns: int
    ctime_ns: int

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


class Match(NamedTuple):
    """A source that exists. `name` is its last component as written (a link keeps its own name), `path` has no links.

    `base` is what patterns of --exclude and --parents are relative to.
    """

    name: str
    path: str
    is_folder: bool


def find(tree: Tree, source: str) -> list[Match]:
    """What a source names: itself, or all that its pattern fits, in order. A pattern may fit nothing.

    Raises: NotFound for a name that is not there (or that .dockerignore hides).
    """
    parts = source.split("/") if source else []
    fixed = 0
    while fixed < len(parts) and not pattern.has_wildcards(parts[fixed]):
        fixed += 1
    start = "/".join(map(pattern.plain, parts[:fixed]))
    if fixed == len(parts):
        return [_match(tree, start)]
    base = resolve(tree.root_fd, start)
    names = [""]
    for part in parts[fixed:]:
        names = [
            f"{name}/{child}".lstrip("/")
            for name in names
            for child in _children(tree, f"{base}/{name}".strip("/"))
            if pattern.match(part, child)
        ]
    return [_match(tree, f"{base}/{name}".strip("/")) for name in sorted(names)]


def _children(tree: Tree, path: str) -> list[str]:
    found = lstat(tree.root_fd, path)
    if found is None or not stat.S_ISDIR(found.st_mode):
        return []
    fd = open_folder(tree.root_fd, path)
    try:
        return sorted(name for name in os.listdir(fd) if not tree.excludes(f"{path}/{name}".lstrip("/")))
    finally:
        os.close(fd)


def _match(tree: Tree, path: str) -> Match:
    real = resolve(tree.root_fd, path)
    found = lstat(tree.root_fd, real)
    if found is None or (real and tree.excludes(real) and not _shows_below(tree, real, found)):
        raise _missing(tree, path, real, found is not None)
    return Match(path.rpartition("/")[2], real, stat.S_ISDIR(found.st_mode))


def _shows_below(tree: Tree, path: str, found: os.stat_result) -> bool:
    """A folder that is hidden itself, but with something in it that `!pattern` brings back."""
    if not stat.S_ISDIR(found.st_mode) or tree.prunes(path):
        return False
    return sum(1 for _ in islice(walk(tree, path), 2)) == 2


def _missing(tree: Tree, path: str, real: str, is_hidden: bool) -> NotFound:
    shown = f'"/{path}"' + (f' (it points to "/{real}")' if real != path else "")
    if is_hidden:
        return NotFound(
            f"{shown}: not found in {tree.what}: it is hidden by .dockerignore",
            hint="take it out of .dockerignore, or add a line with ! for it",
        )
    folder, _, name = real.rpartition("/")
    close = nearest(name, _children(tree, folder))
    near = f'did you mean "{folder}/{close}"?'.replace('"/', '"') if close else None
    hint = near or (
        "paths are relative to the context, and nothing outside it can be copied" if tree.is_context else None
    )
    return NotFound(f"{shown}: not found in {tree.what}", hint=hint)


def walk(tree: Tree, path: str, excludes: Callable[[str], bool] | None = None) -> Iterator[Entry]:
    """The entry at `path` (no links in it) and all below, each folder before what is in it, in byte order.

    `excludes` gets paths below `path`. What vanishes while it is walked is left out; sockets are too.
    Raises: BuildError for what may not be read.
    """
    found = lstat(tree.root_fd, path)
    if found is None:
        return
    seen: dict[tuple[int, int], str] = {}
    if not stat.S_ISDIR(found.st_mode):
        parent, _, name = path.rpartition("/")
        fd = open_folder(tree.root_fd, parent)
        try:
            yield _entry(tree, fd, name, found, "", path, seen)
        finally:
            os.close(fd)
        return
    yield from _Walk(tree, excludes, seen).folder(path, "", found)


class _Walk:
    def __init__(self, tree: Tree, excludes: Callable[[str], bool] | None, seen: dict[tuple[int, int], str]) -> None:
        self.tree = tree
        self.excludes = excludes
        self.seen = seen

    def folder(self, source: str, path: str, found: os.stat_result) -> Iterator[Entry]:
        try:
            fd = open_folder(self.tree.root_fd, source)
        except FileNotFoundError:
            return
        except PermissionError:
            raise _unreadable(self.tree, source) from None
        try:
            yield _entry(self.tree, fd, ".", found, path, source, self.seen)
            with os.scandir(fd) as scan:
                names = sorted((one.name for one in scan), key=os.fsencode)
            for name in names:
                yield from self.child(fd, name, f"{source}/{name}".lstrip("/"), f"{path}/{name}".lstrip("/"))
        finally:
            os.close(fd)

    def child(self, fd: int, name: str, source: str, path: str) -> Iterator[Entry]:
        is_hidden = self.tree.excludes(source) or (self.excludes is not None and self.excludes(path))
        try:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode):
            if not is_hidden:
                yield from self.folder(source, path, found)
            elif self.excludes is not None or not self.tree.prunes(source):
                yield from self.hidden(source, path, found)
        elif not is_hidden and not stat.S_ISSOCK(found.st_mode):
            yield _entry(self.tree, fd, name, found, path, source, self.seen)

    def hidden(self, source: str, path: str, found: os.stat_result) -> Iterator[Entry]:
        """A hidden folder comes along when something below it is brought back by `!`."""
        below = self.folder(source, path, found)
        top = next(below, None)
        first = next(below, None)
        if top is not None and first is not None:
            yield top
            yield first
            yield from below


def _unreadable(tree: Tree, path: str) -> BuildError:
    return BuildError(
        f'cannot read "/{path}" in {tree.what}: permission denied',
        hint="change its mode, or name it in .dockerignore if the build does not need it" if tree.is_context else None,
    )


def _entry(
    tree: Tree, fd: int, name: str, found: os.stat_result, path: str, source: str, seen: dict[tuple[int, int], str]
) -> Entry:
    mode = found.st_mode
    link = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(mode) else ""
    hard = ""
    if found.st_nlink > 1 and not stat.S_ISDIR(mode):
        hard = seen.setdefault((found.st_dev, found.st_ino), path)
        hard = "" if hard == path else hard
    uid, gid = (0, 0) if tree.is_context else (found.st_uid, found.st_gid)
    return Entry(
        path, source, mode, uid, gid, found.st_size, found.st_rdev, link, hard,
        _xattrs(tree, f"/proc/self/fd/{fd}/{name}", mode), found.st_dev, found.st_ino, found.st_mtime_ns,
        found.st_ctime_ns,
    )  # fmt: skip


def _xattrs(tree: Tree, path: str, mode: int) -> tuple[tuple[str, bytes], ...]:
    """Those that belong to the file and not to the machine (labels of SELinux, overlay's own)."""
    if stat.S_ISLNK(mode):
        return ()
    try:
        names = os.listxattr(path, follow_symlinks=False)
        kept = [name for name in names if name == "security.capability" or _is_users(tree, name)]
        return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(kept))
    except OSError:
        return ()


def _is_users(tree: Tree, name: str) -> bool:
    return name.startswith("user.") and not name.startswith("user.overlay.") and not tree.is_context
