"""Removing images, and what nothing needs any more."""

from __future__ import annotations

import time
from typing import NamedTuple

from wherry.store.removal import plan_removal, removed_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.engine import Engine
    from wherry.engine.filters import Filter
    from wherry.store.images import ImageRecord

__all__ = ["Pruned", "prune", "remove"]


class Pruned(NamedTuple):
    """`lines` as docker prints them; `freed_bytes` of layers and blobs."""

    lines: tuple[str, ...]
    freed_bytes: int


def remove(engine: Engine, text: str, *, force: bool) -> list[str]:
    """Raises: NotFound, Conflict."""
    image = engine.images.resolve(text)
    users = {one: _is_running(engine, one) for one in engine.image_store.users(image.id)}
    removal = plan_removal(image, text, force=force, users=users)
    labels = engine.events.labels(image.id)
    engine.image_store.remove(image, removal.untag, delete=removal.delete, known_users=users)
    _tell(engine, image, labels, len([one for one in removal.untag if "@" not in one]), deleted=removal.delete)
    gone = engine.collector.collect().layers if removal.delete else ()
    return removed_lines(image, removal, gone)


def _is_too_young(image: ImageRecord, filters: Sequence[Filter]) -> bool:
    """Whether it came here after a moment that `until` names."""
    from wherry.engine.filters import parse_moment

    # Differs from docker: prune's `until` looks at when an image came here, too. Builds carry the time of their commit,
    # or 1980, so that what was built just now would go
    limits = [parse_moment(one.value, time.time_ns()) for one in filters if one.key == "until"]
    return any(image.added_ns >= limit for limit in limits)


def prune(engine: Engine, *, everything: bool, filters: Sequence[Filter]) -> Pruned:
    """`everything` takes images with names too, when no container was made from them."""
    from wherry.errors import Conflict

    removed = []
    for image in engine.images.list(filters):
        if _is_too_young(image, filters) or engine.image_store.users(image.id) or (image.tags and not everything):
            continue
        labels = engine.events.labels(image.id)
        try:
            engine.image_store.remove(image, image.references, delete=True, known_users=())
        except Conflict:
            continue  # a container was made from it just now
        _tell(engine, image, labels, len(image.tags), deleted=True)
        removed.append(image)
    collected = engine.collector.collect()
    lines: list[str] = []
    for image in removed:
        whole = removed_lines(image, plan_removal(image, image.id, force=True, users={}), collected.layers)
        lines += [one.replace("Untagged:", "untagged:").replace("Deleted:", "deleted:") for one in whole]
    engine.events.prune("image", collected.freed_bytes)
    return Pruned(tuple(dict.fromkeys(lines)), collected.freed_bytes)


def _tell(engine: Engine, image: ImageRecord, labels: Mapping[str, str], names: int, *, deleted: bool) -> None:
    """docker's events say of an image that a name was taken from it, but not which."""
    for _ in range(names):
        engine.events.record("image", "untag", image.id, {**labels, "name": image.id})
    if deleted:
        engine.events.record("image", "delete", image.id, {"name": image.id})


def _is_running(engine: Engine, container_id: str) -> bool:
    return engine.containers.state(container_id).is_running
