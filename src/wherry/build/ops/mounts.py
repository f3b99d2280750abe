"""RUN --mount: what a bind shows, cache folders, tmpfs. Secrets and agents are the executor's."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from wherry.build.executor import StepMount
from wherry.build.gather import Gathered, gather
from wherry.build.graph import Copy, RunMount
from wherry.build.ops.cachemounts import CacheFolders, CacheMounts, cache_name
from wherry.build.ops.layer import Bench, dress_root, open_tree
from wherry.build.ops.place import Placer
from wherry.build.pattern import literal
from wherry.build.resolve import lstat, resolve
from wherry.build.tree import Tree
from wherry.errors import NotFound
from wherry.host import Overlay
from wherry.image.tar import diff
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Mounter"]


class Mounter:
    """For one step, as a context: what it made or locked is given back at the end.

    `gathered` are the binds of the build context as they were hashed, in the order of the mounts.
    """

    def __init__(
        self,
        bench: Bench,
        context: Tree,
        inputs: Sequence[tuple[DiffID, ...]],
        cache_folder: CacheFolders,
        gathered: Sequence[Gathered] = (),
    ) -> None:
        self._bench = bench
        self._context = context
        self._inputs = inputs
        self._gathered = iter(gathered)
        self._stack = ExitStack()
        self._caches = CacheMounts(bench, cache_folder, self._stack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def mounts(self, wanted: Sequence[RunMount]) -> list[StepMount]:
        """Waits for caches that are locked. Raises: NotFound (a bind of what is not there), BuildError, OSError,
        Cancelled.
        """
        own = [one for one in wanted if one.kind in {"bind", "cache", "tmpfs"}]
        caches = {one: self._seed(one) for one in own if one.kind == "cache"}
        # In one order for all steps: two that each want the other's would wait for ever
        ordered = sorted(caches, key=lambda one: cache_name(one, caches[one]))
        folders = {one: self._caches.folder(one, caches[one]) for one in ordered}
        return [self._mount(one, folders.get(one, "")) for one in own]

    def _seed(self, one: RunMount) -> tuple[DiffID, ...]:
        return () if one.input is None else self._inputs[one.input]

    def _mount(self, one: RunMount, cache: str) -> StepMount:
        if one.kind == "tmpfs":
            return StepMount("", one.target, one.readonly, one.size)
        if one.kind == "cache":
            return StepMount(cache, one.target, one.readonly)
        if one.input is None or not self._inputs[one.input]:
            return StepMount(self._copied(one), one.target, one.readonly)
        return self._shown(one, self._inputs[one.input])

    def _shown(self, one: RunMount, layers: Sequence[DiffID]) -> StepMount:
        """A merged view of the layers, without a copy; what the step writes goes into a folder that is thrown away."""
        if one.readonly:
            tree_fd = open_tree(self._bench, layers)
        else:
            folder = self._stack.enter_context(self._bench.layers.workdir())
            upper, work = f"{folder}/fs", f"{folder}/overlay"
            os.mkdir(upper, 0o755)
            os.mkdir(work, 0o755)
            lowers = tuple(self._bench.layers.path(layer) for layer in layers)
            dress_root(upper, lowers[-1])
            tree_fd = self._bench.host.overlay(Overlay(lowers, upper, work, volatile=True))
        self._stack.callback(os.close, tree_fd)
        # Without links: the runtime opens it by its name, as this machine's root
        path = resolve(tree_fd, one.source)
        if lstat(tree_fd, path) is None:
            raise NotFound(f'"{one.source}": not found', hint="is it in that stage or image?")
        return StepMount(path, one.target, one.readonly, tree_fd=tree_fd)

    def _copied(self, one: RunMount) -> str:
        """A copy of the source: a step can't change the context, and sees no ignored file.

        Of the context it is what the step's key was made of, however long the step waited for a cache since: what
        changed meanwhile is refused, as COPY does.
        """
        tree = self._context
        found = next(self._gathered, None) if one.input is None else None
        if one.input is not None:
            root_fd = open_tree(self._bench, ())
            self._stack.callback(os.close, root_fd)
            tree = Tree(root_fd, "the stage")
        folder = self._stack.enter_context(self._bench.layers.workdir())
        os.chmod(folder, 0o755)
        target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, target)
        placer = Placer(tree, target, (0, 0) if tree.is_context else None, None, self._bench.cancel)
        try:
            if found is None:
                (found,) = gather(tree, Copy((literal(one.source.lstrip("/")),), "/"), self._bench.cancel)
            top = "" if found.match.is_folder else "file"
            for entry in found.entries:
                placer.put(entry, f"{top}/{entry.path}".strip("/"), top)
        finally:
            placer.close()
        if found.match.is_folder:
            os.chmod(folder, stat.S_IMODE(found.entries[0].mode) if found.entries else 0o755)
        # Differs from docker: a bind of the context shows the build's one time, not that of each file
        diff.normalise(folder, clamp_ns=self._bench.clamp_ns)
        return f"{folder}/{top}".rstrip("/")
