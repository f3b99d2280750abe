"""What the last build of a project was made of, so that the next one can say what changed. For people only: no key
looks here, and whatever is wrong with it costs an explanation, never a build.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database

__all__ = ["MOST_FILES", "MOST_PROJECTS", "Facts", "Memory", "Remembered"]

MOST_PROJECTS = 200
MOST_FILES = 4000
_MOST_BYTES = 1 << 20


class Facts(NamedTuple):
    """One step. `stage` and `number` say where it stands, `text` how it is shown, `kind` which instruction it is.

    `parts` are what its key is made of, by names that people know, each as text or a digest; `layers` those below it,
    base first, of which `base` are the image's; `key` the ordinary one.
    """

    stage: str
    number: int
    kind: str
    text: str
    parts: Mapping[str, str]
    layers: tuple[str, ...]
    base: int
    key: str

    @property
    def slot(self) -> str:
        """Names the step from build to build."""
        return sha256(json.dumps([self.stage, self.kind, self.text]).encode()).hexdigest()[:32]


class Remembered(NamedTuple):
    """The steps of a project's last build; () when there was none."""

    steps: tuple[Facts, ...] = ()

    def step(self, now: Facts) -> Facts | None:
        """What stands for the step `now`: the same words, else the one in its place."""
        here = [one for one in self.steps if one.stage == now.stage and one.kind == now.kind]
        same = [one for one in here if one.text == now.text]
        return next((one for one in (*same, *here) if one.number == now.number), next(iter(same), None))


class Memory:
    """Of one project: a context folder and a Dockerfile."""

    def __init__(self, db: Database, project: str) -> None:
        self._db = db
        self._project = sha256(project.encode("utf-8", "surrogateescape")).hexdigest()

    def recall(self) -> Remembered:
        row = self._db.read().execute("SELECT steps FROM build_seen WHERE project = ?", (self._project,)).fetchone()
        try:
            return Remembered(tuple(_facts(one) for one in json.loads(row[0]))) if row else Remembered()
        except (ValueError, TypeError, KeyError):
            return Remembered()

    def files(self, slot: str) -> dict[str, str]:
        """Of a COPY: its files and what stood for each. {} when that is not known."""
        row = (
            self._db.read()
            .execute("SELECT files FROM copy_seen WHERE project = ? AND slot = ?", (self._project, slot))
            .fetchone()
        )
        try:
            found = json.loads(row[0]) if row else {}
        except (ValueError, TypeError):
            return {}
        return {str(name): str(one) for name, one in found.items()} if isinstance(found, dict) else {}

    def is_current(self, keys: Sequence[str]) -> bool:
        """Whether the last build had just these keys. Quick: asked by each build, also when nothing changed."""
        row = self._db.read().execute("SELECT digest FROM build_seen WHERE project = ?", (self._project,)).fetchone()
        return row is not None and row[0] == _digest(keys)

    def note(self, steps: Sequence[Facts], files: Mapping[str, Mapping[str, str]], keys: Sequence[str]) -> None:
        """Take the place of what was remembered. `files`: slot → files, of the COPYs that changed."""
        data = json.dumps([one._asdict() for one in steps]).encode()
        if len(data) > _MOST_BYTES:
            data = b"[]"
        with self._db.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO build_seen (project, digest, steps, used_ns) VALUES (?, ?, ?, ?)",
                (self._project, _digest(keys), data, time.time_ns()),
            )
            slots = {one.slot for one in steps}
            old = connection.execute("SELECT slot FROM copy_seen WHERE project = ?", (self._project,)).fetchall()
            gone = [(self._project, row[0]) for row in old if row[0] not in slots]
            connection.executemany("DELETE FROM copy_seen WHERE project = ? AND slot = ?", gone)
            connection.executemany(
                "INSERT OR REPLACE INTO copy_seen (project, slot, files) VALUES (?, ?, ?)",
                [(self._project, slot, json.dumps(dict(one)).encode()) for slot, one in files.items()],
            )
            connection.execute(
                "DELETE FROM build_seen WHERE project IN (SELECT project FROM build_seen ORDER BY used_ns DESC"
                " LIMIT -1 OFFSET ?)",
                (MOST_PROJECTS,),
            )
            connection.execute("DELETE FROM copy_seen WHERE project NOT IN (SELECT project FROM build_seen)")


def _facts(one: Any) -> Facts:
    parts = {str(name): str(value) for name, value in one["parts"].items()}
    return Facts(
        str(one["stage"]), int(one["number"]), str(one["kind"]), str(one["text"]), parts,
        tuple(map(str, one["layers"])), int(one["base"]), str(one["key"]),
    )  # fmt: skip


def _digest(keys: Sequence[str]) -> str:
    return sha256(" ".join(keys).encode()).hexdigest()
