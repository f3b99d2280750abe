"""What --build-context names, as bases for the plan: images as they are, folders as a layer of their own."""

from __future__ import annotations

import os
from collections.abc import Callable

from wherry.build.named_context import NamedContext
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack

    from wherry.build.executor import StepRequest
    from wherry.build.graph import Run
    from wherry.build.options import Base, BuildOptions, FindBase
    from wherry.build.progress import Progress
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.oci.digest import DiffID
    from wherry.oci.platform import Platform

__all__ = ["NamedContexts"]

PREFIX = "context:"
"""What the plan puts before a context's name when it asks for it: no image can be named so."""


class NamedContexts:
    """`build.options.FindBase` for "context:NAME"; all else is for `bases`. Nothing is fetched before it is asked
    for. Raises, where it is made: InputError for a folder that is not there.
    """

    def __init__(
        self, engine: Engine, options: BuildOptions, bases: FindBase, stack: ExitStack, told: tuple[Progress, Cancel]
    ) -> None:
        """What it fetches stays until `stack` ends. `options` with its times."""
        self._engine, self._options, self._bases, self._stack = engine, options, bases, stack
        self._progress, self._cancel = told
        self._layers: dict[str, tuple[DiffID, ...]] = {}
        for name, one in options.contexts.items():
            if one.kind == "folder":
                _check(name, os.path.join(engine.settings.cwd, one.value), one.value)

    def __call__(self, name: str, platform: Platform | None) -> Base:
        """Raises: InputError, NotFound, and what fetching raises."""
        if not name.startswith(PREFIX):
            return self._bases(name, platform)
        short = name.removeprefix(PREFIX)
        one = self._options.contexts[short]
        if one.kind == "image":
            return self._bases(one.value, platform)
        if one.kind == "oci":
            return self._from_layout(short, one.value, platform)
        if short not in self._layers:
            self._layers[short] = self._as_layers(short, one)
        return self._of_layers(name, platform, self._layers[short])

    def _of_layers(self, name: str, platform: Platform | None, layers: tuple[DiffID, ...]) -> Base:
        from wherry.build.options import Base
        from wherry.oci.config import ImageConfig

        return Base(name, ImageConfig(platform or self._options.host_platform, diff_ids=layers), layers)

    def _as_layers(self, name: str, one: NamedContext) -> tuple[DiffID, ...]:
        """The folder as a COPY of all of it would give it: kept, and found again, by its content."""
        from wherry.build.cache import StepCache
        from wherry.build.context import open_context
        from wherry.build.filehash import FileHashes
        from wherry.build.graph import Copy, Graph, Vertex
        from wherry.build.ops.layer import Bench
        from wherry.build.solve import Solver
        from wherry.engine.builder_folders import BuilderFolders
        from wherry.oci.config import ImageConfig

        engine, options = self._engine, self._options
        tree = open_context(self._folder(name, one), "")
        self._stack.callback(os.close, tree.root_fd)
        lease = self._stack.enter_context(engine.leases.hold(f"build context {name}"))
        bench = Bench(engine.host, engine.layers, lease, options.clamp_ns, self._cancel)
        vertex = Vertex(0, Copy(("",), "/"), None, (), f"[context {name}] load from {one.kind}", "")
        hashes = FileHashes(engine.db, engine.settings.jobs)
        progress = _Prefixed(self._progress, f"context {name} ")
        solver = Solver(bench, StepCache(engine.db), hashes, _Nobody(), progress, tree, BuilderFolders(engine))
        return solver.solve(Graph((vertex,), 0, ImageConfig(options.host_platform)), engine.settings.jobs)

    def _folder(self, name: str, one: NamedContext) -> str:
        if one.kind == "folder":
            return os.path.join(self._engine.settings.cwd, one.value)
        folder = self._stack.enter_context(self._engine.scratch.folder("context"))
        return self._told(f"[context {name}] fetch {one.value}", lambda: self._fetch(one, folder))

    def _fetch(self, one: NamedContext, folder: str) -> str:
        from wherry.build.named_context import git_source
        from wherry.engine.build_fetch import fetch_git, fetch_tar

        if one.kind == "git":
            return fetch_git(self._engine.host, git_source(one.value), folder, self._engine.settings.env)
        fetch_tar(self._engine, one.value, folder, self._cancel)
        return folder

    def _told(self, what: str, act: Callable[[], str]) -> str:
        from wherry.errors import WherryError

        self._progress.start(what, what)
        try:
            found = act()
        except WherryError as fault:
            self._progress.failed(what, str(fault))
            raise
        self._progress.done(what)
        return found

    def _from_layout(self, name: str, value: str, platform: Platform | None) -> Base:
        from wherry.build.options import Base
        from wherry.engine.oci_layout import load_layout

        path, digest = value.partition("@")[::2]
        tag = ""
        if not digest and ":" in os.path.basename(path):
            path, _, tag = path.rpartition(":")
        whole = os.path.join(self._engine.settings.cwd, path)
        if not os.path.isfile(f"{whole}/index.json"):
            raise NotFound(f"failed to get build context {name}: {path} is no OCI layout", hint="it has no index.json")
        image = load_layout(self._engine, whole, (digest, tag), platform or self._options.host_platform, self._stack)
        return Base(f"{PREFIX}{name}", self._engine.image_store.config(image.id), image.layers)


class _Nobody:
    """The executor of a graph without RUN."""

    def mountpoints(self, run: Run) -> tuple[str, ...]:
        del run
        return ()

    def run(self, request: StepRequest) -> int:
        raise NotImplementedError(request)


class _Prefixed:
    """A Progress whose keys can't be those of the build's own steps."""

    def __init__(self, progress: Progress, prefix: str) -> None:
        self._progress, self._prefix = progress, prefix

    def start(self, key: str, name: str) -> None:
        self._progress.start(self._prefix + key, name)

    def cached(self, key: str) -> None:
        self._progress.cached(self._prefix + key)

    def output(self, key: str, data: bytes) -> None:
        self._progress.output(self._prefix + key, data)

    def done(self, key: str) -> None:
        self._progress.done(self._prefix + key)

    def failed(self, key: str, message: str) -> None:
        self._progress.failed(self._prefix + key, message)

    def cancelled(self, key: str) -> None:
        self._progress.cancelled(self._prefix + key)

    def note(self, text: str) -> None:
        self._progress.note(text)


def _check(name: str, path: str, written: str) -> None:
    try:
        os.listdir(path)
    except OSError as fault:
        reason = (fault.strerror or "").lower()
        raise InputError(f"failed to get build context {name}: stat {written}: {reason}") from None
