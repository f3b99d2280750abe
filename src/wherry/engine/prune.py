"""What takes space, and giving it back: `system df`, `system prune`, `builder prune`."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["CacheStep", "Usage", "builder_prune", "cache_steps", "usage"]


class Usage(NamedTuple):
    """One line of `system df`. Sizes in bytes; `active` is how many are in use."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


class CacheStep(NamedTuple):
    """A step of the build cache. `size` is of the layers that nothing but the cache keeps; 0 when an image has them."""

    key: str
    what: str
    created_ns: int
    used_ns: int
    size: int
    is_shared: bool


def usage(engine: Engine) -> tuple[Usage, ...]:
    """Images, containers, volumes, build cache: as docker counts them, layers that images share once."""
    return (_images(engine), _containers(engine), _volumes(engine), _cache(engine))


def cache_steps(engine: Engine) -> list[CacheStep]:
    """Every remembered step, the least recently used first. A layer of several steps counts for the first one."""
    conn = engine.db.read()
    in_images = {row[0] for row in conn.execute("SELECT diff_id FROM image_layer")}
    sizes = dict(conn.execute("SELECT diff_id, size FROM layer").fetchall())
    layers: dict[str, list[str]] = {}
    for key, diff_id in conn.execute("SELECT key, diff_id FROM step_layer"):
        layers.setdefault(key, []).append(diff_id)
    seen: set[str] = set()
    steps = []
    rows = conn.execute("SELECT key, what, created_ns, used_ns FROM step ORDER BY used_ns, key").fetchall()
    for key, what, created_ns, used_ns in rows:
        own = [one for one in layers.get(key, ()) if one not in in_images]
        size = sum(sizes.get(one, 0) for one in own if one not in seen)
        seen.update(own)
        shared = bool(layers.get(key)) and not own
        steps.append(CacheStep(key, what, created_ns, used_ns, size, shared))
    return steps


def builder_prune(
    engine: Engine, *, everything: bool = False, unused_for_ns: int = 0, keep_bytes: int = 0
) -> tuple[tuple[str, ...], int]:
    """Forget cached steps and free their layers: (keys, bytes freed).

    Without `everything`, steps whose layers an image has stay: forgetting them frees nothing. `unused_for_ns` keeps
    what was used later than that; `keep_bytes` stops when the cache is no larger.
    """
    steps = cache_steps(engine)
    total = sum(step.size for step in steps)
    limit = time.time_ns() - unused_for_ns
    gone = []
    for step in steps:
        if (step.is_shared and not everything) or step.used_ns > limit:
            continue
        if keep_bytes and total <= keep_bytes:
            break
        gone.append(step.key)
        total -= step.size
    with engine.db.write() as conn:
        conn.executemany("DELETE FROM step WHERE key = ?", [(key,) for key in gone])
        if everything:
            conn.execute("DELETE FROM file_hash")
    freed = _clear_mounts(engine) if everything and not keep_bytes and not unused_for_ns else 0
    return tuple(gone), engine.collector.collect().freed_bytes + freed


def _clear_mounts(engine: Engine) -> int:
    """Remove the cache mounts of RUN steps, unless anything holds a lease (a build may have them mounted)."""
    from wherry.fs.remove import remove_tree
    from wherry.fs.tree import disk_usage

    away = engine.scratch.path("gone")
    engine.leases.sweep()
    with engine.db.write() as conn:
        if conn.execute("SELECT 1 FROM lease").fetchone():
            return 0
        try:
            os.rename(engine.settings.paths.cache, away)
        except FileNotFoundError:
            return 0
    size = disk_usage(away)
    remove_tree(away)
    return size


def _images(engine: Engine) -> Usage:
    records = engine.images.list()
    sizes = {diff_id: engine.layers.get(diff_id).size for record in records for diff_id in record.layers}
    active = [record for record in records if engine.image_store.users(record.id)]
    used = {diff_id for record in active for diff_id in record.layers}
    total = sum(sizes.values())
    return Usage("Images", len(records), len(active), total, total - sum(sizes[one] for one in used))


def _containers(engine: Engine) -> Usage:
    from wherry.fs.tree import disk_usage

    total = active = size = reclaimable = 0
    for (container_id,) in engine.db.read().execute("SELECT id FROM container").fetchall():
        own = disk_usage(f"{engine.containers.bundle(container_id)}/upper")
        total += 1
        size += own
        if engine.containers.state(container_id).is_running:
            active += 1
        else:
            reclaimable += own
    return Usage("Containers", total, active, size, reclaimable)


def _volumes(engine: Engine) -> Usage:
    from wherry.fs.tree import disk_usage

    conn = engine.db.read()
    used = {row[0] for row in conn.execute("SELECT DISTINCT volume FROM volume_use")}
    names = [row[0] for row in conn.execute("SELECT name FROM volume")]
    sizes = {name: disk_usage(f"{engine.settings.paths.volumes}/{name}/_data") for name in names}
    reclaimable = sum(size for name, size in sizes.items() if name not in used)
    return Usage("Local Volumes", len(names), len(used & set(names)), sum(sizes.values()), reclaimable)


def _cache(engine: Engine) -> Usage:
    from wherry.fs.tree import disk_usage

    steps = cache_steps(engine)
    size = sum(step.size for step in steps)
    # What RUN steps share between builds (pip's and apt's downloads) is cache, too
    mounts = disk_usage(engine.settings.paths.cache)
    return Usage("Build Cache", len(steps), 0, size + mounts, size + mounts)
