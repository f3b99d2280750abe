"""`create`: from an image and options to a row and a folder. Nothing runs yet."""

from __future__ import annotations

import os
import time

from wherry import lean_json as json
from wherry.engine import containers_names, containers_rows
from wherry.engine.containers_lock import held, lock_path
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import Conflict, InputError, NotFound
from wherry.fs.private import private_folder
from wherry.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_files import PlacedFile
    from wherry.oci.config import ImageConfig
    from wherry.runtime.options import RunOptions
    from wherry.store.images import ImageRecord

__all__ = ["create", "prepare", "store"]


def create(engine: Engine, image: str, options: RunOptions, files: Sequence[PlacedFile] = ()) -> ContainerRow:
    """See Containers.create."""
    row = prepare(engine, image, options)
    if files:
        from wherry.engine.containers_files import with_mounts
        from wherry.runtime.parse_mounts import check_requests

        options = with_mounts(row.options(), engine.containers.bundle(row.id), files)
        check_requests(options.mounts)
        row = row._replace(options_json=json.dumps(options.to_json(), separators=(",", ":")))
    store(engine, row, files)
    containers_rows.set_phase(engine.db, row.id, "ready")
    return row._replace(phase="ready", owner="")


def prepare(engine: Engine, image: str, options: RunOptions) -> ContainerRow:
    """The row, checked but not stored. Raises: NotFound, InputError."""
    from wherry.runtime.process import command, workdir

    if options.name:
        containers_rows.check_name(options.name)
    if options.workdir:
        workdir(options.workdir)
    if "" in options.annotations:
        raise InputError("invalid Annotations: the empty string is not permitted as an annotation key")
    record = find_image(engine, image)
    config = engine.images.config(record.id)
    options = _settled(engine, _within_limits(engine, options))
    return ContainerRow(
        id=containers_names.new_id(),
        name=options.name or containers_names.free_name(engine.db),
        image_id=str(record.id),
        image_name=image,
        created_ns=time.time_ns(),
        phase="creating",
        owner=_owner(engine),
        command=command(config, options),
        labels={**config.config.labels, **options.labels},
        ports=_published(config, options),
        remove=options.remove,
        options_json=json.dumps(options.to_json(), separators=(",", ":")),
    )


def _within_limits(engine: Engine, options: RunOptions) -> RunOptions:
    """Without what this kernel can't limit, which is said. Raises: InputError."""
    from wherry.runtime import limits

    if not limits.is_limited(options):
        return options
    from wherry.runtime.machine import read_machine

    options, said = limits.settle(options, read_machine())
    engine.notices += said
    return options


def find_image(engine: Engine, image: str) -> ImageRecord:
    """Raises: NotFound in docker's words, with what to do about it."""
    from wherry.oci.reference import Reference

    try:
        return engine.images.resolve(image)
    except NotFound as fault:
        name = Reference.parse(image).familiar
        raise NotFound(f"Unable to find image '{name}' locally", hint=fault.hint) from None


def _settled(engine: Engine, options: RunOptions) -> RunOptions:
    """Other containers are named by their whole ids from here on: they may be renamed."""
    options = options._replace(
        network=_by_id(engine, options.network), pid=_by_id(engine, options.pid), ipc=_by_id(engine, options.ipc)
    )
    if options.links or options.networks:
        from wherry.engine.networks_create import with_ids

        options = with_ids(engine, options)
    if options.runtime:
        from wherry.runtime.parse_gpus import runtime_name

        runtime_name(options.runtime)
    if not options.shm_size_bytes and (options.gpus or options.cdi_devices or options.runtime == "nvidia"):
        from wherry.engine.devices import shm_bytes, wants_gpu

        options = options._replace(shm_size_bytes=shm_bytes(options) if wants_gpu(options) else 0)
    if options.mounts:
        from wherry.runtime.parse_mounts import check_requests

        check_requests(options.mounts)
    if options.volumes_from:
        from wherry.engine.containers_mounts import inherited

        options = options._replace(mounts=inherited(engine, options))
    return options


def _by_id(engine: Engine, mode: str) -> str:
    kind, colon, name = mode.partition(":")
    return f"container:{engine.containers.find(name).id}" if colon and kind == "container" else mode


def _owner(engine: Engine) -> str:
    from wherry.store.owner import Owner

    return str(Owner.current(engine.host))


def _published(config: ImageConfig, options: RunOptions) -> tuple[str, ...]:
    ports = [f"{one.container_port}/{one.protocol}" for one in options.ports]
    if options.publish_all:
        ports += [one if "/" in one else f"{one}/tcp" for one in (*config.config.exposed_ports, *options.expose)]
    return tuple(dict.fromkeys(ports))


def store(engine: Engine, row: ContainerRow, files: Sequence[PlacedFile] = ()) -> None:
    """Reserve the name, make the folder and the volumes. All or nothing. Raises: Conflict, InputError."""
    options = row.options()
    if options.cidfile and os.path.lexists(options.cidfile):
        raise _cidfile_there(options.cidfile)
    # Held from before there is a row: a removal that finds it must not be over before the folder is made
    with held(engine, row):
        try:
            containers_rows.insert(engine.db, row)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(lock_path(engine, row.id))
            raise
        _make(engine, row, options, files)
    engine.events.container(row, "create")


def _make(engine: Engine, row: ContainerRow, options: RunOptions, files: Sequence[PlacedFile]) -> None:
    """The folder and the volumes of a row that is there; nothing of it when that fails."""
    try:
        bundle = engine.containers.bundle(row.id)
        private_folder(bundle)
        for folder in ("/upper", "/work", "/rootfs"):
            os.makedirs(bundle + folder, mode=0o755, exist_ok=True)
        if files:
            from wherry.engine import containers_files

            containers_files.make(bundle, files)
        from wherry.engine.containers_mounts import settle

        settle(engine, row, make=True)
        if options.cidfile:
            _write_cidfile(options.cidfile, row.id)
    except BaseException:
        from wherry.engine import containers_remove

        containers_remove.erase(engine, row, volumes=True, told=False)
        raise


def _cidfile_there(path: str) -> Conflict:
    return Conflict(f"container ID file found, make sure the other container isn't running or delete {path}")


def _write_cidfile(path: str, id: str) -> None:
    """Raises: Conflict when another container's is there, InputError when it can't be written."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise _cidfile_there(path) from None
    except OSError as fault:
        raise InputError(f"failed to create the container ID file {path}: {fault.strerror}") from None
    try:
        os.write(fd, id.encode())
    finally:
        os.close(fd)
