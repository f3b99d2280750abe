"""A model of the store as a folder: for containers to mount, or as files of the user's own.

For mounts, ROOT/models/HEX/fs holds hard links to the store's blobs, which nobody writes to: no byte is copied, and
a file that two models share is there once. A user's files are copies (sharing their blocks where the file system can).
"""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress

from wherry.errors import Conflict, InputError, InvalidSpec
from wherry.fs.private import private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.models.pack import File
    from wherry.registry.watch import TransferWatch

    Place = Callable[[str, str, int, int], None]

__all__ = ["export", "sweep", "tree"]


def tree(engine: Engine, record: ModelRecord, cancel: Cancel | None = None) -> str:
    """The folder to mount, made at the first use. It is read-only to whoever sees it through a mount of ours.

    Raises: NotFound, InvalidSpec, HostileArchive, OSError.
    """
    home = f"{engine.settings.paths.models}/{record.id.hex}"
    if os.path.isdir(f"{home}/fs"):
        return f"{home}/fs"
    private_folder(engine.settings.paths.models)
    with engine.scratch.folder("model") as scratch:
        os.mkdir(f"{scratch}/fs", 0o755)
        _fill(engine, record, f"{scratch}/fs", _link, cancel)
        private_folder(home)
        # Whoever was quicker has made the same
        with suppress(FileExistsError, OSError):
            os.rename(f"{scratch}/fs", f"{home}/fs")
    if not os.path.isdir(f"{home}/fs"):
        raise InvalidSpec(f"the files of model {record.id.short} could not be laid out in {home}")
    return f"{home}/fs"


def export(
    engine: Engine, record: ModelRecord, folder: str, watch: TransferWatch, *, force: bool = False,
    cancel: Cancel | None = None,
) -> list[str]:  # fmt: skip
    """The model's files in a folder of the user's, which may exist; their names, in the manifest's order.

    A file that is there with other bytes is kept, unless `force`. Raises: Conflict (nothing is written), InputError.
    """
    from wherry.models.pack import files_of

    files = files_of(engine.models.manifest(record), record.id.short)
    if not force:
        _check_free(engine, files, folder, cancel)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as fault:
        raise InputError(f"cannot make the folder {folder}: {fault.strerror}") from None
    watch.note(f"Writing {len(files)} files to {folder}")
    _fill(engine, record, folder, _copy, cancel)
    return [file.name for file in files if file.name]


def sweep(engine: Engine) -> None:
    """Remove the folders of models that are gone. Nobody mounts them: a model that is mounted is not removed."""
    from wherry.fs.remove import remove_tree

    folder = engine.settings.paths.models
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    known = {record.id.hex for record in engine.models.list()}
    for name in names:
        if len(name) == 64 and name not in known:
            remove_tree(f"{folder}/{name}")


def _check_free(engine: Engine, files: list[File], folder: str, cancel: Cancel | None) -> None:
    from wherry.cancel import Cancel as Stop
    from wherry.engine.models_hash import hash_fd

    for file in files:
        path = f"{folder}/{file.name}"
        if not file.name or not os.path.lexists(path):
            continue
        is_same = False
        if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) == file.layer.size:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                is_same = hash_fd(fd, lambda _: None, cancel or Stop()) == file.layer.digest
            finally:
                os.close(fd)
        if not is_same:
            raise Conflict(f"{path} is there with other content", hint="--force writes over it")


def _fill(engine: Engine, record: ModelRecord, folder: str, place: Place, cancel: Cancel | None) -> None:
    from wherry.engine.artifact_volume import parents
    from wherry.models.pack import files_of

    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for file in files_of(engine.models.manifest(record), record.id.short):
            if cancel:
                cancel.check()
            if not file.name:
                _unpack(engine, file, root_fd, cancel)
                continue
            parent_fd = parents(root_fd, posixpath.dirname(file.name))
            try:
                place(engine.blobs.path(file.layer.digest), posixpath.basename(file.name), parent_fd, _mode(file))
            finally:
                os.close(parent_fd)
    finally:
        os.close(root_fd)


def _mode(file: File) -> int:
    """0755 when the artifact's metadata say that the file is a program, else 0644."""
    import json

    from wherry.models.media import METADATA

    try:
        said = json.loads(file.layer.annotations.get(METADATA, "{}"))
        mode = said.get("mode", 0) if isinstance(said, dict) else 0
    except (ValueError, RecursionError):
        mode = 0
    return 0o755 if isinstance(mode, int) and mode & 0o100 else 0o644


def _link(blob: str, name: str, parent_fd: int, mode: int) -> None:
    os.chmod(blob, mode)
    with suppress(FileExistsError):
        os.link(blob, name, dst_dir_fd=parent_fd)


def _copy(blob: str, name: str, parent_fd: int, mode: int) -> None:
    """By a temporary file: it appears whole. A folder of that name stays."""
    from wherry.fs.clone import clone_or_copy

    unfinished = f".{name[:200]}.{os.getpid()}.partial"
    with open(blob, "rb") as source:
        fd = os.open(
            unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=parent_fd
        )
        try:
            clone_or_copy(source.fileno(), fd, lambda _: None)
            os.fchmod(fd, mode)
            os.rename(unfinished, name, src_dir_fd=parent_fd, dst_dir_fd=parent_fd)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=parent_fd)
            raise
        finally:
            os.close(fd)


def _unpack(engine: Engine, file: File, root_fd: int, cancel: Cancel | None) -> None:
    from wherry.image.tar.compress import reader
    from wherry.image.tar.unpack import extract

    with engine.blobs.open(file.layer.digest) as blob:
        extract(reader(blob), root_fd, owner=(0, 0), harmless=True, cancel=cancel)
