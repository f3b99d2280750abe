"""The build cache's size limit: applied at the end of each build, and cheap as long as there is room."""

from __future__ import annotations

import os
import time

from wherry.engine.builder_folders import folders, measure
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["SETTING", "enforce", "limit_bytes"]

SETTING = "WHERRY_BUILD_CACHE_LIMIT"
_LEAST_BYTES = 2 * 1000**3
_SHARE = 10  # percent, as docker's default
_STALE_NS = 600 * 10**9


def limit_bytes(text: str, disk_bytes: int) -> int:
    """The setting as bytes, 0 for no limit: "20GB", "15%", "none"; "" is a tenth of the disk, and at least 2 GB. Pure.

    Raises: InputError.
    """
    if not text:
        return max(_LEAST_BYTES, disk_bytes * _SHARE // 100)
    from wherry.runtime.parse_values import size_bytes

    if text in {"none", "0"}:
        return 0
    share = text.removesuffix("%")
    try:
        if share != text and share.isascii() and share.isdecimal() and 0 < int(share) <= 100:
            return disk_bytes * int(share) // 100
        return size_bytes(text, step=1000)
    except InputError:
        raise InputError(f"{SETTING}: {text!r} is no size", hint="as 20GB, 15% or none") from None


def enforce(engine: Engine) -> int:
    """Remove the least recently used until the limit is kept; the bytes that this freed. What a running build leases,
    what an image has and what a step has mounted stays. Raises: InputError (the setting), OSError.
    """
    disk = os.statvfs(engine.settings.paths.root)
    limit = limit_bytes(engine.settings.env.get(SETTING, ""), disk.f_blocks * disk.f_frsize)
    if not limit or _at_most(engine) <= limit:
        return 0
    from wherry.build.evict import Policy
    from wherry.engine.builder_cache import prune

    return prune(engine, Policy(max_used=limit)).freed_bytes


def _at_most(engine: Engine) -> int:
    """No less than the cache holds: what images share counts, too. Folders are measured now and then only."""
    cache, now = engine.settings.paths.cache, time.time_ns()
    total = 0
    for row in folders(engine.db, cache):
        is_stale = row.used_ns > row.measured_ns and now - row.measured_ns > _STALE_NS
        try:
            total += (measure(engine.db, cache, row) if is_stale else row).size
        except FileNotFoundError:
            continue
    query = "SELECT total(size) FROM layer WHERE diff_id IN (SELECT diff_id FROM step_layer)"
    return total + int(engine.db.read().execute(query).fetchone()[0])
