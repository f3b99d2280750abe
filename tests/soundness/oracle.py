"""What an ideal cache would have done: evaluates what a step says that it reads, on the tree below the step.

An ideal cache hits when the step was made before with the same text, environment and opaque layers (the base image and
the results of RUN and WORKDIR), all that it reads is as it was then, and its result is the one of then.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from tests.soundness.commands import Read

__all__ = ["Oracle", "Seen", "observe"]

_LINKS = 40


class Seen(NamedTuple):
    """One step of a build without cache. `fixed` is what the weak key is made of, `result` the layers it made."""

    fixed: Hashable
    observed: Hashable
    result: tuple[str, ...]


class Oracle:
    """Remembers the steps of one world. Each step is asked about before it is told."""

    def __init__(self) -> None:
        self._known: set[Seen] = set()

    def would_hit(self, step: Seen) -> bool:
        return step in self._known

    def learn(self, step: Seen) -> None:
        self._known.add(step)


def observe(root: str, reads: Sequence[Read], *, is_root: bool) -> Hashable:
    """What the reads give in the tree at the folder `root`. For root the modes of folders on the way do not matter."""
    return tuple(_observe(root, one, is_root) for one in reads)


def _observe(root: str, read: Read, is_root: bool) -> Hashable:
    way: list[Hashable] = []
    path = _resolve(root, read.path, way, is_root, follow=read.kind != "lstat")
    if path is None:
        return (*way, "absent")
    where = f"{root}/{path}" if path else root
    found = os.lstat(where) if path else os.stat(where)
    facts: tuple[Hashable, ...] = (stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    if stat.S_ISLNK(found.st_mode):
        return (*way, *facts, os.readlink(where))
    if stat.S_ISREG(found.st_mode):
        content = _content(where) if read.kind in ("file", "all") else ""
        return (*way, *facts, found.st_size, content)
    if stat.S_ISDIR(found.st_mode):
        return (*way, *(facts if read.kind in ("stat", "lstat", "all") else ()), _folder(where, read.kind))
    return (*way, *facts)


def _folder(where: str, kind: str) -> Hashable:
    if kind not in ("list", "tree", "all"):
        return ()
    entries: list[Hashable] = []
    with os.scandir(where) as scan:
        for one in sorted(scan, key=lambda entry: os.fsencode(entry.name)):
            found = one.stat(follow_symlinks=False)
            fact: tuple[Hashable, ...] = (one.name, stat.S_IFMT(found.st_mode))
            if kind == "all":
                fact = (*fact, found.st_mode, found.st_uid, found.st_gid)
                fact = (*fact, _content(one.path) if one.is_file(follow_symlinks=False) else "")
                fact = (*fact, os.readlink(one.path) if one.is_symlink() else "")
            below = _folder(one.path, kind) if one.is_dir(follow_symlinks=False) and kind != "list" else ()
            entries.append((*fact, below))
    return tuple(entries)


def _content(where: str) -> str:
    with open(where, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _resolve(root: str, path: str, way: list[Hashable], is_root: bool, *, follow: bool) -> str | None:
    """The path without links, below `root`; None when it leads nowhere. `way` gets what was seen on it."""
    waiting = [part for part in path.split("/") if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        where = "/".join((root, *done, part))
        try:
            found = os.lstat(where)
        except OSError:
            way.append(("absent", "/".join((*done, part))))
            return None
        if stat.S_ISLNK(found.st_mode) and (waiting or follow):
            links += 1
            target = os.readlink(where)
            way.append(("link", target))
            if links > _LINKS or not target:
                return None
            done = [] if target.startswith("/") else done
            waiting = [piece for piece in target.split("/") if piece not in ("", ".")] + waiting
            continue
        if waiting and not stat.S_ISDIR(found.st_mode):
            way.append(("no folder", stat.S_IFMT(found.st_mode)))
            return None
        if waiting:
            way.append(("folder",) if is_root else ("folder", found.st_mode, found.st_uid, found.st_gid))
        done.append(part)
    return "/".join(done)
