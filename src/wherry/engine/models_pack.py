"""A user's files as a model: read in place for a push, or taken into the store."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine.models_hash import Stamp, digest_of, hash_fd, stamp_of
from wherry.engine.models_scan import Found, scan
from wherry.errors import Conflict, InputError
from wherry.models.pack import Named, pack
from wherry.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.engine.models_scan import Scanned
    from wherry.models.config import Described
    from wherry.models.pack import Packed
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch
    from wherry.store.lease import Lease

__all__ = ["Hashed", "check_unchanged", "hash_file", "is_known", "named", "store"]


class Hashed(NamedTuple):
    """A file as it was when it was hashed."""

    found: Found
    digest: Digest
    stamp: Stamp


def named(hashed: Hashed) -> Named:
    return Named(hashed.found.name, hashed.stamp.size, hashed.digest, hashed.found.executable)


def hash_file(engine: Engine, found: Found, watch: TransferWatch, cancel: Cancel) -> Hashed:
    """Raises: InputError, Cancelled."""
    fd = _open(found.path)
    try:
        watch.start(found.name, "Hashing", found.size)
        digest, stamp = digest_of(engine.db, fd, lambda done: watch.advance(found.name, done), cancel)
    finally:
        os.close(fd)
    hashed = Hashed(found, digest, stamp)
    check_unchanged(hashed)
    return hashed


def check_unchanged(hashed: Hashed) -> None:
    """Raises: Conflict when the file is not as it was hashed."""
    fd = _open(hashed.found.path)
    try:
        if stamp_of(fd) != hashed.stamp:
            raise Conflict(
                f"{hashed.found.path} changed while it was read", hint="wait until whatever writes it is done"
            )
    finally:
        os.close(fd)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None


def store(
    engine: Engine, path: str, asked: Described, reference: Reference, watch: TransferWatch,
    cancel: Cancel | None = None,
) -> tuple[ModelRecord, Scanned]:  # fmt: skip
    """Keep a folder or file as the model `reference`. All of it or nothing; what came already is not copied again.

    The store's files share their blocks with the user's where the file system can (reflinks), and are copies elsewhere:
    never links, since the user may write to his. Raises: InputError, InvalidSpec, Conflict, DiskFull.
    """
    from concurrent.futures import ThreadPoolExecutor

    from wherry.engine.push import explained

    stop = cancel or Cancel()
    scanned = scan(path, asked)
    engine.scratch.sweep()
    with engine.leases.hold(f"pack model {reference.familiar}") as lease:

        def one(found: Found) -> Named:
            try:
                return _taken(engine, found, lease, watch, stop)
            except OSError as fault:
                raise explained(fault, f"keeping {found.path}") from fault

        with ThreadPoolExecutor(max(2, engine.settings.jobs), "pack") as pool:
            try:
                files = list(pool.map(one, scanned.files))
            except BaseException:
                stop.set("another file failed")
                raise
        packed = pack(files, scanned.described)
        keep_documents(engine, packed, lease)
        return engine.models.add(packed.digest, packed.manifest, reference), scanned


def keep_documents(engine: Engine, packed: Packed, lease: Lease) -> None:
    """Config and manifest."""
    lease.add_blob(packed.digest, packed.manifest.config.digest)
    engine.blobs.put_bytes(packed.config)
    engine.blobs.put_bytes(packed.data)


def _taken(engine: Engine, found: Found, lease: Lease, watch: TransferWatch, cancel: Cancel) -> Named:
    """The copy is hashed, not the original: what somebody writes meanwhile changes neither its bytes nor its digest."""
    from wherry.fs.clone import clone_or_copy

    source = _open(found.path)
    try:
        watch.start(found.name, "Packing", found.size)
        known, stamp = _remembered(engine, source)
        if known is not None:
            lease.add_blob(known)
            if engine.blobs.has(known):
                watch.finish(found.name, "Already exists")
                return Named(found.name, stamp.size, known, found.executable)
        temporary = engine.scratch.path("model")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:

            def advance(done: int) -> None:
                cancel.check()
                watch.advance(found.name, done)

            clone_or_copy(source, fd, advance)
            size = os.fstat(fd).st_size
            digest = hash_fd(fd, advance, cancel)
            lease.add_blob(digest)
            engine.blobs.adopt(temporary, digest)
        finally:
            os.close(fd)
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    finally:
        os.close(source)
    watch.finish(found.name, "Packed")
    return Named(found.name, size, digest, found.executable)


def is_known(engine: Engine, found: Found) -> bool:
    """Whether the file need not be read to have its digest. Raises: InputError."""
    fd = _open(found.path)
    try:
        return _remembered(engine, fd)[0] is not None
    finally:
        os.close(fd)


def _remembered(engine: Engine, fd: int) -> tuple[Digest | None, Stamp]:
    """What a push of the same file found out; never reads the file."""
    from wherry.engine.models_hash import recall

    stamp = stamp_of(fd)
    return recall(engine.db, fd, stamp), stamp
