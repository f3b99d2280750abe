"""The end of a container: of one run (`finish`), and of the whole (`remove`, `prune`). All idempotent."""

from __future__ import annotations

import os
import time

from wherry.engine import containers_rows
from wherry.engine.containers_bundle import cgroup_path
from wherry.engine.containers_lock import held, lock_path, sweep
from wherry.engine.containers_mounts import forget
from wherry.errors import Conflict, DiskFull, Locked, NotFound
from wherry.fs.remove import remove_tree
from wherry.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_list import Filters
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["clean", "erase", "finish", "prune", "remove"]

_ROOM_TRIES = 100


def finish(engine: Engine, row: ContainerRow) -> None:
    """After a run: its network, cgroup and runtime state; with --rm everything. Nothing when it runs (again).

    Called when its monitor says that it is over. With --rm that is all that counts: its record may not have fit on the
    disk, which it filled itself.
    """
    with held(engine, row):
        try:
            row = engine.containers.find(row.id)
        except NotFound:
            # Removed meanwhile, and with it the lock's file, which we have just made again
            with suppress(FileNotFoundError):
                os.unlink(lock_path(engine, row.id))
            return
        if row.remove:
            erase(engine, row, volumes=True)
        elif not engine.containers.state(row.id).is_running:
            clean(engine, row)


def clean(engine: Engine, row: ContainerRow) -> None:
    """What a run leaves outside the container's folder. The lock is held by the caller."""
    if os.path.exists(engine.containers.run_folder_path(row.id)):
        from wherry.engine.events_runs import over

        over(engine, row)
    if containers_rows.TRACKED in row.labels:
        from wherry.engine import runs_container

        runs_container.over(engine, row)
    engine.networks.release(row.id)
    engine.containers.forget_runtime_state(row, cgroup_path(engine, row.options(), row.id))
    remove_tree(engine.containers.run_folder_path(row.id))


def erase(engine: Engine, row: ContainerRow, *, volumes: bool, told: bool = True) -> None:
    """All of it, the row last: until then any command can go on with what a killed one began.

    `told` False: nobody heard of its creation, and so nobody hears of this.
    """
    _begin(engine, row)
    clean(engine, row)
    forget(engine, row, anonymous=volumes)
    remove_tree(engine.containers.bundle(row.id))
    containers_rows.delete(engine.db, row.id)
    if told:
        engine.events.container(row, "destroy")
    with suppress(FileNotFoundError):
        os.unlink(lock_path(engine, row.id))


def _begin(engine: Engine, row: ContainerRow) -> None:
    """Raises: DiskFull."""
    for left in range(_ROOM_TRIES, -1, -1):
        try:
            containers_rows.set_phase(engine.db, row.id, "removing")
            return
        except DiskFull:
            if not left:
                raise
            # The disk is full, and most likely of what is to go. Its room comes back when the mount that shows it ends,
            # which the monitor holds for another moment
            remove_tree(f"{engine.containers.bundle(row.id)}/upper")
            time.sleep(0.02)


def remove(engine: Engine, row: ContainerRow, *, force: bool, volumes: bool) -> str:
    """See Containers.remove."""
    from wherry.engine import containers_stop

    with held(engine, row):
        row = engine.containers.find(row.id)
        state = engine.containers.state(row.id)
        if state.is_running and not force:
            why = "container is running: stop the container before removing or force remove"
            if state.status == "paused":
                why = "container is paused and must be unpaused first"
            raise Conflict(f'cannot remove container "/{row.name}": {why}', hint=f"wherry rm -f {row.name}")
        if state.is_running:
            containers_stop.end_now(engine, row)
        erase(engine, row, volumes=volumes)
    return row.id


def prune(engine: Engine, filters: Filters) -> tuple[list[str], int]:
    """See Containers.prune."""
    from wherry.engine.containers_filter import chosen
    from wherry.fs.tree import disk_usage

    removed: list[str] = []
    freed = 0
    passes = chosen(engine, filters)
    for row in containers_rows.every(engine.db):
        state = engine.containers.state(row.id)
        if state.is_running or not passes(row, state):
            continue
        size = disk_usage(f"{engine.containers.bundle(row.id)}/upper")
        with suppress(NotFound, Conflict, Locked):
            remove(engine, row, force=False, volumes=False)
            removed.append(row.id)
            freed += size
    sweep(engine)
    engine.events.prune("container", freed)
    return removed, freed
