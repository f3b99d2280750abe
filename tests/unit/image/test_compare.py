"""What differs between two trees of one step, and why."""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.errors import Cancelled
from wherry.image.compare import Difference, differences
from wherry.image.compare_cause import of_lines, of_path
from wherry.image.compare_inside import LARGEST_BYTES, inside, look


def both(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return tmp_path / "a", tmp_path / "b"


def found(first: Path, second: Path) -> list[Difference]:
    return list(differences([str(first)], [str(second)], Cancel()))


def test_equal_trees_have_no_difference_whatever_their_times_and_inodes(tmp_path: Path) -> None:
    for top in both(tmp_path):
        (top / "d").mkdir()
        (top / "d" / "f").write_text("text")
        os.link(top / "d" / "f", top / "hard")
        (top / "link").symlink_to("d")
    os.utime(tmp_path / "a" / "d" / "f", (5, 5))
    assert found(tmp_path / "a", tmp_path / "b") == []


def test_each_kind_of_difference_is_told(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    (a / "content").write_text("one")
    (b / "content").write_text("two")
    (a / "size").write_text("one")
    (b / "size").write_text("three")
    for top in (a, b):
        (top / "mode").write_text("")
    (a / "mode").chmod(0o600)
    (b / "mode").chmod(0o644)
    (a / "to").symlink_to("x")
    (b / "to").symlink_to("y")
    (a / "type").write_text("")
    (b / "type").mkdir()
    (a / "same").write_text("s")
    os.link(a / "same", a / "twin")
    (b / "same").write_text("s")
    (b / "twin").write_text("s")
    told = {one.path: one for one in found(a, b)}
    assert sorted(told) == ["content", "mode", "size", "to", "twin", "type"]
    assert told["content"].is_content
    assert told["size"].is_content
    assert told["mode"].facts == (("mode", "0600", "0644"),)
    assert told["to"].facts == (("target", "x", "y"),)
    assert told["twin"].facts == (("hard link to", "same", ""),)
    assert told["type"].first
    assert told["type"].second
    assert (told["type"].first.kind, told["type"].second.kind) == ("file", "folder")


def test_a_folder_that_one_has_stands_for_all_in_it(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    (a / "d" / "e").mkdir(parents=True)
    (a / "d" / "e" / "f").write_text("")
    (a / "d-not-in-it").write_text("")
    (b / "d-not-in-it").write_text("")
    (one,) = found(a, b)
    assert (one.path, one.second, one.below) == ("d", None, 2)
    (one,) = found(b, a)
    assert (one.path, one.first, one.below) == ("d", None, 2)


def test_several_layers_of_a_step_are_one_tree_and_the_later_wins(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    (tmp_path / "c").mkdir()
    (a / "f").write_text("old")
    (b / "f").write_text("new")
    (tmp_path / "c" / "f").write_text("new")
    assert list(differences([str(a), str(b)], [str(tmp_path / "c")], Cancel())) == []


@pytest.mark.requires("root")
def test_removals_devices_and_owners_are_seen(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    os.mknod(a / "gone", stat.S_IFCHR, 0)
    (b / "gone").write_text("")
    for top in (a, b):
        (top / "owned").write_text("")
    os.chown(a / "owned", 5, 6)
    told = {one.path: one for one in found(a, b)}
    assert told["gone"].first
    assert told["gone"].first.kind == "removal"
    assert told["owned"].facts == (("owner", "5:6", "0:0"),)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    (a / "f").write_text("")
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        list(differences([str(a)], [str(b)], cancel))


def test_paths_of_any_bytes_are_compared(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    (Path(os.fsdecode(os.fsencode(a) + b"/\xff\n"))).write_text("1")
    (Path(os.fsdecode(os.fsencode(b) + b"/\xff\n"))).write_text("2")
    (one,) = found(a, b)
    assert os.fsencode(one.path) == b"\xff\n"
    assert inside(one).lines == ("-1", "+2")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("built 2026-11-25T10:00:00Z", "built 2026-11-25T10:00:07Z", "a date or a time"),
        ("Wed Nov 25 10:00:00 UTC 2026", "Wed Nov 25 10:00:09 UTC 2026", "a date or a time"),
        ('{"at": 1795600000}', '{"at": 1795600007}', "seconds since 1970"),
        ("t=1795600000.1234", "t=1795600001.9", "seconds since 1970"),
        ("id 0a0b0c0d-1111-2222-3333-444455556666", "id ffffffff-1111-2222-3333-444455556666", "random identifier"),
        ("<object at 0x7f0011223344>", "<object at 0x7f0099887766>", "address in memory"),
        ("from /tmp/tmpab12_x/y", "from /tmp/tmpqq99zz/y", "temporary file"),
        ("key 3q2+7wAAAAAA00001==", "key 9z8y7x6w5v4u3t2s1r", "something random"),
        ("seed 17", "seed 9234", "a number"),
        ("VALUES(1.79560637327381e+09)", "VALUES(1.79560637527101e+09)", "seconds since 1970"),
        ("0.8444218515250481", "0.13436424411240122", "a number"),
        ("a b c", "c a b", "same words in another order"),
        ("cat", "dog", ""),
    ],
)
def test_the_lines_tell_the_cause(first: str, second: str, why: str) -> None:
    assert why in of_lines([first], [second]).why
    assert bool(why) == bool(of_lines([first], [second]).why)


def test_lines_in_another_order_are_no_other_lines() -> None:
    assert "another order" in of_lines(["b", "a"], ["a", "b"]).why


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("var/log/apt/history.log", "log of the package manager"),
        ("var/log/dpkg.log", "log of the package manager"),
        ("var/log/mine/x", "a log"),
        ("var/cache/ldconfig/aux-cache", "ldconfig"),
        ("root/.npm/_logs/2026-11-25T10_00_00_000Z-debug-0.log", "npm's logs"),
        ("etc/machine-id", "at random"),
        ("opt/conda/conda-meta/history", "conda"),
        ("root/.cache/pip/selfcheck/00ff", "cache of downloads"),
        ("usr/lib/python3/x.py", ""),
    ],
)
def test_known_paths_have_known_causes(path: str, why: str) -> None:
    assert why in of_path(path).why
    assert bool(why) == bool(of_path(path).why)


def pyc(flags: int, stamp: int, body: bytes, magic: bytes = b"\x6f\x0d\r\n") -> bytes:
    return magic + struct.pack("<3I", flags, stamp, 100) + body


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (pyc(0, 1, b"x"), pyc(0, 2, b"x"), "a time stamp of the source"),
        (pyc(3, 1, b"x"), pyc(3, 2, b"x"), "another source"),
        (pyc(3, 1, b"xa"), pyc(3, 1, b"xb"), "the same source"),
        (pyc(0, 1, b"x"), pyc(1, 1, b"x"), "one names its source by time"),
        (pyc(0, 1, b"x"), pyc(0, 1, b"x", b"\xcb\x0d\r\n"), "two versions of Python"),
    ],
)
def test_bytecode_tells_what_differs(first: bytes, second: bytes, why: str) -> None:
    result = look("x.pyc", first, second)
    assert result.what == "Python bytecode"
    assert why in result.cause.why


