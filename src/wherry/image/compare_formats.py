"""Formats whose difference can be put into words: Python bytecode, zip, SQLite, ELF, tar. Each gives None when the
bytes are not what they seemed to be.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from wherry.image.compare_cause import UNKNOWN, Cause, of_lines
from wherry.image.compare_inside import Inside, changed, paired

__all__ = ["elf", "pyc", "sqlite", "tar", "zip_archive"]

_HASH_BASED = 1
_MOST_ROWS = 5000


def pyc(first: bytes, second: bytes) -> Inside | None:
    """Spec: PEP 552: magic, flags, then time and size of the source, or its hash."""
    if len(first) < 16 or len(second) < 16 or not first[2:4] == second[2:4] == b"\r\n":
        return None
    what = "Python bytecode"
    if first[:4] != second[:4]:
        return Inside(what, (), Cause("written by two versions of Python"))
    (flags, *stamp), (others, *their) = (struct.unpack_from("<3I", data, 4) for data in (first, second))
    if flags != others:
        return Inside(
            what, (), Cause("one names its source by time, the other by hash", "set SOURCE_DATE_EPOCH in both")
        )
    if not flags & _HASH_BASED and stamp[0] != their[0]:
        lines = (f"-time of the source: {stamp[0]}", f"+time of the source: {their[0]}")
        remedy = "python -m compileall --invalidation-mode checked-hash, or let the source's time be fixed (touch -d)"
        return Inside(what, lines, Cause("a time stamp of the source in the .pyc", remedy))
    if stamp != their:
        return Inside(what, (), Cause("compiled from another source", "look at the .py beside it"))
    return Inside(what, _bytes_apart(first, second), Cause(
        "the same source; Python noted in another way which constants are used twice, or ordered a set in another way",
        "compile in a process of its own, with one worker: python -m compileall -j 1 FOLDER",
    ))  # fmt: skip


def _bytes_apart(first: bytes, second: bytes) -> tuple[str, ...]:
    count = sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))
    return (f" {count} of {max(len(first), len(second))} bytes differ",)


def zip_archive(first: bytes, second: bytes) -> Inside | None:
    """By the directories at their ends: nothing is unpacked."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(first)) as one, zipfile.ZipFile(io.BytesIO(second)) as other:
            ours, theirs = one.infolist(), other.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    content = [[f"{entry.filename} {entry.CRC:08x} {entry.file_size}" for entry in side] for side in (ours, theirs)]
    if content[0] != content[1]:
        gone, new = changed(*content)
        return Inside("zip archive", paired(gone, new), of_lines(gone, new) if sorted(gone) == sorted(new) else UNKNOWN)
    times = [[f"{entry.filename} {_date(entry.date_time)}" for entry in side] for side in (ours, theirs)]
    if times[0] == times[1]:
        return Inside("zip archive", (), Cause("the same files, packed in another way"))
    remedy = "give the files a fixed time before they are packed: find . -exec touch -d @$SOURCE_DATE_EPOCH {} +"
    return Inside("zip archive", paired(*changed(*times)), Cause("the times of the files in it", remedy))


def _date(parts: tuple[int, int, int, int, int, int]) -> str:
    year, month, day, *clock = parts
    return f"{year}-{month:02}-{day:02} {':'.join(f'{one:02}' for one in clock)}"


def sqlite(first: bytes, second: bytes) -> Inside | None:
    """As the statements that would make it again."""
    ours, theirs = _dump(first), _dump(second)
    if ours is None or theirs is None:
        return None
    if ours == theirs:
        remedy = "make it anew when everything is in it: VACUUM INTO 'new.db'"
        return Inside("SQLite database", (), Cause("the same rows; it was written in other steps", remedy))
    gone, new = changed(ours, theirs)
    return Inside("SQLite database", paired(gone, new), of_lines(gone, new))


def _dump(data: bytes) -> list[str] | None:
    import sqlite3

    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            # In memory there is no log beside it: what says "WAL" is read as it stands
            connection.deserialize(data[:18] + b"\1\1" + data[20:])
            connection.execute("PRAGMA trusted_schema=OFF")
            return list(islice(connection.iterdump(), _MOST_ROWS))
    except (sqlite3.Error, ValueError, UnicodeError):
        return None


def elf(first: bytes, second: bytes) -> Inside | None:
    """By the names of the sections that differ."""
    try:
        ours, theirs = (dict(_sections(data)) for data in (first, second))
    except (struct.error, IndexError, ValueError):
        return None
    names = [name for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]
    lines = (f" sections that differ: {', '.join(names[:8])}",) if names else ()
    if names == [".note.gnu.build-id"]:
        return Inside("program (ELF)", lines, Cause("the build id alone", "link with -Wl,--build-id=sha1, or none"))
    for name in names:
        text = [side.get(name, b"").decode("latin-1").replace("\0", "\n").splitlines() for side in (ours, theirs)]
        if name in (".rodata", ".comment", ".debug_str", ".debug_line_str"):
            gone, new = changed(*text)
            cause = of_lines(gone, new)
            if "date" in cause.why or "temporary" in cause.why:
                return Inside("program (ELF)", (*lines, *paired(gone[:2], new[:2])), cause)
    remedy = "-ffile-prefix-map=$PWD=. against folder names, -frandom-seed, no __DATE__ and __TIME__, ar with D"
    return Inside("program (ELF)", lines, Cause("the compiler or linker wrote something else", remedy))


def _sections(data: bytes) -> Iterator[tuple[str, bytes]]:
    """64-bit little-endian alone. Raises: struct.error, IndexError, ValueError."""
    if data[4:6] != b"\2\1":
        raise ValueError("another sort of ELF")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_at = struct.unpack_from("<3H", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(min(count, 200))]
    names = headers[names_at]
    for name, kind, _, _, offset, length in headers:
        start = names[4] + name
        title = data[start : data.index(b"\0", start)].decode("latin-1")
        # SHT_NOBITS has no bytes in the file
        yield title, b"" if kind == 8 else data[offset : offset + length]


def tar(first: bytes, second: bytes) -> Inside | None:
    """By its headers."""
    ours, theirs = list(islice(_headers(first), _MOST_ROWS)), list(islice(_headers(second), _MOST_ROWS))
    if ours == theirs:
        return Inside("tar archive", (), Cause("the same names and times; the content of a file in it differs"))
    gone, new = changed(ours, theirs)
    cause = of_lines(gone, new)
    if sorted(ours) == sorted(theirs):
        cause = Cause("the same files in another order", "tar --sort=name")
    elif [line.rpartition(" ")[0] for line in gone] == [line.rpartition(" ")[0] for line in new]:
        cause = Cause("the times of the files in it", "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0")
    return Inside("tar archive", paired(gone, new), cause)


def _headers(data: bytes) -> Iterator[str]:
    at = 0
    while at + 512 <= len(data):
        header = data[at : at + 512]
        try:
            size, mtime = (int(header[start : start + 12].strip(b" \0") or b"0", 8) for start in (124, 136))
        except ValueError:
            return
        if not header.strip(b"\0"):
            return
        name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
        owner = header[108:124].replace(b"\0", b" ").decode("latin-1").split()
        yield f"{name} {':'.join(owner)} {size} {mtime}"
        at += 512 + (size + 511) // 512 * 512
