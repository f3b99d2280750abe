"""The traced cache with what came from elsewhere behind it.

What another machine says that a step looks at is judged like what this one remembers: it is looked up in the layers of
*this* build, inside their folders, and only what is found there makes the key of a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from wherry.build.cache import StepCache
from wherry.build.traced_store import MOST_SETS, Candidate, TracedStore
from wherry.build.travel_cache import Nowhere, TravelCache
from wherry.build.weakkey import strong_key
from wherry.errors import InvalidSpec
from wherry.oci.digest import DiffID
from wherry.trace.observe import MAX_LOOKS, PathSet

__all__ = ["TravelTraced", "store_of"]


def store_of(cache: StepCache) -> TracedStore:
    """The store that belongs to this cache of steps."""
    if isinstance(cache, TravelCache) and not isinstance(cache.remote, Nowhere):
        return TravelTraced(cache)
    return TracedStore(cache)


class TravelTraced(TracedStore):
    """Threads may share it."""

    def __init__(self, cache: TravelCache) -> None:
        super().__init__(cache)
        self._travel = cache
        self._sets: dict[str, PathSet] = {}

    def candidates(self, weak: str) -> tuple[list[Candidate], int]:
        """This machine's own first; as many from elsewhere as would be kept of one's own."""
        found, damaged = super().candidates(weak)
        known = {one.id for one in found}
        imported: list[Candidate] = []
        room = MAX_LOOKS
        for trace in self._travel.remote.traces(weak):
            id = sha256(trace.paths).hexdigest()
            if id not in known and (paths := _unpacked(trace.paths)) is not None:
                room -= len(paths.looks)
                if room < 0:
                    # Each look costs some microseconds: a cache must not be able to hold a build up for long
                    break
                known.add(id)
                imported.append(Candidate(id, paths))
        both = [*found, *imported[:MOST_SETS]]
        self._sets.update((one.id, one.paths) for one in both)
        return both, damaged

    def get(self, weak: str, paths_id: str, values: Sequence[str]) -> tuple[DiffID, ...] | None:
        """Raises: Cancelled."""
        found = super().get(weak, paths_id, values)
        if found is not None or paths_id not in self._sets:
            return found
        carried = self._travel.bring(strong_key(weak, paths_id, values))
        if carried is None:
            return None
        self.put(weak, self._sets[paths_id], values, carried.layers, carried.what)
        return carried.layers


def _unpacked(data: bytes) -> PathSet | None:
    """None for what no step can have looked at, and for what says nothing."""
    try:
        paths = PathSet.unpack(data)
    except InvalidSpec:
        return None
    return None if paths.is_whole else paths
