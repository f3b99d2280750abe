"""`volume export`, `volume import` and `volume du`: what docker lacks, and people do with a container and tar."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager, suppress

from wherry.errors import Conflict, InputError, NotFound
from wherry.fs.kernel import sync_file_system
from wherry.fs.lock import locked
from wherry.fs.private import private_folder
from wherry.fs.remove import remove_tree
from wherry.volume.model import BindMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.image.tar.pack import Write
    from wherry.image.tar.stream import Reader
    from wherry.volume.model import Volume
else:
    from wherry.lean import NamedTuple

__all__ = ["Space", "export_tar", "import_tar", "space", "sweep"]

_IMPORTING = ".import-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Space(NamedTuple):
    """What one volume takes. `size` None: what its options mount is not wherry's. `users` are names of containers."""

    volume: Volume
    size: int | None
    users: tuple[str, ...]


def export_tar(engine: Engine, name: str, write: Write, cancel: Cancel | None = None) -> int:
    """The volume's files as a tar, given to `write` in order; returns its bytes.

    Owners, modes, times, links, hard links, devices and xattrs as they are; sockets are left out. What changes
    meanwhile may be torn, and a notice says so. Raises: NotFound, HostError, OSError.
    """
    from wherry.engine.tar_pipe import live_packer

    volume = engine.volumes.store.get(name)
    for user in _running(engine, name):
        engine.notices.append(f"volume {name} is in use by {user}: files that change meanwhile may be torn")
    with _opened(engine, volume) as root_fd:
        packer = live_packer(write, cancel)
        packer.tree(root_fd)
        return packer.close()


@contextmanager
def _opened(engine: Engine, volume: Volume) -> Iterator[int]:
    """The volume's folder, whatever its options say. Never through a link (CVE-2023-0778)."""
    from wherry.engine.volumes_open import of_plan
    from wherry.volume.driver import plan

    planned = plan(volume.options)
    with ExitStack() as stack:
        if planned is None:
            base = os.open(volume.folder, _FOLDER)
        else:
            base = of_plan(engine, BindMount("", "/", folder=volume.folder, volume=volume.name), planned)
        stack.callback(os.close, base)
        # A mount's own fd opens files, and lists nothing
        root_fd = os.open(".", _FOLDER, dir_fd=base)
        stack.callback(os.close, root_fd)
        yield root_fd


def import_tar(engine: Engine, name: str, stream: Reader, cancel: Cancel | None = None) -> int:
    """A tar (compressed or not) into the volume, which is new or empty; returns the count of entries.

    All of it or nothing: it is unpacked beside, and takes the empty folder's place by one rename.
    Raises: Conflict (it holds something, or a container that runs has it), HostileArchive, InvalidSpec, OSError.
    """
    from wherry.image.tar.compress import reader
    from wherry.image.tar.unpack import extract
    from wherry.volume.store import check_name

    check_name(name)
    with suppress(NotFound):
        _check_empty(engine, engine.volumes.store.get(name))
    folder = engine.settings.paths.volumes
    private_folder(folder)
    sweep(folder)
    with _workplace(folder) as path:
        os.mkdir(f"{path}/_data", 0o755)
        os.chmod(f"{path}/_data", 0o755)
        root_fd = os.open(f"{path}/_data", _FOLDER)
        try:
            count = extract(reader(stream), root_fd, root=True, cancel=cancel)
            # Power may fail after the rename, and a file of zeros is no data
            sync_file_system(root_fd)
        finally:
            os.close(root_fd)
        volume = engine.volumes.create(name)
        with locked(f"{os.path.dirname(volume.folder)}/.lock", what=f"volume {name}"):
            _check_empty(engine, volume)
            os.rename(f"{path}/_data", volume.folder)
            # A copy from an image that was killed before it began must not go on into what was imported
            with suppress(FileNotFoundError):
                os.unlink(f"{os.path.dirname(volume.folder)}/.copying")
    return count


@contextmanager
def _workplace(folder: str) -> Iterator[str]:
    """A folder beside the volumes, locked while this process lives: `sweep` takes those of dead ones."""
    path = f"{folder}/{_IMPORTING}{os.urandom(8).hex()}"
    os.mkdir(path, 0o700)
    fd = os.open(path, _FOLDER)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield path
    finally:
        remove_tree(path)
        os.close(fd)


def sweep(folder: str) -> None:
    """Remove what killed imports left."""
    for name in os.listdir(folder):
        if not name.startswith(_IMPORTING):
            continue
        with suppress(FileNotFoundError, BlockingIOError):
            fd = os.open(f"{folder}/{name}", _FOLDER)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(f"{folder}/{name}")
            finally:
                os.close(fd)


def _check_empty(engine: Engine, volume: Volume) -> None:
    if volume.options:
        raise InputError(
            f"volume {volume.name} is what its options mount: it can't be imported into",
            hint="unpack the tar there, or import into a new volume",
        )
    for user in _running(engine, volume.name):
        raise Conflict(f"volume {volume.name} is in use by {user}", hint="stop the container first")
    with suppress(FileNotFoundError):
        if os.listdir(volume.folder):
            raise Conflict(
                f"volume {volume.name} is not empty", hint=f"import into a new one, or wherry volume rm {volume.name}"
            )


def _names(engine: Engine, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for id in ids:
        with suppress(NotFound):
            yield id, engine.containers.find(id).name


def _running(engine: Engine, name: str) -> Iterator[str]:
    users = engine.volumes.users(name)
    for id, user in _names(engine, users):
        if engine.containers.state(id).is_running:
            yield f"running container {user}"


def space(engine: Engine, names: Sequence[str] = ()) -> tuple[Space, ...]:
    """What the volumes (`names`: only these) take, the largest first. Walks all of them. Raises: NotFound."""
    from wherry.fs.tree import disk_usage

    volumes = [engine.volumes.store.get(name) for name in names] if names else engine.volumes.list()
    found = [
        Space(
            volume,
            None if volume.options else disk_usage(volume.folder),
            tuple(user for _, user in _names(engine, engine.volumes.users(volume.name))),
        )
        for volume in volumes
    ]
    return tuple(sorted(found, key=lambda one: -1 if one.size is None else one.size, reverse=True))
