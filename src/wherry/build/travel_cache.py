"""The step cache with what came from elsewhere behind it, and a record of what the build used of it.

What is here comes first, and nothing that came from elsewhere ever takes its place. A record from elsewhere costs
nothing until a step asks for its key: then its layers are brought here and checked, and only after that is it kept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple, Protocol

from wherry.build.cache import ORDINARY, TRACED, StepCache
from wherry.build.travel_document import CacheDocument, CarriedLayer, Step, Trace
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease

__all__ = ["Carried", "LayersAway", "Nowhere", "Origins", "Remote", "TravelCache"]


class Carried(NamedTuple):
    """A record of a cache that the user named. `source` names that cache, to be shown."""

    source: str
    what: str
    layers: tuple[DiffID, ...]


class Remote(Protocol):
    """The caches that the user named. Calls come from several threads; nothing is asked of anybody before the first."""

    def find(self, key: str) -> Sequence[Carried]:
        """What a step with this key (ordinary or strong) gave, the cache named first coming first."""

    def traces(self, weak: str) -> Sequence[Trace]:
        """What steps with this weak key looked at, the cache named first coming first."""

    def giving(self, results: Set[tuple[DiffID, ...]]) -> Sequence[Trace]:
        """What steps that gave one of these looked at. Of caches that were asked before: nobody is asked for this."""

    def blob(self, diff_id: DiffID) -> Descriptor | None:
        """How a cache that was asked before has the layer."""

    def fetch(self, diff_ids: Sequence[DiffID]) -> bool:
        """Lease these layers and bring those here that are not. False when one can't be had: the user was told why.

        Raises: Cancelled.
        """


class Nowhere:
    """No cache was named."""

    def find(self, key: str) -> Sequence[Carried]:
        return ()

    def traces(self, weak: str) -> Sequence[Trace]:
        return ()

    def giving(self, results: Set[tuple[DiffID, ...]]) -> Sequence[Trace]:
        return ()

    def blob(self, diff_id: DiffID) -> Descriptor | None:
        return None

    def fetch(self, diff_ids: Sequence[DiffID]) -> bool:
        return False


class LayersAway(Exception):
    """Layers that were promised can't be had: what was built on the promise is to be looked up anew.

    No WherryError: nobody but the caller of the solver sees it.
    """


class Origins:
    """Which records came from elsewhere, as long as they are kept. A step that runs here has none."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, key: str, source: str) -> None:
        """Of a record that is there."""
        with self._db.write() as conn:
            conn.execute("INSERT OR REPLACE INTO step_source (key, source) VALUES (?, ?)", (key, source[:400]))


