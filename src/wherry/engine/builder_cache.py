"""The build cache as a whole: steps, cache mounts and package managers' downloads; what each holds, and its removal."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.build.evict import Policy, cached_steps, forget_steps, victims
from wherry.engine.builder_folders import FolderRow, folders, forget, forget_rows, is_in_use, size_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wherry.engine import Engine

__all__ = ["AMBIENT_TYPE", "MOUNT_TYPE", "STEP_TYPE", "Entry", "Pruned", "entries", "prune"]

STEP_TYPE, MOUNT_TYPE, AMBIENT_TYPE = "regular", "exec.cachemount", "ambient"


class Entry(NamedTuple):
    """One line of `builder du`. `id` is what people see and give; `key` the row's own name. `uses` 0: not counted.

    `size` in bytes, of what would go with it; `is_shared`: an image has all of it; `is_in_use`: a build has it.
    """

    id: str
    key: str
    type: str
    what: str
    created_ns: int
    used_ns: int
    size: int
    uses: int = 0
    is_shared: bool = False
    is_in_use: bool = False

    @property
    def is_mutable(self) -> bool:
        return self.type != STEP_TYPE


class Pruned(NamedTuple):
    """What went, and what that freed on the disk."""

    entries: tuple[Entry, ...]
    freed_bytes: int


def entries(engine: Engine) -> list[Entry]:
    """All of the cache, the least recently used first. Walks the folders."""
    engine.leases.sweep()
    cache = engine.settings.paths.cache
    found = [
        Entry(step.key[:25], step.key, STEP_TYPE, step.what, step.created_ns, step.used_ns, step.size,
              is_shared=step.is_shared, is_in_use=step.is_in_use)
        for step in cached_steps(engine.db)
    ]  # fmt: skip
    for row in folders(engine.db, cache):
        try:
            found.append(_of_folder(row._replace(size=size_now(cache, row.name)), cache))
        except FileNotFoundError:
            continue  # another prune was quicker
    return sorted(found, key=lambda one: (one.used_ns, one.key))


def _of_folder(row: FolderRow, cache: str) -> Entry:
    kind = MOUNT_TYPE if row.is_mount else AMBIENT_TYPE
    id = row.name.partition("/")[2][:25]
    what = f'cache mount with id "{row.what}"' if row.is_mount else f"downloads: {row.what or row.name}"
    return Entry(
        id, row.name, kind, what, row.created_ns, row.used_ns, row.size, row.uses,
        is_in_use=is_in_use(cache, row.name),
    )  # fmt: skip


def prune(engine: Engine, policy: Policy, wanted: Callable[[Entry], bool] = lambda _: True) -> Pruned:
    """Remove what the policy takes of the entries that are `wanted`. Safe beside builds; killed, the next one goes on.

    Folders come first: on a full disk the database can't write before something is freed.
    """
    chosen = victims([one for one in entries(engine) if wanted(one)], policy, _free_bytes(engine.settings.paths.root))
    gone, freed = _remove_folders(engine, [one for one in chosen if one.is_mutable])
    steps = [one for one in chosen if not one.is_mutable]
    forgotten = set(forget_steps(engine.db, [one.key for one in steps]))
    gone += [one for one in steps if one.key in forgotten]
    if policy == Policy(everything=True):
        with engine.db.write() as conn:
            conn.execute("DELETE FROM file_hash")
    freed += engine.collector.collect().freed_bytes
    return Pruned(tuple(gone), freed)


def _remove_folders(engine: Engine, chosen: Iterable[Entry]) -> tuple[list[Entry], int]:
    from wherry.fs.remove import remove_tree

    gone: list[Entry] = []
    for one in chosen:
        away = engine.scratch.path("gone")
        if forget(engine.settings.paths.cache, one.key, away):
            remove_tree(away)
            gone.append(one)
    forget_rows(engine.db, [one.key for one in gone])
    return gone, sum(one.size for one in gone)


def _free_bytes(path: str) -> int:
    """Free on the disk of `path`, for anybody."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
