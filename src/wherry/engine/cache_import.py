"""--cache-from: what other machines' builds made, looked at only when this machine has not made it itself.

Nothing is asked of any cache before the first step that is not here. A cache that can't be read, and a layer that can't
be had or is not what it should be, cost time and never a build: the user is told, and the step runs.
"""

from __future__ import annotations

import errno
import threading
from collections import defaultdict
from collections.abc import Sequence, Set
from contextlib import ExitStack

from wherry.build.travel_cache import Carried
from wherry.engine.cache_sources import Carrier, open_cache
from wherry.errors import Cancelled, DiskFull, NotFound, Unauthorized, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.progress import Progress
    from wherry.build.travel_document import Step, Trace
    from wherry.build.travel_spec import CacheFrom
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.pull_layers import Part
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import DiffID
    from wherry.store.lease import Lease

__all__ = ["Imports"]


class Imports:
    """The Remote of one build. Thread-safe; `close` at the end."""

    def __init__(
        self, engine: Engine, specs: Sequence[CacheFrom], lease: Lease, progress: Progress, cancel: Cancel
    ) -> None:
        self._engine, self._specs, self._lease = engine, specs, lease
        self._progress, self._cancel = progress, cancel
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._carriers: list[Carrier] | None = None
        self._results: dict[str, list[tuple[Carrier, Step | Trace]]] = defaultdict(list)
        self._traces: dict[str, list[tuple[Carrier, Trace]]] = defaultdict(list)
        self._lost: set[str] = set()
        self._missing: set[DiffID] = set()
        self._fetches = 0

    def close(self) -> None:
        """Idempotent."""
        self._stack.close()

    def find(self, key: str) -> Sequence[Carried]:
        self._open()
        return [
            Carried(carrier.name, one.what, one.layers)
            for carrier, one in self._results.get(key, ())
            if self._may_have(carrier, one.layers)
        ]

    def traces(self, weak: str) -> Sequence[Trace]:
        self._open()
        return [one for carrier, one in self._traces.get(weak, ()) if self._may_have(carrier, one.layers)]

    def giving(self, results: Set[tuple[DiffID, ...]]) -> Sequence[Trace]:
        every = [one for found in self._traces.values() for carrier, one in found if carrier.name not in self._lost]
        return [one for one in every if one.layers in results]

    def _may_have(self, carrier: Carrier, layers: Sequence[DiffID]) -> bool:
        return carrier.name not in self._lost and self._missing.isdisjoint(layers)

    def _open(self) -> list[Carrier]:
        with self._lock:
            if self._carriers is None:
                self._carriers = []
                for number, spec in enumerate(self._specs):
                    self._add(number, spec)
            return self._carriers

    def _add(self, number: int, spec: CacheFrom) -> None:
        key, name = f"cache-from {number}", spec.ref or spec.path or f"{spec.kind}:{spec.gha.scope}"
        self._progress.start(key, f"importing cache manifest from {name}")
        try:
            carrier = open_cache(self._engine, spec, self._stack, self._cancel)
        except Cancelled:
            self._progress.cancelled(key)
            raise
        except (WherryError, OSError) as fault:
            # As docker: a cache that is not there yet is how every first build begins
            self._progress.done(key)
            self._progress.note(f"failed to configure {spec.kind} cache importer: {name}: {_why(fault)}")
            return
        document = carrier.document
        count, traced = len(document.steps), len(document.traces)
        self._progress.output(key, f"{count} steps, and what {traced} of them read\n".encode())
        self._progress.done(key)
        assert self._carriers is not None
        self._carriers.append(carrier)
        for step in document.steps:
            self._results[step.key].append((carrier, step))
        for trace in document.traces:
            self._results[trace.key].append((carrier, trace))
            self._traces[trace.weak].append((carrier, trace))

    def blob(self, diff_id: DiffID) -> Descriptor | None:
        found = (carrier.blobs.get(diff_id) for carrier in self._carriers or () if carrier.name not in self._lost)
        return next((one for one in found if one), None)

    def fetch(self, diff_ids: Sequence[DiffID]) -> bool:
        """Raises: Cancelled."""
        layers = self._engine.layers
        self._lease.add_layer(*diff_ids)
        for carrier in self._open():
            missing = [one for one in dict.fromkeys(diff_ids) if not layers.has(one)]
            if not missing:
                return True
            blobs = carrier.blobs
            if self._may_have(carrier, missing) and all(one in blobs for one in missing):
                from wherry.engine.pull_layers import Part

                self._bring(carrier, [Part(blobs[one], one) for one in missing])
        return all(map(layers.has, diff_ids))

    def _bring(self, carrier: Carrier, parts: Sequence[Part]) -> None:
        from wherry.cancel import Within
        from wherry.engine.pull_layers import LayerPull
        from wherry.registry.watch import Silent
        from wherry.store.compressed import CompressedForms
        from wherry.store.known_blobs import KnownBlobs

        engine = self._engine
        with self._lock:
            self._fetches += 1
            key = f"fetch {self._fetches}"
        what = "a layer" if len(parts) == 1 else f"{len(parts)} layers"
        size = sum(part.blob.size for part in parts)
        self._progress.start(key, f"fetching {what} of {size / 1e6:.1f} MB from the cache {carrier.name}")
        pull = LayerPull(
            engine.layers, CompressedForms(engine.db), carrier.sources, self._lease, Silent(), Within(self._cancel)
        )
        try:
            pull.run(parts, engine.settings.paths.root, max(engine.settings.jobs, 3))
        except Cancelled:
            self._progress.cancelled(key)
            if self._cancel.is_set():
                raise
            self._lose(carrier, parts, Cancelled("the fetch was given up"))
        except (WherryError, OSError) as fault:
            self._progress.done(key)
            self._lose(carrier, parts, fault)
        else:
            self._progress.done(key)
            if place := carrier.sources.place:
                # A push to another repository of that registry can mount them from there
                KnownBlobs(engine.db).add(place, [part.blob.digest for part in parts])

    def _lose(self, carrier: Carrier, parts: Sequence[Part], fault: Exception) -> None:
        """One answer of that kind is enough: a registry that is away must not be waited for at each step, and one that
        sends something else than it promised is not believed again.
        """
        is_full = isinstance(fault, DiskFull) or getattr(fault, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
        if is_full or isinstance(fault, NotFound):
            # Of these layers only
            self._missing.update(part.diff_id for part in parts if not self._engine.layers.has(part.diff_id))
            rest = "the step runs instead"
        else:
            self._lost.add(carrier.name)
            rest = "it is not used any more, and the step runs instead"
        what = f"the cache {carrier.name} did not give what it has"
        if is_full:
            what = f"there is no room for what the cache {carrier.name} has"
        self._progress.note(f"{what}: {_why(fault)}; {rest}")


def _why(fault: Exception) -> str:
    hint = fault.hint if isinstance(fault, Unauthorized) else None
    return f"{fault} ({hint})" if hint else str(fault)