class TravelCache(StepCache):
    """One build's. `lease` is the build's own: what came from elsewhere is leased with it.

    What a step of another machine gave is *promised*: its layers are fetched when something needs them, all at once, so
    that those of a stage of which only a copied file is needed are never fetched.
    """

    def __init__(
        self, db: Database, layers: LayerStore, lease: Lease, remote: Remote, *, remember: bool = True
    ) -> None:
        super().__init__(db, remember=remember)
        self._is_eager = False
        self._lock = threading.Lock()
        self._promised: set[DiffID] = set()
        self._pending: dict[str, Carried] = {}
        self.remote, self.lease = remote, lease
        self._has_remote = not isinstance(remote, Nowhere)
        self._layers = layers
        self._origins = Origins(db)
        self._used: dict[str, Step] = {}
        self._came: dict[tuple[DiffID, ...], str] = {}
        self._brought: set[str] = set()

    def came(self, key: str) -> bool:
        return key in self._brought

    def get(self, key: str, *, kind: str = ORDINARY) -> tuple[DiffID, ...] | None:
        """Raises: Cancelled."""
        found = super().get(key, kind=kind)
        # Without another cache the caller's own look is enough: a build in which nothing changed leases but once
        if found is not None and self._has_remote and not (self._are_here(found) or self.remote.fetch(found)):
            found = None
        if found is None and kind == ORDINARY and (carried := self._from_elsewhere(key)):
            return carried.layers
        if found is not None and kind == ORDINARY:
            self._used[key] = Step(key, "", found)
        return found

    def put(self, key: str, layers: Sequence[DiffID], what: str, *, kind: str = ORDINARY) -> None:
        super().put(key, layers, what, kind=kind)
        if kind == ORDINARY:
            self._used[key] = Step(key, what, tuple(layers))
        if self.remembers and (source := self._came.get(tuple(layers))):
            self._origins.put(key, source)

    def source(self, key: str) -> str:
        with self._lock:
            pending = self._pending.get(key)
        return pending.source if pending else super().source(key)

    def be_eager(self) -> None:
        """Promise nothing any more: fetch at once. What was promised is forgotten."""
        self._is_eager = True
        for key in self._pending:
            self._used.pop(key, None)
        self._pending.clear()
        self._promised.clear()

    def promises(self, layers: Sequence[DiffID]) -> bool:
        with self._lock:
            return not self._promised.isdisjoint(layers)

    def need(self, layers: Sequence[DiffID]) -> None:
        """Raises: LayersAway, Cancelled."""
        with self._lock:
            missing = [one for one in dict.fromkeys(layers) if one in self._promised]
        if not missing:
            return
        if not self.remote.fetch(missing):
            raise LayersAway
        with self._lock:
            self._promised.difference_update(missing)
            kept = [(key, one) for key, one in self._pending.items() if self._promised.isdisjoint(one.layers)]
            for key, _ in kept:
                del self._pending[key]
        for key, carried in kept:
            self._keep(key, carried)

    def _from_elsewhere(self, key: str) -> Carried | None:
        if not self._is_eager:
            return self._promise(key)
        if carried := self.bring(key):
            self._keep(key, carried)
        return carried

    def _promise(self, key: str) -> Carried | None:
        for carried in self.remote.find(key):
            with self._lock:
                self._promised.update(one for one in carried.layers if not self._is_here(one))
                if not self._promised.isdisjoint(carried.layers):
                    self._pending[key] = carried
                    self._used[key] = Step(key, carried.what, carried.layers)
                    return carried
            self._keep(key, carried)
            return carried
        return None

    def _keep(self, key: str, carried: Carried) -> None:
        self._came.setdefault(carried.layers, carried.source)
        self._brought.add(key)
        self.put(key, carried.layers, carried.what)

    def bring(self, key: str) -> Carried | None:
        """A record from elsewhere, once its layers are here; what is put with them is known to come from there.

        For a key that has no record of this machine's own. Raises: Cancelled.
        """
        for carried in self.remote.find(key):
            if self._are_here(carried.layers) or self.remote.fetch(carried.layers):
                self._came.setdefault(carried.layers, carried.source)
                return carried
        return None

    def _is_here(self, one: DiffID) -> bool:
        return self._are_here((one,))

    def _are_here(self, layers: Sequence[DiffID]) -> bool:
        # Leased first, then looked for: what is there now stays
        self.lease.add_layer(*layers)
        return all(map(self._layers.has, layers))

    def document(self, only: Iterable[DiffID] | None = None) -> CacheDocument:
        """The records that this build used or made, without blobs. `only`: those whose layers are all among these."""
        steps = sorted(map(self._named, self._used.values()))
        diff_ids = dict.fromkeys(diff_id for one in steps for diff_id in one.layers)
        results = {one.layers for one in steps}
        # A step that was found by its ordinary key is passed on with what is known of it: else a cache would lose that
        # on its way from machine to machine
        known = {one.key: one for one in (*self.remote.giving(results), *self._traces(results))}
        traces = sorted(known.values())
        whole = CacheDocument(tuple(map(CarriedLayer, diff_ids)), tuple(steps), tuple(traces))
        return whole if only is None else whole.only(only)

    def _traces(self, results: Set[tuple[DiffID, ...]]) -> list[Trace]:
        """What is known of steps that gave these layers. All of it is true, whichever way this build found them."""
        rows = self.db.read().execute(
            "SELECT r.weak, r.key, s.what, p.paths FROM step_layer l JOIN traced_result r ON r.key = l.key"
            " JOIN traced_paths p ON p.weak = r.weak AND p.id = r.paths_id JOIN step s ON s.key = r.key"
            " WHERE l.position = 0 AND l.diff_id IN (SELECT value FROM json_each(?)) ORDER BY r.weak, r.key",
            (json.dumps([layers[0] for layers in results]),),
        )
        found = [
            Trace(weak, key, what, paths, StepCache.get(self, key, kind=TRACED) or ())
            for weak, key, what, paths in rows.fetchall()
        ]
        return [one for one in found if one.layers in results]

    def _named(self, step: Step) -> Step:
        if step.what:
            return step
        row = self.db.read().execute("SELECT what FROM step WHERE key = ?", (step.key,)).fetchone()
        return step._replace(what=str(row[0]) if row else "")
