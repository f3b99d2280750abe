from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.errors import DiskFull, HostError, Locked
from wherry.store import db as db_module
from wherry.store.db import Database, failure


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "root" / "state.db")


@pytest.fixture
def db(path: str) -> Iterator[Database]:
    made = Database(path)
    yield made
    made.close()


def add_lease(conn: sqlite3.Connection, what: str) -> None:
    conn.execute("INSERT INTO lease (what, pid, start_time, boot_id, created_ns) VALUES (?, 1, 1, 'b', 1)", (what,))


def leases(db: Database) -> list[str]:
    return [row[0] for row in db.read().execute("SELECT what FROM lease ORDER BY id")]


def test_nothing_is_made_before_the_first_use(path: str) -> None:
    Database(path).close()
    assert not os.path.exists(path)


def test_the_file_is_readable_by_its_owner_only(db: Database, path: str) -> None:
    db.read()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_it_is_in_wal_mode_with_foreign_keys(db: Database) -> None:
    assert db.read().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.read().execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert db.read().execute("PRAGMA synchronous").fetchone() == (1,)


def test_a_write_is_seen_by_another_opener(db: Database, path: str) -> None:
    with db.write() as conn:
        add_lease(conn, "one")
    other = Database(path)
    assert leases(other) == ["one"]
    other.close()


def test_an_exception_takes_the_write_back(db: Database) -> None:
    with pytest.raises(ValueError, match="no"), db.write() as conn:  # noqa: PT012
        add_lease(conn, "one")
        raise ValueError("no")
    assert leases(db) == []


def test_a_write_inside_a_write_is_part_of_it(db: Database) -> None:
    with pytest.raises(ValueError, match="no"), db.write() as conn:  # noqa: PT012
        add_lease(conn, "outer")
        with db.write() as inner:
            add_lease(inner, "inner")
        raise ValueError("no")
    assert leases(db) == []


def test_a_reader_does_not_wait_for_a_writer_and_sees_the_state_before(db: Database, path: str) -> None:
    db.read()
    other = Database(path)
    with db.write() as conn:
        add_lease(conn, "one")
        assert leases(other) == []
    assert leases(other) == ["one"]
    other.close()


def test_many_threads_write_and_none_is_lost(db: Database) -> None:
    def work(number: int) -> None:
        for i in range(10):
            with db.write() as conn:
                add_lease(conn, f"{number}-{i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(leases(db))) == 80


def test_close_can_be_repeated_and_the_next_use_opens_again(db: Database) -> None:
    with db.write() as conn:
        add_lease(conn, "one")
    db.close()
    db.close()
    assert leases(db) == ["one"]


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 100])
def test_a_damaged_file_is_set_aside_and_rebuilt_once(path: str, damage: bytes) -> None:
    first = Database(path)
    with first.write() as conn:
        add_lease(conn, "lost")
    first.close()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(damage)
    told: list[str] = []

    def rebuild(db: Database, aside: str) -> None:
        told.append(aside)
        with db.write() as conn:
            add_lease(conn, "rebuilt")

    for _ in range(2):
        db = Database(path, rebuild=rebuild)
        if damage:
            assert leases(db) == ["rebuilt"]
        else:
            assert leases(db) == []  # an empty file is a new database to SQLite: nothing to set aside
        db.close()
    assert told == ([f"{path}.damaged-1"] if damage else [])
    assert os.path.exists(f"{path}.damaged-1") == bool(damage)


def test_a_folder_that_cannot_be_made_is_a_host_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot write the state database .*/file/state\.db: cannot make its folder"):
        Database(str(tmp_path / "file" / "state.db")).read()


def test_columns_that_came_later_are_added_to_an_old_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Database(path)
    old.read()
    old.close()
    monkeypatch.setattr(db_module.schema, "COLUMNS", (("lease", "colour", "TEXT NOT NULL DEFAULT 'red'"),))
    monkeypatch.setattr(db_module, "_VERSION", 7)
    for _ in range(2):
        new = Database(path)
        assert new.read().execute("SELECT count(colour) FROM lease").fetchone() == (0,)
        new.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, Locked),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Locked),
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_READONLY_DBMOVED, HostError),
        (sqlite3.SQLITE_IOERR_READ, HostError),
    ],
)
def test_errors_are_chosen_by_sqlites_code(code: int, kind: type[Exception]) -> None:
    fault = sqlite3.OperationalError("text that says nothing")
    fault.sqlite_errorcode = code
    assert type(failure(fault, "/r/state.db")) is kind


def test_a_forked_childs_use_does_not_touch_the_parents_connection(db: Database) -> None:
    before = db.read()
    db._pid -= 1  # as a child would find it
    after = db.read()
    assert after is not before
    assert before.execute("SELECT 1").fetchone() == (1,)
    before.close()


def test_threads_may_make_the_file_at_once(tmp_path: Path) -> None:
    for number in range(20):
        db = Database(f"{tmp_path}/{number}/state.db")
        start = threading.Barrier(8)
        faults: list[BaseException] = []

        def first_use(
            db: Database = db, start: threading.Barrier = start, faults: list[BaseException] = faults
        ) -> None:
            start.wait()
            try:
                db.read().execute("SELECT 1 FROM image").fetchone()
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=first_use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        db.close()
        assert faults == []


def test_it_can_be_closed_while_threads_open_it(tmp_path: Path) -> None:
    """^C closes it while the threads that follow logs begin."""
    for _ in range(60):
        db = Database(str(tmp_path / "state.db"))
        threads = [threading.Thread(target=db.read) for _ in range(8)]
        for one in threads:
            one.start()
        for _ in range(20):
            db.close()
        for one in threads:
            one.join()
        db.close()
