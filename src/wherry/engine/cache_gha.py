"""type=gha: GitHub's cache service as a place for caches."""

from __future__ import annotations

from wherry.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.travel_spec import CacheFrom, CacheTo
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.cache_export import Goal
    from wherry.engine.cache_sources import Carrier

__all__ = ["goal_of", "open_gha"]


def open_gha(engine: Engine, spec: CacheFrom, cancel: Cancel) -> Carrier:
    raise Unsupported("type=gha is not supported yet")


def goal_of(engine: Engine, spec: CacheTo, cancel: Cancel) -> Goal | None:
    raise Unsupported("type=gha is not supported yet")
