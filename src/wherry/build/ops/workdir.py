"""WORKDIR: the folder is there afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.build import owner
from wherry.build.graph import Workdir
from wherry.build.ops.layer import Bench, Work, make_layer
from wherry.build.resolve import make_folders, resolve
from wherry.errors import BuildError
from wherry.oci.digest import DiffID

__all__ = ["workdir"]


def workdir(bench: Bench, op: Workdir, below: Sequence[DiffID]) -> tuple[DiffID, ...]:
    """The layer; an empty one when the folder is there already. The folders that it makes belong to USER.

    Raises: BuildError, InputError, OSError.
    """

    def fill(work: Work) -> None:
        ids = owner.lookup(work.root_fd, op.user) if op.user else (0, 0)
        try:
            make_folders(work.root_fd, resolve(work.root_fd, op.path), ids)
        except NotADirectoryError as fault:
            raise BuildError(f"cannot make {op.path}: {fault.filename or op.path} is not a directory") from None

    return make_layer(bench, below, fill)
