"""Which layers a step made, by its key. A cached step is a *diff*: the layers it adds, never the tree below them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database

__all__ = ["MADE", "ORDINARY", "TRACED", "StepCache"]

ORDINARY, TRACED = "ordinary", "traced"
MADE = "none"
"""Not a kind of key: no key found the step."""
_FRESH_NS = 60 * 60 * 10**9


class StepCache:
    """Rows in the state database. The layers stay as long as their row does: garbage collection reads it.

    `remember` False: what is put is forgotten.
    """

    def __init__(self, db: Database, *, remember: bool = True) -> None:
        self._db = db
        self._remembers = remember

    @property
    def db(self) -> Database:
        """Where the rows are."""
        return self._db

    @property
    def remembers(self) -> bool:
        """False: what is put is forgotten."""
        return self._remembers

    def came(self, key: str) -> bool:
        """Whether it was another machine's until this build."""
        return False

    def source(self, key: str) -> str:
        """The cache of another machine that the record came from; "" when it was made here."""
        row = self._db.read().execute("SELECT source FROM step_source WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def promises(self, layers: Sequence[DiffID]) -> bool:
        """Whether `get` gave layers among these that are not here, and that `need` would bring."""
        return False

    def need(self, layers: Sequence[DiffID]) -> None:
        """They are about to be used. Raises: what a cache that promises raises when it can't keep its word."""

    def get(self, key: str, *, kind: str = ORDINARY) -> tuple[DiffID, ...] | None:
        """The layers that the step adds, base first, or None. Whether they are still there is the caller's to see."""
        connection = self._db.read()
        row = connection.execute("SELECT used_ns FROM step WHERE key = ? AND kind = ?", (key, kind)).fetchone()
        if row is None:
            return None
        rows = connection.execute("SELECT diff_id FROM step_layer WHERE key = ? ORDER BY position", (key,))
        layers = tuple(DiffID(found[0]) for found in rows)
        if not layers:
            # Every step has a layer: it was pruned between the two questions, and "no layer" would be a wrong hit
            return None
        now = time.time_ns()
        if now - row[0] > _FRESH_NS:
            # Once an hour is enough for pruning, and a rebuild that changes nothing writes nothing
            with self._db.write() as write:
                write.execute("UPDATE step SET used_ns = ? WHERE key = ?", (now, key))
        return layers

    def put(self, key: str, layers: Sequence[DiffID], what: str, *, kind: str = ORDINARY) -> None:
        """Idempotent: the last one wins, whole. `what` is the step as people know it."""
        if not self._remembers:
            return
        now = time.time_ns()
        with self._db.write() as connection:
            connection.execute("DELETE FROM step WHERE key = ?", (key,))
            connection.execute(
                "INSERT INTO step (key, kind, what, created_ns, used_ns) VALUES (?, ?, ?, ?, ?)",
                (key, kind, what[:400], now, now),
            )
            connection.executemany(
                "INSERT INTO step_layer (key, position, diff_id) VALUES (?, ?, ?)",
                [(key, position, diff_id) for position, diff_id in enumerate(layers)],
            )