def test_gzip_with_another_time_is_told_from_other_content() -> None:
    first, second = (gzip.compress(b"same", mtime=time) for time in (1, 2))
    result = look("f.gz", first, second)
    assert "gzip header" in result.cause.why
    assert result.lines == ("-time in the header: 1", "+time in the header: 2")
    result = look("f.gz", gzip.compress(b"at 2026-01-01\n", mtime=1), gzip.compress(b"at 2026-01-02\n", mtime=2))
    assert (result.what, result.lines) == ("gzip of: text", ("-at 2026-01-01", "+at 2026-01-02"))
    result = look("f.gz", gzip.compress(b"same" * 99, 1, mtime=1), gzip.compress(b"same" * 99, 9, mtime=1))
    assert "another version or level" in result.cause.why


def archive(*members: tuple[str, str, tuple[int, int, int, int, int, int]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, text, date in members:
            file.writestr(zipfile.ZipInfo(name, date), text)
    return stream.getvalue()


def test_zip_tells_times_from_content() -> None:
    date, later = (2020, 1, 1, 0, 0, 0), (2020, 1, 1, 0, 0, 2)
    result = look("x.whl", archive(("a", "1", date)), archive(("a", "1", later)))
    assert "times of the files" in result.cause.why
    assert result.lines == ("-a 2020-01-01 00:00:00", "+a 2020-01-01 00:00:02")
    result = look("x.whl", archive(("a", "1", date), ("b", "1", date)), archive(("b", "1", date), ("a", "1", date)))
    assert "another order" in result.cause.why
    result = look("x.whl", archive(("a", "1", date)), archive(("a", "2", date)))
    assert result.cause.why == ""
    assert result.lines[0].startswith("-a ")


def database(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
        connection.commit()
    connection.close()
    return path.read_bytes()


def test_sqlite_is_compared_by_its_rows(tmp_path: Path) -> None:
    table = "CREATE TABLE t (at)"
    first = database(tmp_path / "1", table, "INSERT INTO t VALUES ('2026-01-01')")
    second = database(tmp_path / "2", table, "INSERT INTO t VALUES ('2026-01-02')")
    result = look("x.db", first, second)
    assert result.what == "SQLite database"
    assert "a date" in result.cause.why
    assert "2026-01-01" in result.lines[0]
    third = database(tmp_path / "3", table, "INSERT INTO t VALUES (1)", "UPDATE t SET at = '2026-01-01'")
    assert "the same rows" in look("x.db", first, third).cause.why


def test_tar_tells_times_from_order() -> None:
    def tar(*members: tuple[str, int]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as file:
            for name, mtime in members:
                info = tarfile.TarInfo(name)
                info.mtime = mtime
                file.addfile(info)
        return stream.getvalue()

    assert "times of the files" in look("x.tar", tar(("a", 1)), tar(("a", 2))).cause.why
    assert "another order" in look("x.tar", tar(("a", 1), ("b", 1)), tar(("b", 1), ("a", 1))).cause.why


def elf(build_id: bytes, text: bytes = b"code") -> bytes:
    names = b"\0.note.gnu.build-id\0.text\0.shstrtab\0"
    parts, offset, rows = [], 64, [(0, 0, 0, 0, 0, 0)]
    for name, data in ((1, build_id), (20, text), (26, names)):
        rows.append((name, 1, 0, 0, offset, len(data)))
        parts.append(data)
        offset += len(data)
    table = b"".join(struct.pack("<IIQQQQ", *row).ljust(64, b"\0") for row in rows)
    header = bytearray(b"\x7fELF\2\1".ljust(64, b"\0"))
    struct.pack_into("<Q", header, 40, offset)
    struct.pack_into("<3H", header, 58, 64, len(rows), 3)
    return bytes(header) + b"".join(parts) + table


def test_a_program_tells_which_section_differs() -> None:
    assert look("bin/x", elf(b"id-1"), elf(b"id-2")).cause.why == "the build id alone"
    assert look("bin/x", elf(b"id"), elf(b"id", b"cod2")).lines == (" sections that differ: .text",)


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"PK\3\4", b"SQLite format 3\0", b"\x7fELF\2\1", b""])
def test_broken_files_of_a_format_are_compared_as_bytes(magic: bytes) -> None:
    result = look("x.pyc", magic + b"\0\1\2", magic + b"\0\1\3")
    assert result.what == "binary"
    assert len(result.lines) == 2


def test_long_texts_are_shown_in_part() -> None:
    result = look("x", b"\n".join(b"a%d" % i for i in range(9000)), b"\n".join(b"b%d" % i for i in range(9000)))
    assert len(result.lines) == 7
    assert result.lines[0] == "-a0"
    assert "8997 more" in result.lines[-1]
    assert max(map(len, look("x", b"a" * 10**6, b"b" * 10**6).lines)) < 200


def test_large_files_are_not_read(tmp_path: Path) -> None:
    a, b = both(tmp_path)
    for top, size in ((a, LARGEST_BYTES + 1), (b, LARGEST_BYTES + 2)):
        with (top / "big").open("wb") as file:
            file.truncate(size)
    (one,) = found(a, b)
    assert inside(one).what == "large file"


def test_a_bomb_is_not_unpacked_whole() -> None:
    bomb = gzip.compress(bytes(64 << 20), 9, mtime=0)
    result = look("x.gz", bomb, bomb[:-9] + b"\0" + bomb[-8:])
    assert result.what.startswith(("gzip", "binary"))
