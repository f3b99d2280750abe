"""The state database: one SQLite file (WAL), shared by every wherry process of a root."""

from __future__ import annotations

import os
import time
from _thread import get_ident  # threading itself costs 1 ms of every start
from binascii import crc32

from wherry.errors import DiskFull, HostError, Locked, WherryError
from wherry.fs.private import private_folder
from wherry.lean import suppress
from wherry.lean_sqlite import sqlite3
from wherry.store import schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Database"]

_BUSY_S = 30.0
_NO_CKPT_ON_CLOSE = 1006  # SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_VERSION = crc32("\n".join([*schema.STATEMENTS, *map(str, schema.COLUMNS)]).encode()) & 0x7FFFFFFF


class Database:
    """One per process; threads may share it (each gets a connection of its own). Opens at first use.

    A file that is damaged is set aside as `state.db.damaged-N`, a new one is made and `rebuild(db, aside)` is called
    to fill it from what the folders hold. Raises (everywhere): HostError, Locked.
    """

    def __init__(self, path: str, *, rebuild: Callable[[Database, str], None] | None = None) -> None:
        self.path = path
        self._rebuild = rebuild
        self._open: dict[int, _Open] = {}  # by thread; an ident that is used again takes over what its first had
        self._pid = os.getpid()

    def read(self) -> sqlite3.Connection:
        """For SELECTs; each statement sees one moment. Inside `write()` of this thread it sees its own changes."""
        return self._mine().connection

    def write(self) -> _Write:
        """`with db.write() as conn:` BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when an exception leaves the block.

        Keep it short: other processes wait for it. Never hold it across file contents, exec or a wait. A write inside
        a write of the same thread joins the outer one.
        """
        return _Write(self)

    def close(self) -> None:
        """Idempotent. Closes the connections of all threads."""
        opened, self._open = self._open, {}
        if self._pid == os.getpid():
            # A copy: a thread that ^C did not end yet may be about to add its own
            for one in list(opened.values()):
                one.connection.close()

    def _mine(self) -> _Open:
        if self._pid != os.getpid():
            # A forked child must never use, or even close, the connections of its parent
            self._inherited, self._open, self._pid = self._open, {}, os.getpid()
        found = self._open.get(get_ident())
        if found is None:
            found = self._open[get_ident()] = _Open(self._connect())
        return found

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as fault:
            if getattr(fault, "sqlite_errorcode", 0) & 0xFF not in _CORRUPT:
                raise failure(fault, self.path) from fault
            return self._replace_damaged(fault)

    def _prepared(self) -> sqlite3.Connection:
        # Not after a failed open: SQLite tries again by itself, for reading alone, and would find another thread's file
        self._make_folder()
        connection = self._bare()
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            if hasattr(connection, "setconfig"):  # Python 3.12
                # Else each last close checkpoints with an fsync: up to 10 ms of every command on a slow disk. The WAL
                # is checkpointed as it grows.
                connection.setconfig(_NO_CKPT_ON_CLOSE, True)
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                _create(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_folder(self) -> None:
        folder = os.path.dirname(self.path)
        if os.path.isdir(folder):
            return
        try:
            private_folder(folder)
        except OSError as fault:
            raise HostError(
                f"cannot write the state database {self.path}: cannot make its folder: {fault.strerror}",
                hint="run wherry as root, or choose another --root",
            ) from None

    def _bare(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)

    def _replace_damaged(self, fault: sqlite3.DatabaseError) -> sqlite3.Connection:
        from wherry.fs.lock import locked

        with locked(self.path + ".lock", what="the state database"):
            try:
                return self._prepared()  # another process was quicker
            except sqlite3.DatabaseError as again:
                if getattr(again, "sqlite_errorcode", 0) & 0xFF not in _CORRUPT:
                    raise failure(again, self.path) from fault
            number = 1
            while os.path.exists(aside := f"{self.path}.damaged-{number}"):
                number += 1
            for suffix in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    os.rename(self.path + suffix, aside + suffix)
            connection = self._prepared()
            self._open[get_ident()] = _Open(connection)
            if self._rebuild:
                self._rebuild(self, aside)
            return connection


class _Open:
    """A thread's connection, and how many writes it is inside of."""

    __slots__ = ("connection", "depth")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection, self.depth = connection, 0


class _Write:
    __slots__ = ("_db", "_open")

    def __init__(self, db: Database) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._open = self._db._mine()
        if self._open.depth == 0:
            try:
                self._open.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.DatabaseError as fault:
                raise failure(fault, self._db.path) from fault
        self._open.depth += 1
        return self._open.connection

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.depth -= 1
        if self._open.depth:
            return
        if kind is None:
            try:
                self._open.connection.execute("COMMIT")
                return
            except sqlite3.DatabaseError as failed:
                self._roll_back()
                raise failure(failed, self._db.path) from failed
        self._roll_back()
        if isinstance(fault, sqlite3.OperationalError):
            raise failure(fault, self._db.path) from fault

    def _roll_back(self) -> None:
        # Some faults (a full disk) end the transaction themselves
        if self._open.connection.in_transaction:
            self._open.connection.execute("ROLLBACK")


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Make what is missing; idempotent, and safe when two processes do it at once."""
    with suppress(OSError):
        os.chmod(path, 0o600)
    _to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in schema.STATEMENTS:
            connection.execute(statement)
        for table, column, declaration in schema.COLUMNS:
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column not in known:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declaration}")
        connection.execute(f"PRAGMA user_version={_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait here as it does elsewhere: two that make the database at once are told "busy" at once."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as fault:
            is_busy = getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def failure(fault: sqlite3.DatabaseError, path: str) -> WherryError:
    """The wherry error for a SQLite one, chosen by its code."""
    code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Locked(f"the state database {path} is busy for {_BUSY_S:.0f} s", hint="another wherry is stuck; see ps")
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"No space left on device: writing {path}", hint="wherry system df; wherry image prune")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return HostError(f"cannot write the state database {path}", hint="run wherry as root, or choose another --root")
    return HostError(f"the state database {path}: {fault}")
