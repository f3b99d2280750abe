"""Between the mounts that a user asks for, the volumes that keep them, and what the runtime binds."""

from __future__ import annotations

from wherry.errors import NotFound
from wherry.runtime.options import MountRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import Digest
    from wherry.runtime.options import RunOptions
    from wherry.volume.model import BindMount, Wanted

__all__ = ["forget", "inherited", "requests", "settle"]


def _wanted(options: RunOptions) -> list[Wanted]:
    from wherry.volume.model import Wanted

    return [
        Wanted(
            one.type, one.source, one.target, one.read_only, one.create_source, one.copy, one.propagation,
            one.recursive, one.subpath, one.labels, _pairs(one.options) if one.type == "volume" else {}, one.submounts,
            one.mode, one.driver or (options.volume_driver if one.type == "volume" else ""), one.is_inherited,
        )
        for one in options.mounts
        if one.type != "tmpfs"
    ]  # fmt: skip


def _pairs(options: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (one.partition("=") for one in options)}


def _image_volumes(config: ImageConfig, options: RunOptions) -> list[str]:
    """A tmpfs over an image's VOLUME takes its place."""
    tmpfs = {one.target for one in options.mounts if one.type == "tmpfs"}
    return [path for path in config.config.volumes if path.rstrip("/") not in tmpfs]


def settle(engine: Engine, row: ContainerRow, *, make: bool = False) -> tuple[BindMount, ...]:
    """The container's mounts; its volumes are made when they are missing, with `make` the host's folders of -v too.

    Idempotent. Raises: InputError, Conflict, NotFound.
    """
    options = row.options()
    if not _has_any(engine, row, options):
        return ()
    try:
        volumes = _image_volumes(engine.images.config(_digest(row)), options)
    except NotFound:
        if make:
            raise
        volumes = []
    return engine.volumes.settle(row.id, _wanted(options), volumes, make=make)


def forget(engine: Engine, row: ContainerRow, *, anonymous: bool) -> None:
    """The container goes: its uses of volumes, and its anonymous ones when `anonymous`. Idempotent."""
    if _has_any(engine, row, row.options()):
        engine.volumes.forget(row.id, anonymous=anonymous)


def has_volumes(engine: Engine, row: ContainerRow) -> bool:
    """Whether it may have any; cheap."""
    return _has_any(engine, row, row.options())


def _has_any(engine: Engine, row: ContainerRow, options: RunOptions) -> bool:
    """Most containers have no volume: they do without the modules for them, 2 ms of each run."""
    if any(one.type != "tmpfs" for one in options.mounts):
        return True
    try:
        return bool(_image_volumes(engine.images.config(_digest(row)), options))
    except NotFound:
        return True


def _digest(row: ContainerRow) -> Digest:
    from wherry.oci.digest import Digest

    return Digest(row.image_id)


def requests(options: RunOptions, binds: Sequence[BindMount]) -> tuple[MountRequest, ...]:
    """All mounts for the spec, tmpfs included, parents before children."""
    found = [one for one in options.mounts if one.type == "tmpfs"]
    found += [
        MountRequest(
            one.type, one.source, one.target, one.read_only, propagation=one.propagation, recursive=one.recursive,
            submounts=one.submounts,
        )
        for one in binds
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: one.target.count("/") if one.target != "/" else 0))


def inherited(engine: Engine, options: RunOptions) -> tuple[MountRequest, ...]:
    """--volumes-from: the other containers' mounts under the container's own. Raises: NotFound, InputError."""
    from wherry.runtime.parse_mounts import volumes_from

    found: dict[str, MountRequest] = {}
    for spec in options.volumes_from:
        name, read_only = volumes_from(spec)
        for one in settle(engine, engine.containers.find(name)):
            source = one.image or one.volume or one.source
            found[one.target] = MountRequest(
                "image" if one.image else "volume" if one.volume else "bind", source, one.target,
                one.read_only or bool(read_only), copy=False, propagation=one.propagation, recursive=one.recursive,
                subpath=one.subpath, submounts=one.submounts, mode=one.mode, is_inherited=True,
            )  # fmt: skip
    found.update({one.target: one for one in options.mounts})
    return tuple(found.values())
