"""What takes space: `system df`."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["Usage", "usage"]


class Usage(NamedTuple):
    """One line of `system df`. Sizes in bytes; `active` is how many are in use."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


def usage(engine: Engine) -> tuple[Usage, ...]:
    """Images, containers, volumes, build cache: as docker counts them, layers that images share once."""
    found = (_images(engine), _containers(engine), _volumes(engine), _cache(engine))
    # Differs from docker: models, where there are any
    models = Usage("Models", *engine.models.usage())
    # Differs from docker: training runs, where there are any
    kept = (models, _runs(engine))
    return (*found, *(one for one in kept if one.total or one.size))


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


def _runs(engine: Engine) -> Usage:
    """Each is kept until `runs rm`: what can go is what pulls left that broke off."""
    import os

    from wherry.engine.runs_pull import partial_bytes
    from wherry.fs.tree import disk_usage
    from wherry.track.folder import is_held

    home = engine.runs.home
    if not os.path.isdir(home):
        return Usage("Training Runs", 0, 0, 0, 0)
    found = engine.runs.list()
    return Usage("Training Runs", len(found), sum(is_held(one.folder) for one in found), disk_usage(home),
                 partial_bytes(engine))  # fmt: skip


def _cache(engine: Engine) -> Usage:
    from wherry.engine.builder_cache import entries

    found = entries(engine)
    size = sum(one.size for one in found)
    busy = [one for one in found if one.is_in_use]
    return Usage("Build Cache", len(found), len(busy), size, size - sum(one.size for one in busy))
