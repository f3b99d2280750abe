"""One flock file per container: whoever changes a container holds it. The kernel frees it when its holder dies."""

from __future__ import annotations

import os

from wherry.errors import Locked, NotFound
from wherry.fs.lock import locked
from wherry.fs.private import private_folder
from wherry.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["held", "lock_path", "sweep"]


@contextmanager
def held(engine: Engine, row: ContainerRow, *, timeout_s: float | None = 60) -> Iterator[None]:
    """The container's lock. Raises: Locked after `timeout_s`.

    The lock files live in `RUN/locks`, not in the container's folder: a removal must hold the lock to its very end.
    """
    path = lock_path(engine, row.id)
    private_folder(os.path.dirname(path))
    while True:
        with locked(path, timeout_s=timeout_s, what=f"container {row.name}") as fd:
            if not _is_at(fd, path):
                continue  # removed while we waited: who comes next would hold another file
            engine.containers.locks[row.id] = fd
            try:
                yield
            except NotFound:
                _drop_if_gone(engine, row.id, path)
                raise
            finally:
                engine.containers.locks.pop(row.id, None)
            return


def sweep(engine: Engine, known: Collection[str] = ()) -> None:
    """Remove the files of containers that are no more, or never came to be: what a kill -9 leaves. Not those in use.

    `known` ids are not looked up. Raises: OSError.
    """
    with suppress(FileNotFoundError):
        for id in os.listdir(os.path.dirname(lock_path(engine, ""))):
            path = lock_path(engine, id)
            if id not in known and not _has_row(engine, id):
                with suppress(Locked), locked(path, timeout_s=0):
                    _drop_if_gone(engine, id, path)


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _drop_if_gone(engine: Engine, id: str, path: str) -> None:
    """Who comes after a removal made the lock's file again, and is the last who needs it: no id is used twice."""
    if not _has_row(engine, id):
        with suppress(FileNotFoundError):
            os.unlink(path)


def _has_row(engine: Engine, id: str) -> bool:
    from wherry.engine import containers_rows

    try:
        containers_rows.find(engine.db, id)
    except NotFound:
        return False
    return True


def lock_path(engine: Engine, id: str) -> str:
    """Removed with the container; who waited for it meanwhile finds no row any more."""
    return f"{engine.settings.paths.run}/locks/{id}"
