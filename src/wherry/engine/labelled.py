"""Containers, networks and volumes by their labels, as compose asks for them: rows alone, in as many SELECTs.

`engine.networks` and `engine.volumes` load what makes networks and volumes, 10 ms of a command that only looks.
"""

from __future__ import annotations

from wherry import lean_json as json
from wherry.engine import containers_rows
from wherry.engine.containers_repair import repair_some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState

__all__ = ["containers", "joined", "mounted", "networks", "volumes"]


def containers(engine: Engine, key: str, value: str | None = None) -> list[tuple[ContainerRow, ContainerState]]:
    """Those with that label, of any value when it is None, newest first, after repairs (of them, and of no others)."""
    rows = containers_rows.labelled(engine.db, key, value)
    return repair_some(engine, rows)


def networks(engine: Engine) -> list[tuple[str, str, dict[str, str]]]:
    """(name, id, labels) of those with rows, oldest first."""
    rows = engine.db.read().execute("SELECT name, id, labels FROM network ORDER BY number")
    return [(name, id, json.loads(labels)) for name, id, labels in rows.fetchall()]


def volumes(engine: Engine) -> list[tuple[str, dict[str, str]]]:
    """(name, labels), by name."""
    rows = engine.db.read().execute("SELECT name, labels FROM volume ORDER BY name")
    return [(name, json.loads(labels)) for name, labels in rows.fetchall()]


def joined(engine: Engine) -> dict[str, list[str]]:
    """The names of the networks that containers are on now, in order, by whole id."""
    rows = engine.db.read().execute(
        "SELECT j.container_id, n.name FROM joint j JOIN network n ON n.number = j.network ORDER BY j.slot"
    )
    found: dict[str, list[str]] = {}
    for id, name in rows.fetchall():
        found.setdefault(id, []).append(name)
    return found


def mounted(engine: Engine) -> dict[str, list[tuple[str, str, bool]]]:
    """(target, volume, whether it is the container's own anonymous one), by whole id."""
    rows = engine.db.read().execute(
        "SELECT u.container_id, u.target, u.volume, v.is_anonymous AND NOT u.is_named"
        " FROM volume_use u JOIN volume v ON v.name = u.volume ORDER BY u.target"
    )
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for id, target, volume, is_anonymous in rows.fetchall():
        found.setdefault(id, []).append((target, volume, bool(is_anonymous)))
    return found
