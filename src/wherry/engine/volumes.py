"""Volumes and bind mounts of containers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from wherry.errors import Unsupported
from wherry.volume.model import BindMount, Volume, Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["Volumes"]


class Volumes:
    """`engine.volumes`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, name: str = "", labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
    ) -> Volume:
        """The volume of that name, made when missing ("" makes an anonymous name of 64 hex digits).

        Raises: InputError (name), Conflict (there with other options).
        """
        raise Unsupported("volumes")

    def list(self) -> tuple[Volume, ...]:
        """By name."""
        return ()

    def inspect(self, name: str) -> dict[str, object]:
        """Docker's JSON of a volume. Raises: NotFound."""
        raise Unsupported("volumes")

    def remove(self, name: str, *, force: bool = False) -> None:
        """`force` forgives a missing one. Raises: NotFound, Conflict when a container uses it."""
        raise Unsupported("volumes")

    def prune(self, *, everything: bool = False, labels: Sequence[str] = ()) -> tuple[tuple[str, ...], int]:
        """Remove unused anonymous volumes (`everything`: named ones too): (names, bytes freed)."""
        return (), 0

    def wanted(self, mounts: Sequence[Wanted], image_volumes: Collection[str]) -> tuple[Wanted, ...]:
        """The mounts together with the image's VOLUMEs that none of them covers. Pure."""
        return tuple(mounts)

    def settle(
        self, container_id: str, mounts: Sequence[Wanted], image_volumes: Collection[str]
    ) -> tuple[BindMount, ...]:
        """At `create`: makes the volumes (and -v's missing host folders) and records that the container uses them.

        Idempotent for one container: a second call gives the same anonymous volumes.
        Raises: InputError (a missing --mount source), Conflict, NotFound.
        """
        return ()

    def copy_up(self, container_id: str, mounts: Sequence[BindMount], rootfs_fd: int) -> None:
        """At the first start: fills the container's new empty volumes with what the image has at their targets."""

    def resolve(
        self, container_id: str, mounts: Sequence[Wanted], image_volumes: Collection[str], rootfs_fd: int
    ) -> tuple[BindMount, ...]:
        """`settle` and `copy_up` in one: what the runtime is to bind, parents before children."""
        found = self.settle(container_id, mounts, image_volumes)
        self.copy_up(container_id, found, rootfs_fd)
        return found

    def forget(self, container_id: str, *, anonymous: bool) -> None:
        """The container is gone: drops its uses, and removes its anonymous volumes when `anonymous` (rm -v, --rm)."""
