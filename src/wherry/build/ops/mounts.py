"""RUN --mount: cache folders, copies of what a bind shows, tmpfs."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from wherry.build.executor import StepMount
from wherry.build.gather import gather
from wherry.build.graph import Copy, RunMount
from wherry.build.ops.layer import Bench, open_tree
from wherry.build.ops.place import Placer
from wherry.build.pattern import literal
from wherry.build.tree import Tree
from wherry.errors import Locked
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Mounter"]


class Mounter:
    """For one step, as a context: what it made or locked is given back at the end."""

    def __init__(
        self,
        bench: Bench,
        context: Tree,
        inputs: Sequence[tuple[DiffID, ...]],
        cache_folder: Callable[[RunMount], str],
    ) -> None:
        self._bench = bench
        self._context = context
        self._inputs = inputs
        self._cache_folder = cache_folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def mounts(self, wanted: Sequence[RunMount]) -> list[StepMount]:
        """Raises: NotFound (a bind of what is not there), BuildError, OSError, Cancelled."""
        return [self._mount(one) for one in wanted]

    def _mount(self, one: RunMount) -> StepMount:
        if one.kind == "tmpfs":
            return StepMount("", one.target, False, one.size)
        if one.kind == "cache":
            return StepMount(self._cache(one), one.target, one.readonly)
        return StepMount(self._bind(one), one.target, one.readonly)

    def _cache(self, one: RunMount) -> str:
        """Shared by all builds, unless `sharing` says otherwise: locked waits, private gets an empty one."""
        from wherry.fs.lock import locked

        folder = self._cache_folder(one)
        if one.sharing == "locked":
            self._wait_for(f"{folder}.lock")
        elif one.sharing == "private":
            try:
                self._stack.enter_context(locked(f"{folder}.lock", timeout_s=0))
            except Locked:
                folder = self._stack.enter_context(self._bench.layers.workdir())
                os.chown(folder, one.uid, one.gid)
                os.chmod(folder, one.mode)
        return folder

    def _wait_for(self, path: str) -> None:
        from wherry.fs.lock import locked

        while True:
            try:
                self._stack.enter_context(locked(path, timeout_s=0))
                return
            except Locked:
                self._bench.cancel.wait(0.1)
                self._bench.cancel.check()

    def _bind(self, one: RunMount) -> str:
        """A copy of the source: a step can neither change the context nor a layer, and sees no ignored file."""
        tree = self._context
        if one.input is not None:
            root_fd = open_tree(self._bench, self._inputs[one.input])
            self._stack.callback(os.close, root_fd)
            tree = Tree(root_fd, "the stage")
        folder = self._stack.enter_context(self._bench.layers.workdir())
        os.chmod(folder, 0o755)
        target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, target)
        placer = Placer(tree, target, (0, 0) if tree.is_context else None, None, self._bench.cancel)
        try:
            (found,) = gather(tree, Copy((literal(one.source.lstrip("/")),), "/"), self._bench.cancel)
            top = "" if found.match.is_folder else "file"
            for entry in found.entries:
                placer.put(entry, f"{top}/{entry.path}".strip("/"), top)
        finally:
            placer.close()
        if found.match.is_folder:
            os.chmod(folder, stat.S_IMODE(found.entries[0].mode) if found.entries else 0o755)
        return f"{folder}/{top}".rstrip("/")
