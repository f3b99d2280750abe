"""Volumes and bind mounts of containers."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

from wherry.errors import Conflict, InputError, NotFound
from wherry.volume.model import BindMount, Volume, Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.volume.store import VolumeStore

__all__ = ["Volumes"]


class Volumes:
    """`engine.volumes`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @cached_property
    def store(self) -> VolumeStore:
        """Rows and folders."""
        from wherry.volume.store import VolumeStore

        return VolumeStore(self._engine.db, self._engine.settings.paths.volumes)

    def create(
        self, name: str = "", labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
    ) -> Volume:
        """The volume of that name, made when missing ("" makes an anonymous name of 64 hex digits).

        Raises: InputError (name, options), Conflict (there with other options).
        """
        return self.store.create(name, labels or {}, options or {})

    def list(self) -> tuple[Volume, ...]:
        """By name."""
        return self.store.list()

    def users(self, name: str) -> Sequence[str]:
        """Whole ids of the containers that mount it, running or not."""
        return self.store.users(name)

    def inspect(self, name: str) -> dict[str, object]:
        """Docker's JSON of a volume. Raises: NotFound."""
        from datetime import UTC, datetime

        found = self.store.get(name)
        created = datetime.fromtimestamp(found.created_ns // 1_000_000_000, UTC)
        return {
            "CreatedAt": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Driver": "local",
            "Labels": dict(found.labels) or None,
            "Mountpoint": found.folder,
            "Name": found.name,
            "Options": dict(found.options) or None,
            "Scope": "local",
        }

    def remove(self, name: str, *, force: bool = False) -> None:
        """`force` forgives a missing one. Raises: NotFound, Conflict when a container uses it."""
        from wherry.fs.remove import remove_tree

        try:
            remove_tree(self.store.remove(name))
        except NotFound:
            if not force:
                raise

    def prune(self, *, everything: bool = False, labels: Sequence[str] = ()) -> tuple[tuple[str, ...], int]:
        """Remove unused anonymous volumes (`everything`: named ones too): (names, bytes freed).

        `labels` are KEY, KEY=VALUE, or those with a leading "!": all must hold.
        """
        from wherry.fs.remove import remove_tree
        from wherry.fs.tree import disk_usage

        gone, freed = [], 0
        for volume in self.store.list():
            if not (everything or volume.is_anonymous) or not all(_has(volume.labels, one) for one in labels):
                continue
            size = disk_usage(volume.folder)
            with suppress(Conflict, NotFound):
                remove_tree(self.store.remove(volume.name))
                gone.append(volume.name)
                freed += size
        for leftover in self.store.leftovers():
            remove_tree(leftover)
        return tuple(gone), freed

    def wanted(self, mounts: Sequence[Wanted], image_volumes: Collection[str]) -> tuple[Wanted, ...]:
        """The mounts together with the image's VOLUMEs that none of them covers; parents before children. Pure.

        Raises: InputError (two mounts on one place).
        """
        taken: dict[str, Wanted] = {}
        for one in mounts:
            if one.target in taken:
                raise InputError(f"Duplicate mount point: {one.target}", hint="take one of -v, --mount away")
            taken[one.target] = one
        for path in image_volumes:
            # As written in the image: it may hold ".." and must stay inside (CVE-2022-23648)
            target = os.path.normpath("/" + path.lstrip("/"))
            if target != "/" and target not in taken:
                taken[target] = Wanted("volume", "", target)
        return tuple(sorted(taken.values(), key=lambda one: (one.target.count("/"), one.target)))

    def settle(
        self, container_id: str, mounts: Sequence[Wanted], image_volumes: Collection[str]
    ) -> tuple[BindMount, ...]:
        """At `create`: makes the volumes (and -v's missing host folders) and records that the container uses them.

        Idempotent for one container: a second call gives the same anonymous volumes.
        Raises: InputError (a missing --mount source, a bad name), HostError.
        """
        wanted = self.wanted(mounts, image_volumes)
        for one in wanted:
            if one.type == "bind":
                _check_source(one)
        named = [
            (one.target, one.source, one.copy and not one.subpath, one.labels, one.options)
            for one in wanted
            if one.type == "volume"
        ]
        volumes = self.store.use(container_id, named) if named else {}
        return tuple(
            BindMount(one.source, one.target, one.read_only, one.propagation, one.recursive)
            if one.type == "bind"
            else _of_volume(one, volumes[one.target])
            for one in wanted
        )

    def copy_up(self, container_id: str, mounts: Sequence[BindMount], rootfs_fd: int) -> None:
        """At the first start: fills the container's new empty volumes with what the image has at their targets.

        Raises: OSError.
        """
        places = {one.target: one for one in mounts if one.volume and one.type == "bind"}
        if not places:
            return
        for use in self.store.uses(container_id):
            if not use.needs_copy:
                continue
            if use.target in places:
                from wherry.fs.lock import locked
                from wherry.volume.copyup import copy_up

                folder = self.store.get(use.volume).folder
                with locked(f"{os.path.dirname(folder)}/.lock", what=f"volume {use.volume}"):
                    if places[use.target].source == folder:
                        copy_up(rootfs_fd, use.target, folder)
            self.store.copied(use)

    def resolve(
        self, container_id: str, mounts: Sequence[Wanted], image_volumes: Collection[str], rootfs_fd: int
    ) -> tuple[BindMount, ...]:
        """`settle` and `copy_up` in one: what the runtime is to bind, parents before children."""
        found = self.settle(container_id, mounts, image_volumes)
        self.copy_up(container_id, found, rootfs_fd)
        return found

    def forget(self, container_id: str, *, anonymous: bool) -> None:
        """The container is gone: drops its uses, and removes its anonymous volumes when `anonymous` (rm -v, --rm)."""
        if not self.store.uses(container_id):
            return
        for name in self.store.forget(container_id):
            if anonymous:
                with suppress(NotFound, Conflict):
                    self.remove(name)


def _has(labels: Mapping[str, str], wanted: str) -> bool:
    from wherry.engine.filters import has_label

    return has_label(labels, wanted.removeprefix("!")) != wanted.startswith("!")


def _check_source(one: Wanted) -> None:
    try:
        os.stat(one.source)
    except OSError as fault:
        if fault.errno != errno.ENOENT:
            raise InputError(f"cannot mount {one.source} at {one.target}: {fault.strerror}") from fault
        if not one.create_source:
            raise InputError(
                f'invalid mount config for type "bind": bind source path does not exist: {one.source}',
                hint="make it first, or use -v, which makes a missing folder",
            ) from fault
        # Another container may be making the same folder
        os.makedirs(one.source, mode=0o755, exist_ok=True)


def _of_volume(one: Wanted, volume: Volume) -> BindMount:
    """The local driver: its own folder, or what `type`, `device` and `o` say."""
    options = volume.options
    base = BindMount(
        volume.folder, one.target, one.read_only, one.propagation, one.recursive, volume.name,
        is_anonymous=volume.is_anonymous,
    )  # fmt: skip
    if not options:
        return base._replace(source=_subpath(volume, one.subpath)) if one.subpath else base
    flags = tuple(flag for flag in options.get("o", "").split(",") if flag)
    if "bind" in flags or "rbind" in flags:
        _check_source(Wanted("bind", options["device"], one.target))
        return base._replace(source=options["device"], read_only=one.read_only or "ro" in flags)
    # Differs from docker: a tmpfs volume is each container's own; docker mounts it once for all that use it
    return base._replace(source=options["device"], type=options["type"], options=flags)


def _subpath(volume: Volume, path: str) -> str:
    """A folder inside the volume; no component may be a link, which a container could point anywhere."""
    from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root

    if ".." in path.split("/") or path.startswith("/"):
        raise InputError(f"volume subpath {path} must be a relative path within the volume {volume.name}")
    root = os.open(volume.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(root, path, os.O_PATH, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
        os.close(fd)
    except OSError as fault:
        raise InputError(f"cannot access path {path} in volume {volume.name}: {fault.strerror}") from fault
    finally:
        os.close(root)
    return f"{volume.folder}/{path}"
