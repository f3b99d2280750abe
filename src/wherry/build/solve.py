"""The graph → layers: each vertex from the cache or made anew, independent ones side by side; a failure ends all.

Until the first step that the cache does not have, everything happens in the calling thread: a build in which nothing
changed never starts a thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TypeVar

from wherry.build.cache import MADE, ORDINARY, TRACED, StepCache
from wherry.build.cachekey import step_key
from wherry.build.executor import Executor
from wherry.build.filehash import FileHashes
from wherry.build.gather import Gathered, files, gather, whole
from wherry.build.graph import Copy, Graph, Run, Source, Vertex, Workdir
from wherry.build.job import Job, Outcome, Trace
from wherry.build.ops.layer import Bench, open_tree
from wherry.build.pattern import literal
from wherry.build.progress import Progress
from wherry.build.tree import Tree
from wherry.build.weakkey import Stack
from wherry.errors import BuildError, Cancelled, InputError, NotFound, RuntimeFailure, StepFailed, WherryError
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from wherry.build.ops.cachemounts import CacheFolders
    from wherry.build.traced_steps import TracedSteps

__all__ = ["Solver"]

_POLL_S = 0.2
_Layers = tuple[DiffID, ...]
_T = TypeVar("_T")


class Solver:
    """One build. `context` is the tree of the build context, None when there is none. `cache_folder` says where cache
    mounts live. With a tracer at the bench, RUN steps are keyed by what they read too.

    `outcomes` tells of each vertex that is done what became of it. Builds whose benches share `underway`
    make no step twice.
    """

    def __init__(
        self,
        bench: Bench,
        cache: StepCache,
        hashes: FileHashes,
        executor: Executor,
        progress: Progress,
        context: Tree | None,
        cache_folder: CacheFolders,
    ) -> None:
        self._bench = bench
        self._cache = cache
        self._hashes = hashes
        self._executor = executor
        self._progress = progress
        self._context = context
        self._cache_folder = cache_folder
        self._results: dict[int, Stack] = {}
        self._missed: dict[int, Trace] = {}
        self.outcomes: dict[int, Outcome] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._shown: set[int] = set()
        self._failure: WherryError | None = None

    def solve(self, graph: Graph, jobs: int = 4) -> _Layers:
        """The target's layers, base first. All threads have ended when this returns or raises.

        Raises: the first failure, with its place in the Dockerfile; Cancelled; what `StepCache.need` raises.
        """
        sorter = TopologicalSorter({vertex.number: vertex.needs for vertex in graph.vertices})
        sorter.prepare()
        running: dict[Future[_Layers], Vertex] = {}
        try:
            while sorter.is_active():
                for number in sorted(sorter.get_ready()):
                    if not self._begin(graph.vertices[number], running, jobs):
                        sorter.done(number)
                if running:
                    self._advance(sorter, running)
        except BaseException as fault:
            self._bench.cancel.set("another step failed")
            # A step that was stopped may be heard of before the one that failed
            if isinstance(fault, Cancelled) and self._failure:
                raise self._failure from None
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
        if graph.target is None:
            return ()
        layers = self._results[graph.target].layers
        self._cache.need(layers)
        self._learn()
        return layers

    def _learn(self) -> None:
        """What is known elsewhere of what an imported step reads is kept too: next time that cache may not be named."""
        for one in self.outcomes.values():
            job = one.job
            is_imported = one.kind == ORDINARY and self._cache.came(job.key)
            if is_imported and self._reads(job) and not self._cache.promises(job.below.layers):
                self._traced.find(job)

    def source(self, key: str) -> str:
        """As `StepCache.source`."""
        return self._cache.source(key)

    def added(self, graph: Graph) -> tuple[_Layers, ...]:
        """After `solve`: what each step of the target's chain added, the first step first (a base image is no step).

        These are the steps of the history that made layers, and each made at least one.
        """
        found: list[_Layers] = []
        number = graph.target
        while number is not None and not isinstance(graph.vertices[number].op, Source):
            parent = graph.vertices[number].parent
            below = 0 if parent is None else len(self._results[parent].layers)
            found.append(self._results[number].layers[below:])
            number = parent
        return tuple(reversed(found))

    def _begin(self, vertex: Vertex, running: dict[Future[_Layers], Vertex], jobs: int) -> bool:
        """Whether there is work under way for it; False: the cache had it."""
        if self._pool is None:
            job = self._told(vertex, lambda: self._prepare(vertex))
            layers = self._told(vertex, lambda: self._look_up(job))
            if layers is not None:
                self._settle(vertex, layers)
                return False
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(max(2, jobs), thread_name_prefix="build")
            running[self._pool.submit(self._told, vertex, lambda: self._make_once(job))] = vertex
            return True
        running[self._pool.submit(self._whole, vertex)] = vertex
        return True

    def _advance(self, sorter: TopologicalSorter[int], running: dict[Future[_Layers], Vertex]) -> None:
        from concurrent.futures import FIRST_COMPLETED, wait

        # With a timeout, so that Ctrl-C reaches this thread
        ended, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in sorted(ended, key=lambda one: running[one].number):
            vertex = running.pop(future)
            self._settle(vertex, future.result())
            sorter.done(vertex.number)

    def _settle(self, vertex: Vertex, layers: _Layers) -> None:
        self._results[vertex.number] = self._below(vertex).with_step(vertex.op, layers)

    def _below(self, vertex: Vertex) -> Stack:
        return Stack() if vertex.parent is None else self._results[vertex.parent]

    def _whole(self, vertex: Vertex) -> _Layers:
        def work() -> _Layers:
            job = self._prepare(vertex)
            found = self._look_up(job)
            return self._make_once(job) if found is None else found

        return self._told(vertex, work)

    def _make_once(self, job: Job) -> _Layers:
        """Make it; or, when another build of this process was making the same, take that."""
        underway = self._bench.underway
        if underway is None or job.vertex.no_cache or not self._cache.remembers:
            return self._make(job)
        with underway.alone(job.key, self._bench.cancel) as has_waited:
            found = self._look_up(job) if has_waited else None
            return self._make(job) if found is None else found

    def _told(self, vertex: Vertex, act: Callable[[], _T]) -> _T:
        """Do it; what goes wrong is shown, and gets its place in the Dockerfile."""
        try:
            return act()
        except Cancelled:
            if vertex.number in self._shown:
                self._progress.cancelled(str(vertex.number))
            raise
        except (WherryError, OSError) as fault:
            failure = _placed(fault, vertex)
            self._failure = self._failure or failure
            self._show(vertex)
            self._progress.failed(str(vertex.number), str(failure))
            self._bench.cancel.set("another step failed")
            raise failure from fault

    def _show(self, vertex: Vertex) -> None:
        if vertex.number not in self._shown:
            self._shown.add(vertex.number)
            self._progress.start(str(vertex.number), vertex.name)

    def _prepare(self, vertex: Vertex) -> Job:
        self._bench.cancel.check()
        below = self._below(vertex)
        inputs = tuple(self._results[number].layers for number in vertex.inputs)
        gathered: tuple[Gathered, ...] = ()
        content, digests = "", dict[str, str]()
        if self._context is not None and (op := _from_context(vertex.op)):
            gathered = tuple(gather(self._context, op, self._bench.cancel))
            digests = files(self._context, gathered, self._hashes, self._bench.cancel)
            content = whole(gathered, digests)
        is_step = not isinstance(vertex.op, Source)
        key = step_key(vertex, below.layers, inputs, content, self._bench.shape) if is_step else ""
        return Job(vertex, below, inputs, gathered, content, key, digests)

    def _look_up(self, job: Job) -> _Layers | None:
        """The vertex's layers when nothing has to be done for them."""
        vertex = job.vertex
        if isinstance(vertex.op, Source):
            # Leased first, then looked for: what is there now stays
            self._bench.lease.add_layer(*vertex.op.layers)
            for diff_id in vertex.op.layers:
                if not self._bench.layers.has(diff_id):
                    raise NotFound(f"layer {diff_id.short} of {vertex.op.image} is missing", hint="load the image anew")
            return self._cached(job, vertex.op.layers, Outcome(job, ORDINARY))
        if vertex.no_cache:
            return None
        found = self._cache.get(job.key)
        if found is not None:
            self._bench.lease.add_layer(*found)
            if self._cache.promises(found):
                return self._cached(job, found, Outcome(job, ORDINARY))
            if all(map(self._bench.layers.has, found)):
                return self._cached(job, found, Outcome(job, ORDINARY))
        return self._look_up_traced(job)

    def _reads(self, job: Job) -> bool:
        """Whether it is a step that is traced."""
        return self._bench.tracer is not None and isinstance(job.vertex.op, Run) and bool(job.below.transparent)

    def _look_up_traced(self, job: Job) -> _Layers | None:
        if not self._reads(job):
            return None
        self._cache.need(job.below.layers)
        found = self._traced.find(job)
        if found.layers is None:
            self._missed[job.vertex.number] = found.trace
            return None
        # Next time, when nothing changed, it is found at once
        self._cache.put(job.key, found.layers, job.vertex.name)
        return self._cached(job, found.layers, Outcome(job, TRACED, found.trace))

    def _cached(self, job: Job, added: _Layers, outcome: Outcome) -> _Layers:
        self.outcomes[job.vertex.number] = outcome
        self._show(job.vertex)
        self._progress.cached(str(job.vertex.number))
        return job.below.layers + added

    def _make(self, job: Job) -> _Layers:
        key = str(job.vertex.number)
        self._show(job.vertex)
        self._cache.need([*job.below.layers, *(one for layers in job.inputs for one in layers)])
        added = self._operate(job)
        self._cache.put(job.key, added, job.vertex.name)
        self.outcomes[job.vertex.number] = Outcome(job, MADE, self._missed.get(job.vertex.number, Trace()))
        self._progress.done(key)
        return job.below.layers + added

    def _operate(self, job: Job) -> _Layers:
        op = job.vertex.op
        if isinstance(op, Workdir):
            from wherry.build.ops.workdir import workdir

            return workdir(self._bench, op, job.below.layers)
        if isinstance(op, Copy):
            return self._copy(job, op)
        assert isinstance(op, Run)
        return self._run(job, op)

    def _copy(self, job: Job, op: Copy) -> _Layers:
        from wherry.build.ops.copy import copy

        if not op.from_stage:
            return copy(self._bench, op, job.below.layers, self._context or _NOWHERE, job.gathered)
        root_fd = open_tree(self._bench, job.inputs[0])
        try:
            name = job.vertex.name.partition("--from=")[2].partition(" ")[0]
            tree = Tree(root_fd, f"{name} (--from)")
            gathered = gather(tree, op, self._bench.cancel)
            return copy(self._bench, op, job.below.layers, tree, gathered)
        finally:
            os.close(root_fd)

    def _run(self, job: Job, op: Run) -> _Layers:
        from wherry.build.ops.mounts import Mounter
        from wherry.build.ops.run import Stage, run

        number = job.vertex.number
        context = self._context or _NOWHERE
        with Mounter(self._bench, context, job.inputs, self._cache_folder, job.gathered) as mounter:
            mounts = mounter.mounts(op.mounts)
            stage = Stage(self._executor, lambda data: self._progress.output(str(number), data), mounts)
            if self._bench.tracer is None:
                return run(self._bench, op, job.below.layers, stage)
            found = self._traced.run(job, op, stage, self._missed.get(number, Trace()))
            self._missed[number] = found.trace
            return found.layers

    @cached_property
    def _traced(self) -> TracedSteps:
        from wherry.build.traced_steps import TracedSteps

        return TracedSteps(self._bench, self._cache)


def _placed(fault: WherryError | OSError, vertex: Vertex) -> WherryError:
    """With the place in the Dockerfile. An error of the machine, not of the step, stays what it is."""
    if isinstance(fault, StepFailed):
        fault.where, fault.source = vertex.where, vertex.source
        return fault
    if isinstance(fault, OSError):
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some: wherry system df, wherry builder prune, wherry image prune" if full else None
        name = f": {fault.filename}" if isinstance(fault.filename, str) else ""
        return BuildError(f"{fault.strerror}{name}", hint=hint, where=vertex.where, source=vertex.source)
    if isinstance(fault, BuildError | NotFound | InputError | RuntimeFailure):
        return BuildError(str(fault), hint=fault.hint, where=vertex.where, source=vertex.source)
    return fault


_NOWHERE = Tree(-1, "the build context", True)


def _from_context(op: object) -> Copy | None:
    """What of the context the operation reads, as a COPY of it."""
    if isinstance(op, Copy):
        return op if op.sources and not op.from_stage else None
    if isinstance(op, Run):
        binds = [mount for mount in op.mounts if mount.kind == "bind" and mount.input is None]
        sources = tuple(literal(mount.source.lstrip("/")) for mount in binds)
        return Copy(sources, "/") if sources else None
    return None
