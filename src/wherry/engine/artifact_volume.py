"""An OCI artifact's files in a volume: a model from a registry, as a folder that containers can mount.

The volume is named after the manifest's digest, so that every project that uses the artifact has the same one, and what
is complete is never fetched again. It is listed, pruned and removed like any other.
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.fs.atomic import replace_file, write_all
from wherry.fs.kernel import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_at
from wherry.models.pack import File, files_of
from wherry.oci import mediatype
from wherry.oci.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.pull_source import Blob, Source, Sources
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch

__all__ = ["LABEL", "Artifact", "fetch", "parents"]

LABEL = "wherry.artifact"
_DONE = ".wherry-artifact.json"
_CHUNK = 1 << 20


class Artifact(NamedTuple):
    """`volume` is the name of the volume, `folder` where its files are on this machine."""

    volume: str
    folder: str
    digest: str


def fetch(engine: Engine, reference: Reference, watch: TransferWatch, cancel: Cancel) -> Artifact | None:
    """The artifact, fetched unless it is here; None when the name is one of a container image.

    A killed fetch leaves whole files, and the next one goes on. Raises: RegistryError and its kinds, InvalidSpec,
    HostileArchive, OSError.
    """
    from wherry.engine.pull_source import sources

    origin = sources(engine.registries, reference)
    found = origin.manifest(str(reference.digest or reference.tag), cancel)
    if found.media_type in mediatype.INDEXES:
        return None
    manifest = Manifest.from_bytes(found.data)
    if manifest.config.media_type in mediatype.CONFIGS:
        return None
    files = files_of(manifest, reference.familiar, _DONE)
    digest = str(found.digest)
    name = "wherry-artifact-" + digest.rpartition(":")[2][:24]
    volume = engine.volumes.create(name, {LABEL: f"{reference.familiar_name}@{digest}"})
    if not _is_done(volume.folder, digest):
        _fill(volume.folder, files, origin, watch, cancel)
        replace_file(f"{volume.folder}/{_DONE}", json.dumps({"manifest": digest}).encode(), 0o644)
    return Artifact(name, volume.folder, digest)


def _is_done(folder: str, digest: str) -> bool:
    try:
        with open(f"{folder}/{_DONE}", "rb") as file:
            return bool(json.loads(file.read(4096)) == {"manifest": digest})
    except (OSError, ValueError):
        return False


def _fill(folder: str, files: Sequence[File], origin: Sources, watch: TransferWatch, cancel: Cancel) -> None:
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for file in files:
            cancel.check()
            short = file.layer.digest.short
            if file.name and _size(root_fd, file.name) == file.layer.size:
                watch.finish(short, "Already exists")
                continue
            watch.start(short, "Downloading", file.layer.size)
            origin.each(partial(_keep, root_fd, file, watch, cancel))
            watch.finish(short, "Pull complete")
    finally:
        os.close(root_fd)


def _keep(root_fd: int, file: File, watch: TransferWatch, cancel: Cancel, source: Source) -> None:
    blob = source.blob(file.layer, cancel=cancel)
    try:
        if file.name:
            _write(root_fd, file, blob, watch)
        else:
            _unpack(root_fd, blob, cancel)
    finally:
        blob.close()


def _size(root_fd: int, name: str) -> int:
    """Of a whole one that is here: names appear only once their digest proved right."""
    try:
        fd = open_at(root_fd, name, os.O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    except OSError:
        return -1
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def _write(root_fd: int, file: File, blob: Blob, watch: TransferWatch) -> None:
    parent_fd = parents(root_fd, posixpath.dirname(file.name))
    name = posixpath.basename(file.name)
    unfinished = f".{file.layer.digest.hex[:24]}.partial"
    try:
        fd = os.open(
            unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=parent_fd
        )
        try:
            done = 0
            while chunk := blob.read(_CHUNK):
                write_all(fd, chunk)
                done += len(chunk)
                watch.advance(file.layer.digest.short, done)
            os.fchmod(fd, 0o644)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(unfinished, name, src_dir_fd=parent_fd, dst_dir_fd=parent_fd)
    except BaseException:
        # One that was killed here is written over by the next
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=parent_fd)
        raise
    finally:
        os.close(parent_fd)


def parents(root_fd: int, folder: str) -> int:
    """The folder below the root, made where it is missing; no link is followed. The caller closes."""
    how = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    here = ""
    for part in folder.split("/") if folder else ():
        above = open_at(root_fd, here or ".", os.O_PATH | os.O_DIRECTORY, how)
        try:
            os.mkdir(part, 0o755, dir_fd=above)
        except FileExistsError:
            pass
        finally:
            os.close(above)
        here = f"{here}/{part}" if here else part
    try:
        return open_at(root_fd, here or ".", os.O_PATH | os.O_DIRECTORY, how)
    except OSError as fault:
        if fault.errno in (errno.ELOOP, errno.ENOTDIR, errno.EXDEV):
            raise InvalidSpec(f"a file of the artifact lies at {folder[:80]!r}, where a folder is wanted") from None
        raise


def _unpack(root_fd: int, blob: Blob, cancel: Cancel) -> None:
    from wherry.image.tar.compress import reader
    from wherry.image.tar.unpack import extract

    extract(reader(blob), root_fd, owner=(0, 0), harmless=True, cancel=cancel)
