"""`commit`: what a container changed becomes a layer on its image's, and how it runs the new image's configuration."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import NamedTuple

from wherry.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.oci.config import History, ImageConfig
    from wherry.oci.reference import Reference
    from wherry.store.images import ImageRecord

__all__ = ["CommitRequest", "commit"]


class CommitRequest(NamedTuple):
    """`changes` are Dockerfile lines. `pause` stops a running container while its files are read."""

    reference: Reference | None = None
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True
    created_ns: int = 0


def commit(engine: Engine, row: ContainerRow, request: CommitRequest, cancel: Cancel | None = None) -> ImageRecord:
    """The new image. Volumes are no part of it.

    Raises: NotFound, Conflict (removed meanwhile), DockerfileError or InputError (a wrong change), InvalidSpec (a file
    that no layer can hold), Cancelled, OSError.
    """
    from wherry.engine.containers_tree import lower_fd
    from wherry.engine.image_changes import changed
    from wherry.image.tar import pack
    from wherry.oci.digest import Digest

    image = engine.image_store.get(Digest(row.image_id))
    ran = _ran(engine, row, request)
    config = changed(ran, request.changes)  # a wrong change is said before the work
    engine.scratch.sweep()
    with engine.leases.hold("commit a container") as lease, engine.layers.workdir() as folder:
        lease.add_layer(*image.layers)
        with _still(engine, row, request):
            _copy_upper(engine, row, f"{folder}/fs", cancel)
        if not engine.db.read().execute("SELECT 1 FROM container WHERE id = ?", (row.id,)).fetchone():
            raise Conflict(f"container {row.name} was removed while it was committed")
        with lower_fd(engine, row) as lower:
            _undress(f"{folder}/fs", lower)
        diff_ids = image.layers
        if os.listdir(f"{folder}/fs"):
            diff_id, size = pack.diff_id(f"{folder}/fs")
            engine.layers.commit(folder, diff_id, size, lease)
            diff_ids = (*diff_ids, diff_id)
        step = _step(ran, request, is_empty=diff_ids == image.layers)
        config = config._replace(diff_ids=diff_ids, created=step.created, history=(*config.history, step))
        made = engine.image_store.create(config, [request.reference] if request.reference else [])
    name = request.reference.familiar if request.reference else ""
    if name:
        engine.events.image("tag", made.id, name)
    engine.events.container(row, "commit", comment=request.message, imageID=made.id, imageRef=name)
    return made


def _ran(engine: Engine, row: ContainerRow, request: CommitRequest) -> ImageConfig:
    """As the container ran."""
    from wherry.oci.config import ContainerConfig
    from wherry.oci.digest import Digest

    base = engine.image_store.config(Digest(row.image_id))
    doc = {key: value for key, value in engine.containers.inspect(row.id)["Config"].items() if value is not None}
    return base._replace(config=ContainerConfig.from_json(doc), author=request.author)


def _step(ran: ImageConfig, request: CommitRequest, *, is_empty: bool) -> History:
    from wherry.oci.config import History
    from wherry.store.images import rfc3339

    command = " ".join(ran.config.cmd or ())
    return History(command, rfc3339(request.created_ns), request.message, is_empty, request.author)


@contextmanager
def _still(engine: Engine, row: ContainerRow, request: CommitRequest) -> Iterator[None]:
    """Paused when it runs, unless it should not be or is already; a stopped one is locked."""
    from wherry.engine import containers_lock

    state = engine.containers.state(row.id)
    if not state.pid:
        with containers_lock.held(engine, row):
            engine.containers.find(row.id)
            yield
        return
    if not request.pause or state.status == "paused":
        yield
        return
    with _frozen(engine, row):
        yield


@contextmanager
def _frozen(engine: Engine, row: ContainerRow) -> Iterator[None]:
    """Paused, and let go again whatever happens to this process: a child waits for its death, and then does it."""
    from contextlib import suppress

    from wherry.host import Command

    script = ["sh", "-c", 'read -r word || exec "$@"', "sh", *engine.containers.driver_of(row).resume_argv(row.id)]
    heard, told = os.pipe()
    try:
        guard = engine.host.spawn(Command(script), stdin=heard, session=True)
    except BaseException:
        os.close(told)
        raise
    finally:
        os.close(heard)
    try:
        engine.containers.pause(row.id)
        try:
            yield
        finally:
            # Stopped, removed or unpaused by somebody else meanwhile
            with suppress(Conflict, NotFound):
                engine.containers.unpause(row.id)
    finally:
        os.write(told, b"over\n")
        os.close(told)
        os.waitpid(guard, 0)


def _copy_upper(engine: Engine, row: ContainerRow, into: str, cancel: Cancel | None) -> None:
    """Through a tar, which keeps whiteouts, hard links and attributes, and nothing of overlayfs's own."""
    from wherry.engine.tar_pipe import live_packer, pump
    from wherry.image.tar import unpack
    from wherry.image.tar.pack import Write

    os.mkdir(into, 0o755)
    upper = os.open(f"{engine.containers.bundle(row.id)}/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def produce(write: Write) -> int:
        packer = live_packer(write, cancel)
        packer.tree(upper, layer=True)
        return packer.close()

    try:
        pump(produce, lambda stream: unpack.unpack(stream, into, owners=engine.settings.uid == 0, cancel=cancel))
    finally:
        os.close(upper)


def _undress(root: str, lower: int) -> None:
    """Take away what the start made to mount on, as docker's commits have none of it; times of folders stay."""
    from wherry.image import changes

    for path in sorted(changes.DRESSING, reverse=True):
        whole, above = os.path.join(root, path), os.path.dirname(os.path.join(root, path))
        # A link of the container's in the way leads nowhere: only what is there by that very name is looked at
        if os.path.realpath(above) != os.path.realpath(root) + above.removeprefix(root) or not os.path.lexists(whole):
            continue
        before = os.stat(above)
        if changes.is_dressing(os.fsencode(path), os.lstat(whole)):
            os.unlink(whole)
        elif os.path.isdir(whole) and not os.path.islink(whole) and not os.listdir(whole):
            if not changes.folder_says_nothing(whole, path, lower):
                continue
            os.rmdir(whole)
        os.utime(above, ns=(before.st_atime_ns, before.st_mtime_ns))
