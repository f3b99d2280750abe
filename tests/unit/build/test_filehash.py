"""What is remembered of the content of files, and when it is not believed."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from wherry.build import filehash
from wherry.build.filehash import FileHashes
from wherry.build.tree import Entry, Tree, walk
from wherry.cancel import Cancel
from wherry.errors import BuildError, Cancelled
from wherry.fs import stamps
from wherry.store.db import Database


class Place:
    """A context folder and a database. `reads` counts the files that were read; the clock is an hour ahead, so that no
    file is young unless a test says so.
    """

    def __init__(self, folder: Path) -> None:
        self.context = folder / "context"
        self.context.mkdir()
        self.db = Database(str(folder / "state.db"))
        self.ahead_ns = 3600 * 10**9
        self.root_fd = os.open(self.context, os.O_RDONLY | os.O_DIRECTORY)
        self.tree = Tree(self.root_fd, "the build context", True)

    def close(self) -> None:
        os.close(self.root_fd)
        self.db.close()

    def clock(self) -> int:
        import time

        return time.time_ns() + self.ahead_ns

    def entries(self) -> list[Entry]:
        return list(walk(self.tree, ""))

    def hash(self, entries: list[Entry] | None = None, db: Database | None = None) -> dict[str, str]:
        hashes = FileHashes(db or self.db, clock=self.clock)
        return hashes.digests(self.tree, self.entries() if entries is None else entries, Cancel())

    def rows(self) -> int:
        count: int = self.db.read().execute("SELECT count(*) FROM file_hash").fetchone()[0]
        return count


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_a_file_is_read_once_and_then_known(place: Place) -> None:
    (place.context / "f").write_text("one")
    entries = place.entries()
    assert place.hash() == {"f": digest("one")}
    assert place.rows() == 1
    # Whatever the entry says is believed: the file itself is not looked at again
    (place.context / "f").unlink()
    assert place.hash(entries) == {"f": digest("one")}


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_each_part_of_the_stamp_counts(place: Place, field: str) -> None:
    (place.context / "f").write_text("one")
    (entry,) = (one for one in place.entries() if one.is_file)
    place.hash()
    (place.context / "f").unlink()
    with pytest.raises(BuildError, match="vanished"):
        place.hash([entry._replace(**{field: getattr(entry, field) + 1})])


def test_a_rewrite_with_the_same_size_and_mtime_is_seen(place: Place) -> None:
    path = place.context / "f"
    path.write_text("one")
    before = path.stat()
    assert place.hash() == {"f": digest("one")}
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ctime_ns != before.st_ctime_ns
    assert place.hash() == {"f": digest("two")}


def test_a_file_younger_than_the_clocks_step_is_hashed_and_not_remembered(place: Place) -> None:
    path = place.context / "f"
    path.write_text("one")
    # As if it were changed at the very moment it is read, by a clock that will not be over its step soon
    place.ahead_ns = -3600 * 10**9
    assert place.hash() == {"f": digest("one")}
    assert place.rows() == 0
    place.ahead_ns = 3600 * 10**9
    assert place.hash() == {"f": digest("one")}
    assert place.rows() == 1


def test_whole_seconds_are_a_coarse_clocks(place: Place) -> None:
    fine, coarse = filehash._step_ns(1_000_000_001), filehash._step_ns(5_000_000_000)
    assert fine < 100_000_000 < coarse


def test_a_file_that_somebody_has_open_for_writing_is_read_each_time(place: Place) -> None:
    path = place.context / "f"
    path.write_text("one")
    with path.open("r+b"):
        assert place.hash() == {"f": digest("one")}
        assert place.rows() == 0
    assert place.hash() == {"f": digest("one")}
    assert place.rows() == 1


def test_a_write_through_a_mapping_that_changes_no_time_is_seen(place: Place) -> None:
    """A page that is dirty already can be written again without any of its times changing."""
    path = place.context / "f"
    path.write_text("one")
    fd = os.open(path, os.O_RDWR)
    with mmap.mmap(fd, 3) as view:
        os.close(fd)
        view[:] = b"two"
        stamp = path.stat()
        assert place.hash() == {"f": digest("two")}
        view[:] = b"six"
        now = path.stat()
        same = (stamp.st_mtime_ns, stamp.st_ctime_ns) == (now.st_mtime_ns, now.st_ctime_ns)
        assert place.hash() == {"f": digest("six")}
    # Where the kernel wrote the page back in between, the time tells; usually it does not
    assert same or place.rows() == 0


def test_a_file_system_whose_times_say_nothing_is_read_each_time(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert stamps.identity(fd) is not None
        assert stamps.identity(fd) == stamps.identity(fd)
        assert stamps.identity(fd, frozenset()) is None
    finally:
        os.close(fd)
    proc = os.open("/proc", os.O_RDONLY)
    assert stamps.identity(proc) is None
    os.close(proc)


def test_nothing_is_believed_of_such_a_file_system_also_when_a_row_fits(place: Place) -> None:
    (place.context / "f").write_text("one")
    place.hash()
    entries = place.entries()
    with place.db.write() as connection:
        connection.execute("UPDATE file_hash SET digest = 'wrong'")
    assert place.hash(entries) == {"f": "wrong"}
    # A device of another number, as an image has that is mounted where another was
    other = [one._replace(device=one.device + 1) for one in entries]
    assert place.hash(other) == {"f": digest("one")}


def test_a_file_that_changes_while_it_is_read_is_read_again_and_then_refused(place: Place) -> None:
    path = place.context / "f"
    path.write_text("one")
    (entry,) = (one for one in place.entries() if one.is_file)
    path.write_text("three")
    with pytest.raises(BuildError, match="changes while it is read") as caught:
        place.hash([entry])
    assert ".dockerignore" in (caught.value.hint or "")
    assert place.rows() == 0


def test_a_file_that_was_replaced_by_a_link_or_taken_away_is_refused(place: Place) -> None:
    path = place.context / "f"
    path.write_text("one")
    entries = place.entries()
    path.unlink()
    with pytest.raises(BuildError, match="vanished"):
        place.hash(entries)
    (place.context / "g").write_text("secret")
    path.symlink_to("g")
    with pytest.raises((BuildError, OSError)):
        place.hash(entries)


def test_large_files_are_hashed_in_pieces_by_several_threads_to_the_same_digest(place: Place) -> None:
    with (place.context / "big").open("wb") as file:
        for number in range(3):
            file.write(bytes([number]) * filehash.CHUNK_BYTES)
        file.write(b"end")
    first = FileHashes(None, jobs=1).digests(place.tree, place.entries(), Cancel())
    assert first == FileHashes(None, jobs=4).digests(place.tree, place.entries(), Cancel())
    assert first["big"].startswith("16M:")


def test_it_can_be_stopped(place: Place) -> None:
    (place.context / "f").write_text("one")
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        FileHashes(place.db).digests(place.tree, place.entries(), cancel)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_several_builds_hash_and_remember_the_same_files_at_once(place: Place) -> None:
    for number in range(50):
        (place.context / str(number)).write_text(str(number))
    entries = place.entries()
    results: list[dict[str, str]] = []
    in_threads(4, lambda _: results.append(place.hash(entries)))
    assert results == [{str(number): digest(str(number)) for number in range(50)}] * 4
    assert place.rows() == 50
