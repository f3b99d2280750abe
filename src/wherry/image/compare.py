"""Two trees of the same step, side by side: which paths differ, and in what."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.fs.tree import walk
from wherry.image.tar import whiteout

__all__ = ["Difference", "Item", "differences", "items"]

_CHUNK_BYTES = 1 << 20
_KINDS = {
    stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip
Facts = tuple[tuple[str, str], ...]


class Item(NamedTuple):
    """One path of a tree. `place` is where its bytes are now; `facts` are (name, value), all but a file's content."""

    kind: str
    size: int
    place: bytes
    facts: Facts


class Difference(NamedTuple):
    """`first` or `second` is None where the path is not there; `below` counts what a folder holds that only one has.

    `facts` are (name, here, there) of what differs besides the content.
    """

    path: str
    first: Item | None
    second: Item | None
    facts: tuple[tuple[str, str, str], ...] = ()
    is_content: bool = False
    below: int = 0


def items(folders: Sequence[str]) -> dict[bytes, Item]:
    """What a step's layers hold together, by path; the later layer wins. Times are left out: they are clamped.

    Raises: OSError.
    """
    found: dict[bytes, Item] = {}
    for folder in folders:
        root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        hard: dict[tuple[int, int], bytes] = {}
        try:
            for one in walk(root_fd):
                names = whiteout.list_xattrs(one.fd)
                found[one.path] = _folder(one.fd, os.path.join(os.fsencode(folder), one.path), names)
                for entry in one.files:
                    name = os.fsencode(entry.name)
                    path = one.path + b"/" + name if one.path else name
                    place = os.path.join(os.fsencode(folder), path)
                    found[path] = _item(entry.stat(follow_symlinks=False), path, place, hard)
        finally:
            os.close(root_fd)
    return found


def _folder(fd: int, place: bytes, names: list[str]) -> Item:
    status = os.fstat(fd)
    facts = [*_common(status), *_attributes(fd, names)]
    if whiteout.is_opaque(fd, names):
        facts.append(("hides", "what was in it before"))
    return Item("folder", 0, place, tuple(facts))


def _item(status: os.stat_result, path: bytes, place: bytes, hard: dict[tuple[int, int], bytes]) -> Item:
    if whiteout.is_whiteout(status):
        return Item("removal", 0, place, ())
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    facts = [*_common(status), *_attributes(place, whiteout.list_xattrs(place))]
    if kind == "link":
        facts.append(("target", os.fsdecode(os.readlink(place))))
    elif kind == "device":
        facts.append(("device", f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"))
    if status.st_nlink > 1:
        first = hard.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            facts.append(("hard link to", os.fsdecode(first)))
    return Item(kind, status.st_size if kind == "file" else 0, place, tuple(facts))


def _common(status: os.stat_result) -> list[tuple[str, str]]:
    mode = [] if stat.S_ISLNK(status.st_mode) else [("mode", f"{stat.S_IMODE(status.st_mode):04o}")]
    return [*mode, ("owner", f"{status.st_uid}:{status.st_gid}")]


def _attributes(target: int | bytes, names: list[str]) -> list[tuple[str, str]]:
    return [(name, value.hex()) for name, value in whiteout.public_xattrs(target, names)]


def differences(first: Sequence[str], second: Sequence[str], cancel: Cancel) -> Iterator[Difference]:
    """In order of their paths. A folder that only one has stands for all that is in it.

    `first` and `second` are layer folders, base first. Raises: OSError, Cancelled.
    """
    ours, theirs = items(first), items(second)
    gone = b""
    for path in sorted(ours.keys() | theirs.keys()):
        cancel.check()
        if gone and path.startswith(gone):
            continue
        here, there = ours.get(path), theirs.get(path)
        if here is None or there is None or here.kind != there.kind:
            lone = here if there is None else there if here is None else None
            prefix = path + b"/"
            below = 0
            if lone is not None and lone.kind == "folder":
                gone = prefix
                below = sum(one.startswith(prefix) for one in (theirs if here is None else ours))
            yield Difference(os.fsdecode(path), here, there, below=below)
            continue
        facts = _unlike(here.facts, there.facts)
        is_content = here.kind == "file" and not _is_same(here, there, cancel)
        if facts or is_content:
            yield Difference(os.fsdecode(path), here, there, facts, is_content)


def _unlike(here: Facts, there: Facts) -> tuple[tuple[str, str, str], ...]:
    ours, theirs = dict(here), dict(there)
    names = dict.fromkeys([*ours, *theirs])
    return tuple((n, ours.get(n, ""), theirs.get(n, "")) for n in names if ours.get(n, "") != theirs.get(n, ""))


def _is_same(here: Item, there: Item, cancel: Cancel) -> bool:
    if here.size != there.size:
        return False
    if here.place == there.place:
        return True
    with open(here.place, "rb", buffering=0) as first, open(there.place, "rb", buffering=0) as second:
        while True:
            cancel.check()
            data = first.read(_CHUNK_BYTES)
            if data != second.read(_CHUNK_BYTES):
                return False
            if not data:
                return True
