"""A container's own files, without its mounts: compared with its image (`diff`), written as a tar (`export`)."""

from __future__ import annotations

import os
from contextlib import contextmanager

from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.image.changes import Change
    from wherry.image.tar.pack import Write

__all__ = ["changes", "export", "lower_fd", "own_root"]


def changes(engine: Engine, row: ContainerRow) -> list[Change]:
    """Sorted by path. Raises: NotFound, OSError."""
    from wherry.image import changes as tree

    with lower_fd(engine, row) as lower:
        upper = _open(f"{engine.containers.bundle(row.id)}/upper", row)
        try:
            return tree.changes(upper, lower)
        finally:
            os.close(upper)


def export(engine: Engine, row: ContainerRow, write: Write, cancel: Cancel | None = None) -> int:
    """The whole tree as a tar given to `write`, as it is while it runs; the tar's bytes. Raises: NotFound, OSError."""
    from wherry.engine.tar_pipe import live_packer

    packer = live_packer(write, cancel)
    with own_root(engine, row) as root:
        packer.tree(root)
        if not engine.db.read().execute("SELECT 1 FROM container WHERE id = ?", (row.id,)).fetchone():
            raise NotFound(f"container {row.name} was removed while it was exported")
    size = packer.close()
    engine.events.container(row, "export")
    return size


@contextmanager
def own_root(engine: Engine, row: ContainerRow) -> Iterator[int]:
    """An fd of its root folder, which no mount of the container covers. A stopped one's lock is held meanwhile."""
    fd = _seen_by_monitor(engine, row)
    if fd is None:
        with _overlay(engine, row) as fd:
            yield fd
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _seen_by_monitor(engine: Engine, row: ContainerRow) -> int | None:
    """Of a running one: its monitor's namespace has the root as it was before the runtime mounted anything there."""
    from wherry.runtime import records

    state = engine.containers.state(row.id)
    if not state.pid or state.orphan:
        return None
    bundle = engine.containers.bundle(row.id)
    monitor = records.read_monitor(bundle)
    if monitor is None:
        return None
    try:
        fd = os.open(f"/proc/{monitor.pid}/root{bundle}/rootfs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    # The pid's start time is looked at behind the open: what was opened is that monitor's
    if engine.host.start_time(monitor.pid) == monitor.start and not _is_same(fd, f"{bundle}/rootfs"):
        return fd
    os.close(fd)
    return None


def _is_same(fd: int, path: str) -> bool:
    return os.path.samestat(os.fstat(fd), os.stat(path))


@contextmanager
def _overlay(engine: Engine, row: ContainerRow) -> Iterator[int]:
    from wherry.engine import containers_lock, containers_rootfs

    with containers_lock.held(engine, row):
        row = engine.containers.find(row.id)
        if engine.containers.state(row.id).pid:
            # A running one whose monitor died: its upper folder is shown as one more layer
            with lower_fd(engine, row, f"{engine.containers.bundle(row.id)}/upper") as fd:
                yield fd
            return
        mount = containers_rootfs.open_overlay(engine, row)
        try:
            yield mount
        finally:
            os.close(mount)


@contextmanager
def lower_fd(engine: Engine, row: ContainerRow, *above: str) -> Iterator[int]:
    """An fd of the image's tree, read-only. Raises: NotFound when the image is gone, HostError, OSError."""
    from wherry.host import Overlay
    from wherry.oci.digest import Digest

    layers = engine.image_store.get(Digest(row.image_id)).layers
    lowers = (*(engine.layers.path(diff_id) for diff_id in layers), *above)
    with engine.scratch.folder("empty") as empty:
        # An image without layers (FROM scratch) has a tree too
        fd = engine.host.overlay(Overlay(lowers or (empty,)))
        try:
            yield fd
        finally:
            os.close(fd)


def _open(path: str, row: ContainerRow) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"container {row.name} has no files any more: it is being removed") from None
