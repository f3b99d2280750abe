"""Volumes and bind mounts of containers."""

from __future__ import annotations

import errno
import os

from wherry.errors import Conflict, InputError, NotFound
from wherry.lean import cached_property, suppress
from wherry.volume.model import BindMount, Volume, VolumeWish, Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.volumes_archive import Space
    from wherry.image.tar.pack import Write
    from wherry.image.tar.stream import Reader
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

        return VolumeStore(
            self._engine.db, self._engine.settings.paths.volumes, lambda made: self._tell("create", made.name)
        )

    def _tell(self, action: str, name: str) -> None:
        self._engine.events.record("volume", action, name, {"driver": "local"})

    def create(
        self,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        *,
        driver: str = "local",
    ) -> Volume:
        """The volume of that name, made when missing ("" makes an anonymous name of 64 hex digits).

        One that is there stays as it is; a notice says so when other options or labels were asked for.
        Raises: InputError (name, options), NotFound (any driver but local).
        """
        from wherry.volume.driver import check_driver

        check_driver(name, driver)
        found = self.store.create(name, labels or {}, options or {})
        for what, asked, has in (("options", options, found.options), ("labels", labels, found.labels)):
            if asked and dict(asked) != dict(has):
                # As docker, which says nothing at all
                self._engine.notices.append(f"volume {found.name} is there already, and keeps its {what}")
        return found

    def list(self) -> tuple[Volume, ...]:
        """By name, in docker's order."""
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
        else:
            self._tell("destroy", name)

    def prune(self, *, everything: bool = False, labels: Sequence[str] = ()) -> tuple[tuple[str, ...], int]:
        """Remove unused anonymous volumes (`everything`: named ones too): (names, bytes freed).

        As docker, never one with options: what those mount is not wherry's to give up.
        `labels` are KEY, KEY=VALUE, or those with a leading "!": all must hold.
        """
        from wherry.engine.volumes_archive import sweep
        from wherry.fs.remove import remove_tree
        from wherry.fs.tree import disk_usage

        gone, freed = [], 0
        for volume in self.store.list():
            if volume.options or not (everything or volume.is_anonymous):
                continue
            if not all(_has(volume.labels, one) for one in labels):
                continue
            size = disk_usage(volume.folder)
            with suppress(Conflict, NotFound):
                self.remove(volume.name)
                gone.append(volume.name)
                freed += size
        for leftover in self.store.leftovers():
            remove_tree(leftover)
        with suppress(FileNotFoundError):
            sweep(self._engine.settings.paths.volumes)
        self._engine.events.prune("volume", freed)
        return tuple(gone), freed

    def export(self, name: str, write: Write, cancel: Cancel | None = None) -> int:
        """The volume's files as a tar, given to `write` in order; its bytes. Raises: NotFound, HostError, OSError."""
        from wherry.engine.volumes_archive import export_tar

        return export_tar(self._engine, name, write, cancel)

    def import_(self, name: str, stream: Reader, cancel: Cancel | None = None) -> int:
        """A tar into a volume that is new or empty, all or nothing; the count of its entries.

        Raises: Conflict, HostileArchive, InvalidSpec, OSError.
        """
        from wherry.engine.volumes_archive import import_tar

        return import_tar(self._engine, name, stream, cancel)

    def space(self, names: Sequence[str] = ()) -> tuple[Space, ...]:
        """What volumes take and who uses them, the largest first. Raises: NotFound."""
        from wherry.engine.volumes_archive import space

        return space(self._engine, names)

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
        self, container_id: str, mounts: Sequence[Wanted], image_volumes: Collection[str], *, make: bool = True
    ) -> tuple[BindMount, ...]:
        """At `create`: makes the volumes (and -v's missing host folders) and records that the container uses them.

        Idempotent for one container: a second call gives the same anonymous volumes. `make` False, for those who only
        want to know, leaves the host's folders alone.
        Raises: InputError (a missing --mount source, a bad name, options), NotFound (a driver, an image).
        """
        from wherry.volume.driver import check_driver

        wanted = self.wanted(mounts, image_volumes)
        for one in wanted:
            if one.type == "bind" and make:
                _check_source(one)
            if one.type == "volume":
                check_driver(one.source, one.driver)
        images = self._images(container_id, [one for one in wanted if one.type == "image"])
        wishes = [_wish(one) for one in wanted if one.type == "volume"]
        volumes = self.store.use(container_id, wishes) if wishes else {}
        return tuple(_settled(one, volumes.get(one.target), images.get(one.target, "")) for one in wanted)

    def mounted_image(self, name: str) -> str:
        """The id of an image, or of a model: the two share their names. Raises: NotFound."""
        # Differs from docker: an artifact of files can be mounted too
        if (model := self._engine.models.find(name)) is not None:
            return model.id
        return self._engine.images.resolve(name).id

    def _images(self, container_id: str, wanted: Sequence[Wanted]) -> dict[str, str]:
        """The ids of the images to mount, by target. Raises: NotFound."""
        if not wanted:
            return {}
        found = self.store.images_of(container_id)
        new = {one.target: self.mounted_image(one.source) for one in wanted if one.target not in found}
        if new:
            self.store.use_images(container_id, new)
        return {**found, **new}

    def copy_up(self, container_id: str, mounts: Sequence[BindMount], rootfs_fd: int) -> None:
        """At the first start: fills the container's new empty volumes with what the image has at their targets.

        Raises: OSError.
        """
        places = {one.target: one for one in mounts if one.volume and (one.plan is None or one.plan.is_bind)}
        if not places:
            return
        for use in self.store.uses(container_id):
            if not use.needs_copy:
                continue
            if use.target in places:
                from wherry.fs.lock import locked
                from wherry.volume.copyup import copy_up

                base = os.path.dirname(self.store.get(use.volume).folder)
                place = places[use.target]
                if not os.path.isdir(place.source):
                    # What its options bind is not there: whoever mounts it says so
                    continue
                with locked(f"{base}/.lock", what=f"volume {use.volume}"):
                    # A folder of the host is never emptied: a copy into it that was killed stays as far as it came
                    copy_up(rootfs_fd, use.target, place.source, marker="" if place.plan else f"{base}/.copying")
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
        if not one.create_source:
            if fault.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise InputError(f"cannot mount {one.source} at {one.target}: {fault.strerror}") from fault
            raise InputError(
                f'invalid mount config for type "bind": bind source path does not exist: {one.source}',
                hint="make it first; -v, and the short form in a Compose file, make a missing folder",
            ) from fault
        try:
            # Another container may be making the same folder
            os.makedirs(one.source, mode=0o755, exist_ok=True)
        except OSError as refused:
            why = (refused.strerror or "").lower()
            raise InputError(
                f"error while creating mount source path '{one.source}': mkdir {refused.filename}: {why}"
            ) from refused


def _wish(one: Wanted) -> VolumeWish:
    return VolumeWish(
        one.target, one.source, one.copy and not one.subpath, one.labels, one.options,
        is_named=bool(one.source) and not one.is_inherited,
    )  # fmt: skip


def _settled(one: Wanted, volume: Volume | None, image: str) -> BindMount:
    found = BindMount(
        one.source, one.target, one.read_only, one.propagation, one.recursive, subpath=one.subpath,
        submounts=one.submounts, mode=one.mode,
    )  # fmt: skip
    if volume is None:
        return found._replace(type="image", image=image, read_only=True) if image else found
    from wherry.volume.driver import plan

    planned = plan(volume.options)
    is_bind = planned is not None and planned.is_bind
    return found._replace(
        source=planned.source if planned and is_bind else volume.folder,
        read_only=one.read_only or bool(planned and "ro" in planned.attributes),
        volume=volume.name,
        is_anonymous=volume.is_anonymous,
        plan=planned,
        folder=volume.folder,
    )
