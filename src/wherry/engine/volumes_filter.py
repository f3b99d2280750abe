"""The filters of `volume ls`, with docker's rules about how several go together."""

from __future__ import annotations

from wherry.engine.filters import boolean, by_key, has_label, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.filters import Filter
    from wherry.volume.model import Volume

__all__ = ["KEYS", "filtered"]

KEYS = ("dangling", "driver", "label", "name")


def filtered(engine: Engine, volumes: Sequence[Volume], filters: Sequence[Filter]) -> list[Volume]:
    """Those that pass: values of one key are alternatives (labels must all be there), every key must hold.

    Raises: InputError.
    """
    wanted = by_key(filters)
    kept = list(volumes)
    if "dangling" in wanted:
        is_idle = boolean("dangling", wanted["dangling"])
        kept = [one for one in kept if bool(engine.volumes.users(one.name)) != is_idle]
    if "name" in wanted:
        kept = [one for one in kept if matches(wanted["name"], one.name)]
    if "driver" in wanted and "local" not in wanted["driver"]:
        kept = []
    return [one for one in kept if all(has_label(one.labels, label) for label in wanted.get("label", ()))]
