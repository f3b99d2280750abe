"""One flock file per container: whoever changes a container holds it. The kernel frees it when its holder dies."""

from __future__ import annotations

import os

from wherry.errors import NotFound
from wherry.fs.lock import locked
from wherry.fs.private import private_folder
from wherry.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["held", "lock_path"]


@contextmanager
def held(engine: Engine, row: ContainerRow, *, timeout_s: float | None = 60) -> Iterator[None]:
    """The container's lock. Raises: Locked after `timeout_s`.

    The lock files live in `RUN/locks`, not in the container's folder: a removal must hold the lock to its very end.
    """
    path = lock_path(engine, row.id)
    private_folder(os.path.dirname(path))
    with locked(path, timeout_s=timeout_s, what=f"container {row.name}"):
        try:
            yield
        except NotFound:
            _drop_if_gone(engine, row, path)
            raise


def _drop_if_gone(engine: Engine, row: ContainerRow, path: str) -> None:
    """Who comes after a removal made the lock's file again, and is the last who needs it: no id is used twice."""
    from wherry.engine import containers_rows

    try:
        containers_rows.find(engine.db, row.id)
    except NotFound:
        with suppress(FileNotFoundError):
            os.unlink(path)


def lock_path(engine: Engine, id: str) -> str:
    """Removed with the container; who waited for it meanwhile finds no row any more."""
    return f"{engine.settings.paths.run}/locks/{id}"
