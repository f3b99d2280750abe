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
            one.recursive, one.subpath, one.labels, _pairs(one.options),
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


def settle(engine: Engine, row: ContainerRow) -> tuple[BindMount, ...]:
    """Make what the container's mounts need; idempotent. Raises: InputError, Conflict, NotFound."""
    options = row.options()
    if not _has_any(engine, row, options):
        return ()
    config = engine.images.config(_digest(row))
    return engine.volumes.settle(row.id, _wanted(options), _image_volumes(config, options))


def forget(engine: Engine, row: ContainerRow, *, anonymous: bool) -> None:
    """The container goes: its uses of volumes, and its anonymous ones when `anonymous`. Idempotent."""
    if _has_any(engine, row, row.options()):
        engine.volumes.forget(row.id, anonymous=anonymous)


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
            options=one.options,
        )
        for one in binds
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: one.target.count("/") if one.target != "/" else 0))


def inherited(engine: Engine, options: RunOptions) -> tuple[MountRequest, ...]:
    """--volumes-from: the other containers' mounts under the container's own. Raises: NotFound."""
    found: dict[str, MountRequest] = {}
    for spec in options.volumes_from:
        name, _, mode = spec.partition(":")
        other = engine.containers.find(name)
        for one in settle(engine, other):
            found[one.target] = MountRequest(
                "volume" if one.volume else "bind", one.volume or one.source, one.target,
                one.read_only or "ro" in mode.split(","), copy=False, propagation=one.propagation,
            )  # fmt: skip
    found.update({one.target: one for one in options.mounts})
    return tuple(found.values())
