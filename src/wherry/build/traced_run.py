"""A RUN that is traced: its root is opened by a tracer, which tells afterwards what was looked at below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from wherry.build.graph import Run
from wherry.build.ops.layer import Bench
from wherry.build.ops.run import Stage, run
from wherry.build.weakkey import Stack
from wherry.cancel import Cancel
from wherry.host import Overlay
from wherry.oci.digest import DiffID
from wherry.trace.observe import PathSet
from wherry.trace.session import TraceLost, TraceUnavailable

__all__ = ["Ran", "Session", "Tracer", "run_traced"]


class Session(Protocol):
    """One step's root while it is watched."""

    @property
    def root_fd(self) -> int: ...

    def finish(self) -> PathSet:
        """What was looked at. Raises: TraceLost when anything could be missing."""

    def close(self) -> None:
        """Idempotent."""


class Tracer(Protocol):
    def start(self, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> Session:
        """Open the overlay, and watch the lowers at the positions `traced`. Raises: TraceUnavailable, OSError,
        Cancelled.
        """


class Ran(NamedTuple):
    """`layers` are those that the step adds; `paths` None: what it looked at is not known, `untraced` says why."""

    layers: tuple[DiffID, ...]
    paths: PathSet | None = None
    untraced: str = ""


def run_traced(bench: Bench, op: Run, below: Stack, stage: Stage) -> Ran:
    """Traced when something transparent lies below. A step whose trace is lost runs again, on a fresh upper folder:
    what it gave the first time may have been made of failed reads.

    Raises: what `ops.run.run` does.
    """
    tracer = bench.tracer
    if tracer is None or not below.transparent:
        return Ran(run(bench, op, below.layers, stage))
    watched = _Watched(tracer, below.transparent, bench.cancel)
    try:
        return Ran(run(bench, op, below.layers, stage._replace(opening=watched)), watched.paths)
    except TraceUnavailable as fault:
        why = fault.reason
    except TraceLost as fault:
        why = fault.reason
        stage.write(f"the trace of this step was lost ({why}): it runs again, untraced\n".encode())
    return Ran(run(bench, op, below.layers, stage), None, why)


class _Watched:
    """An Opening by a tracer."""

    def __init__(self, tracer: Tracer, traced: Sequence[int], cancel: Cancel) -> None:
        self._tracer, self._traced, self._cancel = tracer, traced, cancel
        self._session: Session | None = None
        self.paths: PathSet | None = None

    def open(self, overlay: Overlay) -> int:
        self._session = self._tracer.start(overlay, self._traced, self._cancel)
        return self._session.root_fd

    def settle(self) -> None:
        assert self._session
        self.paths = self._session.finish()

    def close(self) -> None:
        if self._session:
            self._session.close()
