"""The content of context files as digests, remembered so that a second build reads nothing.

A remembered digest counts only while device, inode, size, mtime and ctime are all the same, to the nanosecond
(moby/buildkit#2592: size and mtime alone give stale hits). ctime can't be set by programs, but the clock that stamps
it steps (4 ms is usual, 2 s on some file systems): a file that changed within a step before it was read could change
again and keep its stamp. Such a file is read when the step is over; if that can't be told, it is read anew next time.
So is a file that somebody has open for writing, and one on a file system whose ctime says nothing (fs.stamps).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from wherry.build.resolve import open_folder
from wherry.build.tree import Entry, Tree
from wherry.cancel import Cancel
from wherry.errors import BuildError
from wherry.fs import stamps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database

__all__ = ["CHUNK_BYTES", "FileHashes"]

CHUNK_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_STEP_NS = 20_000_000
_COARSE_STEP_NS = 2_000_000_000
_TRIES = 3
_Row = tuple[int, int, int, int, int, str]


class FileHashes:
    """`db` None remembers nothing. `clock` gives ns since the epoch. Threads may share it."""

    def __init__(self, db: Database | None, jobs: int = 2, clock: Callable[[], int] = time.time_ns) -> None:
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._identities: dict[int, int | None] = {}  # by device

    def digests(self, tree: Tree, entries: Sequence[Entry], cancel: Cancel) -> dict[str, str]:
        """`source` → digest of each regular file. Reads those that are not known, several at once.

        Raises: BuildError (unreadable, or changing all the time), Cancelled.
        """
        files = {entry.source: entry for entry in entries if entry.is_file}
        known = self._recall(tree, files.values())
        missing = [entry for source, entry in files.items() if source not in known]
        if missing:
            read = self._read_all(tree, missing, cancel)
            known.update({source: row[5] for source, (row, _) in read.items()})
            self._remember([row for row, is_settled in read.values() if is_settled])
        return known

    def _recall(self, tree: Tree, entries: Iterable[Entry]) -> dict[str, str]:
        if self._db is None:
            return {}
        by_inode: dict[tuple[int, int], list[Entry]] = {}
        for entry in entries:
            if (identity := self._identity(tree, entry)) is not None:
                by_inode.setdefault((identity, entry.inode), []).append(entry)
        known: dict[str, str] = {}
        keys = list(by_inode)
        connection = self._db.read()
        for start in range(0, len(keys), 400):
            part = keys[start : start + 400]
            for device in {key[0] for key in part}:
                inodes = [key[1] for key in part if key[0] == device]
                marks = ",".join("?" * len(inodes))
                query = (
                    "SELECT inode, size, mtime_ns, ctime_ns, digest FROM file_hash"  # noqa: S608 - only "?" marks
                    f" WHERE device = ? AND inode IN ({marks})"
                )
                for inode, *stamp, digest in connection.execute(query, (device, *inodes)):
                    for entry in by_inode[device, inode]:
                        if stamp == [entry.size, entry.mtime_ns, entry.ctime_ns]:
                            known[entry.source] = digest
        return known

    def _identity(self, tree: Tree, entry: Entry) -> int | None:
        """What the table calls the file system of the entry; None for one whose files are read each time."""
        if entry.device not in self._identities:
            found = None
            try:
                fd = open_folder(tree.root_fd, entry.source.rpartition("/")[0])
                try:
                    # A file can be a mount of its own: then its folder tells nothing of it
                    if os.fstat(fd).st_dev == entry.device:
                        found = stamps.identity(fd)
                finally:
                    os.close(fd)
            except OSError:
                pass  # it vanished or may not be read: whoever reads it says so
            self._identities[entry.device] = found
        return self._identities[entry.device]

    def _remember(self, rows: Sequence[_Row]) -> None:
        if self._db is None or not rows:
            return
        with self._db.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO file_hash (device, inode, size, mtime_ns, ctime_ns, digest)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def _read_all(self, tree: Tree, entries: Sequence[Entry], cancel: Cancel) -> dict[str, tuple[_Row, bool]]:
        total = sum(entry.size for entry in entries)
        if total < 4 * _READ_BYTES or self._jobs < 2:
            return {entry.source: self._read(tree, entry, cancel, None) for entry in entries}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self._jobs) as pool:
            small = [entry for entry in entries if entry.size <= CHUNK_BYTES]
            large = [entry for entry in entries if entry.size > CHUNK_BYTES]
            results = {entry.source: self._read(tree, entry, cancel, pool) for entry in large}
            futures = {entry.source: pool.submit(self._read, tree, entry, cancel, None) for entry in small}
            results.update({source: future.result() for source, future in futures.items()})
        return results

    def _read(self, tree: Tree, entry: Entry, cancel: Cancel, pool: Executor | None) -> tuple[_Row, bool]:
        """The row to remember, and whether it may be: not when the file is younger than the clock's step."""
        # A file that changed just now could change again under the same stamp, and be copied under this digest
        young_ns = entry.ctime_ns + _step_ns(entry.ctime_ns) - self._clock()
        if 0 <= young_ns <= _COARSE_STEP_NS:
            cancel.wait((young_ns + 1_000_000) / 1e9)
        for _ in range(_TRIES):
            cancel.check()
            started = self._clock()
            fd = _open(tree, entry)
            try:
                # First: whoever opens it from here on and writes changes its ctime
                is_restless = self._db is not None and stamps.is_written_to(fd)
                before = os.fstat(fd)
                digest = _digest(fd, before.st_size, cancel, pool)
                after = os.fstat(fd)
            finally:
                os.close(fd)
            stamp = (after.st_size, after.st_mtime_ns, after.st_ctime_ns)
            if stamp != (before.st_size, before.st_mtime_ns, before.st_ctime_ns) or after.st_ino != entry.inode:
                continue
            if stamp != (entry.size, entry.mtime_ns, entry.ctime_ns):
                break
            identity = self._identity(tree, entry)
            row = (identity or 0, entry.inode, *stamp, digest)
            is_old = after.st_ctime_ns < started - _step_ns(after.st_ctime_ns)
            return row, is_old and not is_restless and identity is not None
        raise BuildError(
            f'"/{entry.source}" in {tree.what} changes while it is read',
            hint="wait until nothing writes to it, or name it in .dockerignore",
        )


