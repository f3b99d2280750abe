"""`system df -v`: what each image and each volume holds, and who uses it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord
    from wherry.volume.model import Volume

__all__ = ["ImageUse", "VolumeUse", "image_uses", "volume_uses"]


class ImageUse(NamedTuple):
    """`shared_bytes`: of layers that another image has, too; `containers`: how many are made from it."""

    record: ImageRecord
    size_bytes: int
    shared_bytes: int
    containers: int


class VolumeUse(NamedTuple):
    """`links`: how many containers mount it."""

    volume: Volume
    size_bytes: int
    links: int


def image_uses(engine: Engine) -> list[ImageUse]:
    """In the order of `images`. A layer that an image has twice counts once."""
    records = engine.images.list()
    owners = Counter(diff_id for record in records for diff_id in set(record.layers))
    sizes = {diff_id: engine.layers.get(diff_id).size for diff_id in owners}
    return [
        ImageUse(
            record,
            sum(sizes[one] for one in set(record.layers)),
            sum(sizes[one] for one in set(record.layers) if owners[one] > 1),
            len(engine.image_store.users(record.id)),
        )
        for record in records
    ]


def volume_uses(engine: Engine) -> list[VolumeUse]:
    """Walks each volume's files."""
    from wherry.fs.tree import disk_usage

    rows = engine.db.read().execute("SELECT volume, count(DISTINCT container_id) FROM volume_use GROUP BY volume")
    links = dict(rows.fetchall())
    return [VolumeUse(one, disk_usage(one.folder), links.get(one.name, 0)) for one in engine.volumes.list()]
