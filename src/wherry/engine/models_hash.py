"""The digests of a user's files: read once, and remembered, so that a second push of the same weights reads nothing.

What is remembered counts while device, inode, size, mtime and ctime are the same to the nanosecond, and only of files
that had not just been written, on file systems whose ctime says something (`fs.stamps`, ADR 0155).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from wherry.fs import stamps
from wherry.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.store.db import Database

__all__ = ["Stamp", "digest_of", "hash_fd", "recall", "stamp_of"]

_READ_BYTES = 1 << 20
_SETTLED_NS = 2_000_000_000


class Stamp(NamedTuple):
    """What changes when a file's content does."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def stamp_of(fd: int) -> Stamp:
    """Raises: OSError."""
    status = os.fstat(fd)
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def recall(db: Database, fd: int, stamp: Stamp) -> Digest | None:
    """What is known of the open file; reads nothing of it. Raises: OSError."""
    device = stamps.identity(fd)
    if device is None:
        return None
    row = db.read().execute(
        "SELECT digest FROM file_digest WHERE device = ? AND inode = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?",
        (device, *stamp),
    ).fetchone()  # fmt: skip
    return Digest(row[0]) if row and not stamps.is_written_to(fd) else None


def digest_of(db: Database, fd: int, advance: Callable[[int], None], cancel: Cancel) -> tuple[Digest, Stamp]:
    """The sha256 of an open regular file, and its stamp before it was read. Raises: OSError, Cancelled."""
    stamp = stamp_of(fd)
    if (known := recall(db, fd, stamp)) is not None:
        return known, stamp
    digest = hash_fd(fd, advance, cancel)
    device = stamps.identity(fd)
    is_settled = time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns) > _SETTLED_NS and stamp_of(fd) == stamp
    if device is not None and is_settled and not stamps.is_written_to(fd):
        with db.write() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO file_digest (device, inode, size, mtime_ns, ctime_ns, digest)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (device, *stamp, digest),
            )
    return digest, stamp


def hash_fd(fd: int, advance: Callable[[int], None], cancel: Cancel) -> Digest:
    """From the start to the end, wherever the fd's own position is. Raises: OSError, Cancelled."""
    hashed, buffer, at = sha256(), bytearray(_READ_BYTES), 0
    view = memoryview(buffer)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    while count := os.preadv(fd, [view], at):
        cancel.check()
        hashed.update(view[:count])
        at += count
        advance(at)
    return Digest("sha256:" + hashed.hexdigest())
