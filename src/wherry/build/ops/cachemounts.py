"""RUN --mount=type=cache: a folder that outlives the build, found again by its id and by what it began as."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from typing import Protocol

from wherry.build.gather import gather
from wherry.build.graph import Copy, RunMount
from wherry.build.ops.layer import Bench, open_tree
from wherry.build.ops.place import Placer
from wherry.build.pattern import literal
from wherry.build.tree import Tree
from wherry.errors import Locked, NotFound
from wherry.oci.digest import DiffID

__all__ = ["CacheFolders", "CacheMounts", "cache_name"]


class CacheFolders(Protocol):
    """Where cache mounts live. Joined to the store in the engine."""

    def __call__(self, name: str, what: str) -> str:
        """The path of the cache `name`, whose parent is there; that it is used now, and `what` it is, is noted."""


def cache_name(one: RunMount, seed: Sequence[DiffID]) -> str:
    """Two mounts share a folder when this is equal. As BuildKit: the id, and what the folder began as."""
    owner = None if one.mode is None else (one.mode, one.uid, one.gid)
    fields = [one.id, owner, list(seed), one.source if seed else "/"]
    return sha256(json.dumps(fields).encode()).hexdigest()[:32]


class CacheMounts:
    """For one step. Locks are held in `stack`: as long as the step may write, nobody takes the folder away."""

    def __init__(self, bench: Bench, folders: CacheFolders, stack: ExitStack) -> None:
        self._bench, self._folders, self._stack = bench, folders, stack
        self._held: dict[str, str] = {}

    def folder(self, one: RunMount, seed: Sequence[DiffID]) -> str:
        """The host's path. A locked one is waited for; of a private one that is in use, the next free one is taken.

        Raises: NotFound, OSError, Cancelled.
        """
        name = cache_name(one, seed)
        if name not in self._held:  # the same cache at two places of one step: no waiting for oneself
            self._held[name] = self._take(one, name, seed)
        return self._held[name]

    def _take(self, one: RunMount, name: str, seed: Sequence[DiffID]) -> str:
        number = 0
        while True:
            whole = f"{name}-{number}" if number else name
            path = self._folders(whole, one.id)
            if self._lock(f"{path}.lock", one.sharing):
                if not os.path.lexists(path):
                    self._begin(path, one, seed)
                return path
            if one.sharing == "private":
                number += 1
                continue
            self._bench.cancel.wait(0.1)
            self._bench.cancel.check()

    def _lock(self, path: str, sharing: str) -> bool:
        from wherry.fs.lock import locked

        try:
            self._stack.enter_context(locked(path, shared=sharing == "shared", timeout_s=0))
        except Locked:
            return False
        return True

    def _begin(self, path: str, one: RunMount, seed: Sequence[DiffID]) -> None:
        """Whole or not at all; of two builds that share it, one makes it."""
        from wherry.fs.lock import locked

        with locked(f"{path}.begin"), self._bench.layers.workdir() as folder:
            if os.path.lexists(path):
                return
            fresh = f"{folder}/cache"
            if seed:
                self._copy(folder, one, seed)
            if not os.path.lexists(fresh):
                os.mkdir(fresh, 0o755)
                os.chown(fresh, one.uid, one.gid)
                os.chmod(fresh, 0o755 if one.mode is None else one.mode)
            os.rename(fresh, path)

    def _copy(self, folder: str, one: RunMount, seed: Sequence[DiffID]) -> None:
        """What the cache begins as. Raises: NotFound when the seed has no such path."""
        root_fd = open_tree(self._bench, seed)
        target_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        placer = Placer(Tree(root_fd, "the stage"), target_fd, None, None, self._bench.cancel)
        try:
            (found,) = gather(
                Tree(root_fd, "the stage"), Copy((literal(one.source.lstrip("/")),), "/"), self._bench.cancel
            )
            for entry in found.entries:
                placer.put(entry, f"cache/{entry.path}".rstrip("/"), "")
        except NotFound:
            raise NotFound(f'"{one.source}": not found', hint="is it in that stage or image?") from None
        finally:
            placer.close()
            os.close(target_fd)
            os.close(root_fd)
