"""The traced cache as the solver sees it: find a RUN's result by what it would read, run one, and keep what it read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.build.collapse import collapse
from wherry.build.graph import Run
from wherry.build.job import Job, Trace
from wherry.build.ops.layer import Bench, root_attributes
from wherry.build.traced_hashes import LayerHashes
from wherry.build.traced_store import Earlier, shortened
from wherry.build.travel_traced import store_of
from wherry.build.weakkey import weak_key
from wherry.oci.digest import DiffID
from wherry.trace.values import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.cache import StepCache
    from wherry.build.ops.run import Stage
    from wherry.trace.observe import PathSet

__all__ = ["Found", "Made", "TracedSteps"]


class Found(NamedTuple):
    """`layers` are those that the step adds, None on a miss."""

    layers: tuple[DiffID, ...] | None
    trace: Trace


class Made(NamedTuple):
    layers: tuple[DiffID, ...]
    trace: Trace


class TracedSteps:
    """For one build; threads share it."""

    def __init__(self, bench: Bench, cache: StepCache) -> None:
        self._bench = bench
        self._store = store_of(cache)
        self._hashes = LayerHashes()

    def find(self, job: Job) -> Found:
        """Each known path set is evaluated on today's files, the one used last first. Raises: Cancelled."""
        weak = self._weak(job)
        candidates, damaged = self._store.candidates(weak)
        with self._today(job) as today:
            for number, one in enumerate(candidates):
                values = _values(today, one.paths)
                layers = None if values is None else self._take(weak, one.id, values)
                if layers is None or values is None:
                    continue
                if number:
                    self._store.touch(weak, one.id)
                return Found(layers, Trace(weak, one.paths, values, damaged=damaged))
            earlier, now = _nearest(today, self._store.earlier(weak))
        return Found(None, Trace(weak, earlier=earlier, now=now, damaged=damaged))

    def _take(self, weak: str, paths_id: str, values: Sequence[str]) -> tuple[DiffID, ...] | None:
        layers = self._store.get(weak, paths_id, values)
        if layers is None:
            return None
        # Leased first, then looked for: what is there now stays
        self._bench.lease.add_layer(*layers)
        return layers if all(map(self._bench.layers.has, layers)) else None

    def run(self, job: Job, op: Run, stage: Stage, trace: Trace) -> Made:
        """Run it, traced where that tells something, and keep what it read. `trace` is what `find` knew, if it was
        asked. Raises: what `ops.run.run` does.
        """
        from wherry.build.traced_run import run_traced

        ran = run_traced(self._bench, op, job.below, stage)
        if ran.paths is None:
            return Made(ran.layers, trace._replace(untraced=ran.untraced))
        weak = trace.weak or self._weak(job)
        paths = collapse(ran.paths)
        if paths.is_whole:
            return Made(ran.layers, trace._replace(weak=weak, paths=paths))
        with self._today(job) as today:
            values = _values(today, paths)
        if values is None:
            return Made(ran.layers, trace._replace(weak=weak, untraced="what it read can't be read again"))
        self._store.put(weak, paths, values, ran.layers, job.vertex.name)
        return Made(ran.layers, trace._replace(weak=weak, paths=paths, values=values))

    def _today(self, job: Job) -> Evaluator:
        layers = [job.below.layers[number] for number in job.below.transparent]
        return Evaluator([self._bench.layers.path(one) for one in layers], self._hashes.of(layers, self._bench.cancel))

    def _weak(self, job: Job) -> str:
        below = job.below
        root = root_attributes(self._bench.layers.path(below.layers[-1]))
        return weak_key(job.vertex, below, job.inputs, job.contents, (*self._bench.shape, root))


def _values(today: Evaluator, paths: PathSet) -> tuple[str, ...] | None:
    """None when it can't be told: a miss, whatever the reason."""
    try:
        return tuple(map(today.value, paths.looks))
    except OSError:
        return None


def _nearest(today: Evaluator, results: Sequence[Earlier]) -> tuple[Earlier | None, tuple[str, ...]]:
    """The result before that differs least (another project's may be among them), and what is at its paths today."""
    best: tuple[int, Earlier | None, tuple[str, ...]] = (1 << 30, None, ())
    for one in results:
        now = _values(today, one.paths) or ()
        now = shortened(now) if one.is_short else now
        known = len(one.values) == len(now)
        differing = sum(map(str.__ne__, one.values, now)) if known else (1 << 20)
        if differing < best[0]:
            best = (differing, one, now)
    return best[1], best[2]
