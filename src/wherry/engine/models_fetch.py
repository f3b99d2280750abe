"""One blob of a registry into the store: what arrived before a kill -9 is not fetched again.

A blob on its way is ROOT/models/partial/HEX, written in order, so that what is there is always its beginning. A lock,
which the kernel frees with its holder, keeps two pulls of one blob apart.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from wherry.errors import IntegrityError
from wherry.fs.atomic import write_all
from wherry.fs.lock import temporary_lock
from wherry.fs.private import private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.pull_source import Blob, Source, Sources
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.watch import TransferWatch

__all__ = ["fetch_blob", "fetch_to"]

_CHUNK = 1 << 20


def fetch_blob(
    engine: Engine, origin: Sources, layer: Descriptor, name: str, watch: TransferWatch, cancel: Cancel
) -> None:
    """The store has the blob afterwards; the caller holds a lease on it. `name` is its line in the display.

    Raises: NotFound, IntegrityError, RegistryError, Cancelled, OSError (what arrived stays).
    """
    folder = f"{engine.settings.paths.models}/partial"
    path = f"{folder}/{layer.digest.hex}"
    is_there = engine.blobs.has(layer.digest)
    # A lock beside a blob that is there: of a pull that was killed between the two
    if not is_there or os.path.exists(f"{path}.lock"):
        private_folder(folder)
        with temporary_lock(f"{path}.lock"):
            is_there = engine.blobs.has(layer.digest)
            if not is_there:
                watch.start(name, "Downloading", layer.size)
                origin.each(lambda source: fetch_to(path, layer, name, watch, cancel, source))
                engine.blobs.adopt(path, layer.digest)
            with suppress(FileNotFoundError):
                os.unlink(f"{path}.lock")
    watch.finish(name, "Already exists" if is_there else "Pull complete")


def fetch_to(path: str, layer: Descriptor, name: str, watch: TransferWatch, cancel: Cancel, source: Source) -> None:
    """All of the blob in `path`, checked; what an earlier try left there is its beginning. The caller keeps others off.

    Raises: as `fetch_blob`.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        hashed = hashlib.new(layer.digest.algorithm)
        at = _beginning(fd, layer, hashed, cancel)
        if at == layer.size and at:
            if hashed.hexdigest() == layer.digest.hex:
                return
            at, hashed = 0, hashlib.new(layer.digest.algorithm)
        _rest(fd, at, hashed, source.blob(layer, cancel=cancel), layer, name, watch)
    except IntegrityError:
        # Wrong bytes are no beginning of the right ones
        os.ftruncate(fd, 0)
        raise
    finally:
        os.close(fd)


def _beginning(fd: int, layer: Descriptor, hashed: Hash, cancel: Cancel) -> int:
    """How much an earlier try left, hashed. More than the blob has is no beginning of it."""
    size = os.fstat(fd).st_size
    if size > layer.size:
        return 0
    at = 0
    while at < size and (chunk := os.pread(fd, min(_CHUNK, size - at), at)):
        cancel.check()
        hashed.update(chunk)
        at += len(chunk)
    return at


def _rest(fd: int, at: int, hashed: Hash, blob: Blob, layer: Descriptor, name: str, watch: TransferWatch) -> None:
    from wherry.registry.blob_read import BlobReader

    try:
        if at and isinstance(blob, BlobReader):
            blob.go_on(at, hashed)
        else:
            at = 0
        os.ftruncate(fd, at)
        os.lseek(fd, at, os.SEEK_SET)
        watch.advance(name, at)
        while chunk := blob.read(_CHUNK):
            write_all(fd, chunk)
            at += len(chunk)
            watch.advance(name, at)
        if at != layer.size:
            raise IntegrityError(f"blob {layer.digest.short}", expected=f"{layer.size} bytes", actual=f"{at}")
    finally:
        blob.close()
