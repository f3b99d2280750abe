"""The files of a compose project in a bundle: an artifact with one layer for each file, as models have them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from wherry.airgap.document import Project
from wherry.engine.models_hash import hash_fd, stamp_of
from wherry.errors import Conflict, InputError
from wherry.models.media import TITLE
from wherry.models.pack import files_of
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.store.save import File
from wherry.trust.referrer import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.models_hash import Stamp
    from wherry.registry.watch import TransferWatch
    from wherry.store.save import Write
    from wherry.store.source import Source

__all__ = ["ARTIFACT_TYPE", "Packed", "ProjectFiles", "check_free", "pack", "place"]

ARTIFACT_TYPE = "application/vnd.wherry.project.v1"
_LAYER = "application/vnd.wherry.project.file.v1"
_CHUNK = 1 << 20


class ProjectFiles(NamedTuple):
    """A compose project to bundle: `paths` are its files, by their place in its folder; `files` are its compose files
    and `folders` its empty folders, by theirs."""

    name: str
    files: tuple[str, ...]
    paths: Mapping[str, str]
    folders: tuple[str, ...] = ()


class Packed(NamedTuple):
    """`files` by the digest of their bytes."""

    project: Project
    manifest: bytes
    files: Mapping[Digest, File]


def pack(engine: Engine, wanted: ProjectFiles, watch: TransferWatch, cancel: Cancel) -> Packed:
    """Reads each file once, to hash it. Raises: InputError, Cancelled."""
    layers, files, executable = [], {}, []
    for name, path in sorted(wanted.paths.items()):
        fd = _open(path)
        try:
            watch.start(name, "Hashing", os.fstat(fd).st_size)
            stamp = stamp_of(fd)
            digest = hash_fd(fd, lambda done, name=name: watch.advance(name, done), cancel)  # type: ignore[misc]
            if os.fstat(fd).st_mode & 0o100:
                executable.append(name)
        finally:
            os.close(fd)
        watch.finish(name, "Packed")
        layers.append(Descriptor(_LAYER, digest, stamp.size, {TITLE: name}))
        files[digest] = File(name, stamp.size, _writer(path, stamp))
    manifest = Manifest(EMPTY, tuple(layers), artifact_type=ARTIFACT_TYPE).to_bytes()
    project = Project(
        wanted.name, Digest.of(manifest), wanted.files, tuple(sorted(wanted.folders)), tuple(sorted(executable))
    )
    return Packed(project, manifest, files)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None


def _writer(path: str, stamp: Stamp) -> Callable[[Write], None]:
    def write(put: Write) -> None:
        fd = _open(path)
        try:
            with open(fd, "rb", buffering=0, closefd=False) as file:
                while chunk := file.read(_CHUNK):
                    put(chunk)
            if stamp_of(fd) != stamp:
                raise Conflict(f"{path} changed while it was read", hint="wait until whatever writes it is done")
        finally:
            os.close(fd)

    return write


def check_free(source: Source, manifest: Manifest, project: Project, folder: str) -> None:
    """That no file of the user's would be written over. Raises: Conflict, InvalidSpec."""
    for file in files_of(manifest, project.name):
        path = f"{folder}/{file.name}"
        if os.path.lexists(path) and not _is_same(source, file.layer, path):
            raise Conflict(
                f"{path} is there with other content", hint="--force writes over it, --project DIR elsewhere"
            )
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise Conflict(f"{folder} is there, and no folder", hint="--project DIR")


def _is_same(source: Source, layer: Descriptor, path: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) != layer.size:
        return False
    from wherry.store.index import blob_name

    with open(path, "rb") as mine, source.open(blob_name(layer.digest)) as theirs:
        while chunk := theirs.read(_CHUNK):
            if mine.read(len(chunk)) != chunk:
                return False
    return True


def place(source: Source, manifest: Manifest, project: Project, folder: str) -> list[str]:
    """Write the files below `folder`: all appear at once where it is new, else one after the other, each whole.

    Raises: InputError, InvalidSpec.
    """
    from wherry.fs.remove import remove_tree

    parent, base = os.path.split(folder.rstrip("/"))
    temporary = f"{parent}/.{base}.{os.getpid()}.bundle"
    names = [file.name for file in files_of(manifest, project.name)]
    try:
        os.makedirs(parent, exist_ok=True)
        _sweep(parent, base)
        os.mkdir(temporary, 0o755)
    except OSError as fault:
        raise InputError(f"cannot make the folder {folder}: {fault.strerror}", hint="--project DIR") from None
    try:
        _fill(source, manifest, project, temporary)
        try:
            os.rename(temporary, folder)
        except OSError:  # it is there, with something in it
            _move(temporary, folder, names, project.folders)
    finally:
        remove_tree(temporary)
    return names


def _sweep(parent: str, base: str) -> None:
    """What a killed load left."""
    from wherry.fs.remove import remove_tree

    for name in os.listdir(parent):
        middle = name.removeprefix(f".{base}.").removesuffix(".bundle")
        if name == f".{base}.{middle}.bundle" and middle.isdecimal() and not os.path.exists(f"/proc/{middle}"):
            remove_tree(f"{parent}/{name}")


def _fill(source: Source, manifest: Manifest, project: Project, folder: str) -> None:
    """Into a folder of our own, in which nothing leads elsewhere."""
    from wherry.fs.atomic import write_all
    from wherry.store.index import blob_name

    for name in project.folders:
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    for file in files_of(manifest, project.name):
        os.makedirs(posixpath.dirname(f"{folder}/{file.name}"), exist_ok=True)
        mode = 0o755 if file.name in project.executable else 0o644
        fd = os.open(f"{folder}/{file.name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            with source.open(blob_name(file.layer.digest)) as stream:
                while chunk := stream.read(_CHUNK):
                    write_all(fd, chunk)
        finally:
            os.close(fd)


def _move(temporary: str, folder: str, names: list[str], folders: tuple[str, ...]) -> None:
    """Into a folder of the user's: no link in it is followed."""
    from wherry.engine.artifact_volume import parents

    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            parent_fd = parents(root_fd, posixpath.dirname(name))
            try:
                os.rename(f"{temporary}/{name}", posixpath.basename(name), dst_dir_fd=parent_fd)
            except IsADirectoryError:
                raise InputError(f"{folder}/{name} is a folder", hint="move it away, or --project DIR") from None
            finally:
                os.close(parent_fd)
        for name in folders:
            with suppress(FileExistsError):
                os.close(parents(root_fd, name))
    finally:
        os.close(root_fd)
