"""Who holds what: a SQLite database with one writing thread, which commits for all that wait at once."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from wherry.errors import HostError
from wherry.oci.digest import Digest
from wherry.registry.server.layout import Layout

__all__ = ["Batch", "Ledger"]

T = TypeVar("T")
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_MOST_AT_ONCE = 128
_KEPT_READERS = 8
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS repository (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # Each file in blobs/ that is whole, whether a layer or a manifest
    "CREATE TABLE IF NOT EXISTS blob (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID",
    # Which blobs a repository shows; loose_s is since when (Unix time) no manifest of it needs the blob, or NULL
    "CREATE TABLE IF NOT EXISTS link (repository INTEGER NOT NULL, digest TEXT NOT NULL, loose_s INTEGER,"
    " PRIMARY KEY (repository, digest)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS link_digest ON link (digest)",
    "CREATE INDEX IF NOT EXISTS link_loose ON link (loose_s) WHERE loose_s IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS manifest (repository INTEGER NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,"
    " size INTEGER NOT NULL, artifact_type TEXT NOT NULL, subject TEXT NOT NULL, annotations TEXT NOT NULL,"
    " created_s INTEGER NOT NULL, PRIMARY KEY (repository, digest)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS manifest_digest ON manifest (digest)",
    "CREATE INDEX IF NOT EXISTS manifest_subject ON manifest (repository, subject, digest) WHERE subject != ''",
    "CREATE TABLE IF NOT EXISTS tag (repository INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (repository, name)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS tag_digest ON tag (repository, digest)",
    # What a manifest refers to: blobs, and an index's manifests
    "CREATE TABLE IF NOT EXISTS edge (repository INTEGER NOT NULL, parent TEXT NOT NULL, child TEXT NOT NULL,"
    " PRIMARY KEY (repository, parent, child)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS edge_child ON edge (repository, child)",
)


class Batch:
    """One transaction, shared by all the work that was waiting when it began."""

    def __init__(self, db: sqlite3.Connection, layout: Layout) -> None:
        self.db = db
        self.changes_index = False
        self._layout = layout
        self._renamed: set[str] = set()
        self._removed: list[Digest] = []

    def publish(self, upload: str, digest: Digest, size: int) -> None:
        """Make the upload's synced file a blob, unless there is one already: what has a row has a whole file."""
        if self.db.execute("SELECT 1 FROM blob WHERE digest = ?", (digest,)).fetchone():
            self._layout.remove_upload(upload)
            return
        self._layout.publish(upload, digest)
        self._renamed.add(digest.algorithm)
        self.db.execute("INSERT INTO blob (digest, size) VALUES (?, ?)", (digest, size))

    def repository(self, name: str) -> int:
        """The row's id; made when it is not there."""
        found = self.db.execute("SELECT id FROM repository WHERE name = ?", (name,)).fetchone()
        if found:
            return int(found[0])
        return int(self.db.execute("INSERT INTO repository (name) VALUES (?)", (name,)).lastrowid or 0)

    def remove(self, digest: Digest) -> None:
        """Remove the blob's file, once its row is gone for good. Until then a crash leaves a file without a row,
        never a row without a file; and the next batch, which may bring the blob anew, comes after.
        """
        self._removed.append(digest)

    def settle(self) -> None:
        """The names of new files last before the rows that speak of them do."""
        self._layout.sync_blobs(self._renamed)

    def clear(self) -> None:
        """After the commit."""
        for digest in self._removed:
            # Another work of this very batch may have brought it anew
            if not self.db.execute("SELECT 1 FROM blob WHERE digest = ?", (digest,)).fetchone():
                with suppress(OSError):
                    self._layout.remove_blob(digest)


class _Job(Generic[T]):
    """Work for the writer, and the thread that waits for it."""

    __slots__ = ("done", "fault", "result", "work")

    def __init__(self, work: Callable[[Batch], T]) -> None:
        self.work = work
        self.result: T | None = None
        self.fault: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class Ledger:
    """`after(batch)` is called once a batch that changed the index is committed, before its work is acknowledged.

    `is_new` says that the database was not there (or was damaged, and set aside): fill it from the layout.
    """

    def __init__(self, layout: Layout, after: Callable[[], None]) -> None:
        self._layout, self._after = layout, after
        self.path = f"{layout.path}/registry.db"
        self._readers: list[sqlite3.Connection] = []
        self._is_closed = False
        self.is_new = not os.path.lexists(self.path)
        if os.path.islink(self.path):
            raise HostError(f"{self.path} is a link", hint="links inside of the storage are not followed")
        self._writer = self._opened()
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def commit(self, work: Callable[[Batch], T]) -> T:
        """Run `work` in a transaction; returns when that is on the disk.

        `work` may be one of several in it: it checks first (and raises what it finds), then writes; what it raises
        after it has written would be kept. Raises: what `work` raises, sqlite3.Error, OSError.
        """
        job: _Job[T] = _Job(work)
        self._jobs.put(job)  # type: ignore[arg-type]
        job.done.acquire()
        if job.fault is not None:
            raise job.fault
        return job.result  # type: ignore[return-value]

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """For SELECTs: each sees one moment."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if len(self._readers) < _KEPT_READERS and not self._is_closed:
                self._readers.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """After everything that was given to `commit`."""
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        self._writer.close()
        for connection in self._readers:
            connection.close()
        self._readers = []

    # -- the writer

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            is_last = False
            while len(jobs) < _MOST_AT_ONCE:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    is_last = True
                    break
                jobs.append(more)
            try:
                self._batch(jobs)
            finally:
                for job in jobs:
                    job.done.release()
            if is_last:
                return

    def _batch(self, jobs: list[_Job[object]]) -> None:
        batch = Batch(self._writer, self._layout)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job in jobs:
                try:
                    job.result = job.work(batch)
                except (sqlite3.Error, OSError):
                    raise  # of the disk: nothing of the batch can be trusted
                except Exception as fault:
                    job.fault = fault
            batch.settle()
            self._writer.execute("COMMIT")
        except BaseException as fault:
            with suppress(sqlite3.Error):
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
            for job in jobs:
                job.fault = job.fault or fault
            return
        with suppress(sqlite3.Error):
            batch.clear()
        if batch.changes_index:
            with suppress(Exception):  # a full disk, say: the rows stand, and the next change writes it again
                self._after()

    # -- connections

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._made()
        except sqlite3.DatabaseError as fault:
            if getattr(fault, "sqlite_errorcode", 0) & 0xFF not in _CORRUPT:
                raise HostError(f"the registry's database {self.path}: {fault}") from fault
        number = 1
        while os.path.lexists(aside := f"{self.path}.damaged-{number}"):
            number += 1
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.rename(self.path + suffix, aside + suffix)
        self.is_new = True
        return self._made()

    def _made(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            os.chmod(self.path, 0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-4096")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
            if self.is_new or connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        fault = sqlite3.DatabaseError("the database is damaged")
        fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise fault

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA cache_size=-512")
        except BaseException:
            connection.close()
            raise
        return connection
