"""Results of RUN steps by what the steps read: rows beside those of the ordinary keys, in the same database.

A weak key has *path sets*: what the step looked at, one for each way it went. A path set with what was found there is
the strong key of a result, which is a step of another kind: it is pruned, counted and kept from collection like any.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from wherry.build.cache import TRACED, StepCache
from wherry.build.weakkey import strong_key
from wherry.errors import WherryError
from wherry.oci.digest import DiffID
from wherry.trace.observe import PathSet

__all__ = ["MOST_SETS", "Candidate", "Earlier", "TracedStore", "shortened"]

MOST_SETS = 16
"""Path sets kept for one weak key: a step that goes another way each time must not fill the database."""
_MOST_EARLIER = 8
_MOST_SHOWN_BYTES = 1 << 17


class Candidate(NamedTuple):
    id: str
    paths: PathSet


class Earlier(NamedTuple):
    """A result as it was found before. `values` fit `paths.looks`; () when they can't be told; `is_short`: they are
    `shortened`.
    """

    paths: PathSet
    values: tuple[str, ...]
    is_short: bool = False


class TracedStore:
    """Threads may share it."""

    def __init__(self, cache: StepCache) -> None:
        self._db = cache.db
        self._cache = cache

    def candidates(self, weak: str) -> tuple[list[Candidate], int]:
        """The path sets, the one used last first, and how many were damaged (those are gone then)."""
        rows = self._db.read().execute(
            "SELECT id, paths FROM traced_paths WHERE weak = ? ORDER BY used_ns DESC, id", (weak,)
        )
        found, damaged = [], []
        for id, data in rows.fetchall():
            paths = _unpacked(id, data)
            if paths is None:
                damaged.append(id)
            else:
                found.append(Candidate(id, paths))
        for id in damaged:
            self._forget(weak, id)
        return found, len(damaged)

    def get(self, weak: str, paths_id: str, values: Sequence[str]) -> tuple[DiffID, ...] | None:
        """The layers that the step adds, or None."""
        return self._cache.get(strong_key(weak, paths_id, values), kind=TRACED)

    def touch(self, weak: str, paths_id: str) -> None:
        """It is the first to be tried next time."""
        with self._db.write() as connection:
            connection.execute(
                "UPDATE traced_paths SET used_ns = ? WHERE weak = ? AND id = ?", (time.time_ns(), weak, paths_id)
            )

    def put(self, weak: str, paths: PathSet, values: Sequence[str], layers: Sequence[DiffID], what: str) -> None:
        """All of it or nothing. The last one wins: two builds may bring the same at once. A set that stands for whole
        layers is not kept: the ordinary key says the same.
        """
        if paths.is_whole or not self._cache.remembers:
            return
        data = paths.pack()
        id = sha256(data).hexdigest()
        key = strong_key(weak, id, values)
        with self._db.write() as connection:
            self._cache.put(key, layers, what, kind=TRACED)
            connection.execute(
                "INSERT OR REPLACE INTO traced_paths (weak, id, paths, looks, used_ns) VALUES (?, ?, ?, ?, ?)",
                (weak, id, data, len(paths.looks), time.time_ns()),
            )
            connection.execute(
                "INSERT INTO traced_result (key, weak, paths_id, vals) VALUES (?, ?, ?, ?)",
                (key, weak, id, _shown(values)),
            )
            # Those used least go, with the results that only they could find
            connection.execute(
                "DELETE FROM step WHERE key IN (SELECT key FROM traced_result WHERE weak = ? AND paths_id IN"
                " (SELECT id FROM traced_paths WHERE weak = ? ORDER BY used_ns DESC, id LIMIT -1 OFFSET ?))",
                (weak, weak, MOST_SETS),
            )

    def earlier(self, weak: str) -> list[Earlier]:
        """The results that were made or used last, the last one first."""
        rows = self._db.read().execute(
            "SELECT p.id, p.paths, r.vals FROM traced_result r JOIN step s ON s.key = r.key"
            " JOIN traced_paths p ON p.weak = r.weak AND p.id = r.paths_id"
            " WHERE r.weak = ? ORDER BY s.used_ns DESC, s.key LIMIT ?",
            (weak, _MOST_EARLIER),
        )
        found = []
        for id, data, shown in rows.fetchall():
            paths = _unpacked(id, data)
            if paths is not None:
                values, is_short = _values(shown)
                found.append(Earlier(paths, values if len(values) == len(paths.looks) else (), is_short))
        return found

    def _forget(self, weak: str, id: str) -> None:
        with self._db.write() as connection:
            connection.execute(
                "DELETE FROM step WHERE key IN (SELECT key FROM traced_result WHERE weak = ? AND paths_id = ?)",
                (weak, id),
            )
            connection.execute("DELETE FROM traced_paths WHERE weak = ? AND id = ?", (weak, id))


def _unpacked(id: str, data: object) -> PathSet | None:
    """None when it is not what was written."""
    if not isinstance(data, bytes) or sha256(data).hexdigest() != id:
        return None
    try:
        return PathSet.unpack(data)
    except WherryError:
        return None


def shortened(values: Sequence[str]) -> tuple[str, ...]:
    """Enough to tell that something is another, and what it is: its type and a piece of a digest."""
    return tuple(
        f"{value.partition(';')[0].partition(' ')[0]} {sha256(value.encode()).hexdigest()[:12]}" for value in values
    )


def _shown(values: Sequence[str]) -> bytes:
    """For people: they are in the key whatever they are, so they may be kept short, or not at all."""
    data = json.dumps(list(values)).encode()
    if len(data) > _MOST_SHOWN_BYTES:
        data = json.dumps({"short": shortened(values)}).encode()
    return data if len(data) <= _MOST_SHOWN_BYTES else b""


def _values(data: object) -> tuple[tuple[str, ...], bool]:
    """And whether they are short."""
    try:
        found = json.loads(data) if isinstance(data, bytes) and data else []
    except ValueError:
        return (), False
    is_short = isinstance(found, dict)
    if isinstance(found, dict):
        found = found.get("short", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return (), is_short
    return tuple(found), is_short