def _step_ns(ctime_ns: int) -> int:
    """How far the clock that stamped the file may step: whole seconds are a file system's that keeps no more."""
    return _COARSE_STEP_NS if ctime_ns % 1_000_000_000 == 0 else _STEP_NS


def _open(tree: Tree, entry: Entry) -> int:
    folder, _, name = entry.source.rpartition("/")
    try:
        parent = open_folder(tree.root_fd, folder)
        try:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)
    except PermissionError:
        raise BuildError(
            f'cannot read "/{entry.source}" in {tree.what}: permission denied',
            hint="change its mode, or name it in .dockerignore if the build does not need it",
        ) from None
    except FileNotFoundError:
        raise BuildError(f'"/{entry.source}" in {tree.what} vanished while it was read', hint="build again") from None


def _digest(fd: int, size: int, cancel: Cancel, pool: Executor | None) -> str:
    """Our own: sha256 of the bytes, or, above 16 MiB, of the sha256s of 16 MiB pieces, so that threads can share."""
    if size <= CHUNK_BYTES:
        return _piece(fd, 0, max(size, 1), cancel).hex()
    starts = range(0, size, CHUNK_BYTES)
    each = pool.map if pool else map
    pieces = each(lambda start: _piece(fd, start, min(CHUNK_BYTES, size - start), cancel), starts)
    return "16M:" + sha256(b"".join(pieces)).hexdigest()


def _piece(fd: int, start: int, size: int, cancel: Cancel) -> bytes:
    hashed = sha256()
    buffer = bytearray(min(size, _READ_BYTES))
    view = memoryview(buffer)
    end = start + size
    while start < end:
        cancel.check()
        count = os.preadv(fd, [view[: end - start]], start)
        if count == 0:
            break
        hashed.update(view[:count])
        start += count
    return hashed.digest()


if TYPE_CHECKING:
    from concurrent.futures import Executor
