"""Archives made to harm end in a clear error or harmlessly inside; nothing beside the target changes, ever."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.image.trees import IS_ROOT, entry, outside, packed, paxed, special, tar, unpacked
from wherry.errors import HostError, HostileArchive, InvalidSpec
from wherry.image.tar import compress, header, unpack
from wherry.image.tar.header import Entry
from wherry.image.tar.unpack import Limits

FILE = header.REGULAR
REFUSED: dict[str, tuple[bytes, type[Exception]]] = {
    "parent": (tar(entry(b"../witness/file", data=b"x")), HostileArchive),
    "parent further in": (tar(entry(b"a/b/../../../witness/file", data=b"x")), HostileArchive),
    "parent after a slash": (tar(entry(b"/../witness/file", data=b"x")), HostileArchive),
    "parent in pax": (tar(paxed((b"path", b"../witness/file")), entry(b"a")), HostileArchive),
    "parent in a gnu name": (tar(special(b"L", b"../witness/file\0"), entry(b"a")), HostileArchive),
    "hard link to the parent": (tar(entry(b"a", header.HARD_LINK, link=b"../witness/file")), HostileArchive),
    "hard link to nothing": (tar(entry(b"a", header.HARD_LINK, link=b"b")), InvalidSpec),
    "hard link to an absolute path": (tar(entry(b"a", header.HARD_LINK, link=b"/etc/passwd")), InvalidSpec),
    "hard link to the root": (tar(entry(b"a", header.HARD_LINK, link=b"/")), InvalidSpec),
    "hard link to a folder": (
        tar(entry(b"d/", header.FOLDER), entry(b"a", header.HARD_LINK, link=b"d")), InvalidSpec),
    "hard link through a link": (
        tar(entry(b"l", header.SYMLINK, link=b"/etc"), entry(b"a", header.HARD_LINK, link=b"l/passwd")), InvalidSpec),
    "hard link to a whiteout": (tar(entry(b".wh.x"), entry(b"a", header.HARD_LINK, link=b"x")), InvalidSpec),
    "root is a link": (tar(entry(b".", header.SYMLINK, link=b"../witness")), HostileArchive),
    "root is a file": (tar(entry(b"./", b"6")), HostileArchive),
    "root is a hard link": (tar(entry(b"/", header.HARD_LINK, link=b"x")), HostileArchive),
    "file in a file": (tar(entry(b"a"), entry(b"a/b")), InvalidSpec),
    "file behind a dangling link": (tar(entry(b"a", header.SYMLINK, link=b"nowhere"), entry(b"a/b")), InvalidSpec),
    "file behind a loop": (
        tar(entry(b"a", header.SYMLINK, link=b"b"), entry(b"b", header.SYMLINK, link=b"a"), entry(b"a/x")),
        InvalidSpec),
    "link without target": (tar(entry(b"a", header.SYMLINK)), InvalidSpec),
    "link with an endless target": (tar(entry(b"a", header.SYMLINK, link=b"x" * 5000)), InvalidSpec),
    "overlay's device": (tar(entry(b"a", header.CHAR)), HostileArchive),
    "overlay's attribute": (tar(entry(b"a", xattrs=(("trusted.overlay.opaque", b"y"),))), HostileArchive),
    "overlay's redirect": (
        tar(entry(b"a/", header.FOLDER, xattrs=(("trusted.overlay.redirect", b"/"),))), HostileArchive),
    "overlay's user attribute": (tar(entry(b"a", xattrs=(("user.overlay.opaque", b"y"),))), HostileArchive),
    "overlay's attribute for all": (
        tar(special(b"g", b"41 SCHILY.xattr.trusted.overlay.opaque=y\n"), entry(b"a")), HostileArchive),
    "whiteout of nothing": (tar(entry(b".wh.")), HostileArchive),
    "whiteout of the folder": (tar(entry(b"a/.wh..")), HostileArchive),
    "whiteout of the parent": (tar(entry(b"a/.wh...")), HostileArchive),
    "whiteout of a whiteout": (tar(entry(b".wh..wh.x")), HostileArchive),
    "almost opaque": (tar(entry(b".wh..wh..")), HostileArchive),
    "in a whiteout": (tar(entry(b".wh.a/b")), InvalidSpec),
    "name too long": (tar(entry(b"n" * 256)), InvalidSpec),
    "path too long": (tar(entry(b"/".join([b"n" * 200] * 30))), InvalidSpec),
    "100,000 deep": (tar(entry(b"a/" * 100_000 + b"f")), InvalidSpec),
    "NUL in a name": (tar(paxed((b"path", b"a\0b")), entry(b"a")), InvalidSpec),
    "NUL in a link": (tar(paxed((b"linkpath", b"a\0b")), entry(b"a", header.SYMLINK, link=b"l")), InvalidSpec),
    "huge header": (tar(special(b"x", bytes(2 << 20)), entry(b"a")), InvalidSpec),
    "header said to be huge": (header.encode(Entry(b"p", b"x", 0, 0, 0, 1 << 32)) + bytes(512), InvalidSpec),
    "huge gnu name": (tar(special(b"L", b"n" * (2 << 20)), entry(b"a")), InvalidSpec),
    "broken pax": (tar(special(b"x", b"99 path=x\n"), entry(b"a")), InvalidSpec),
    "header without its entry": (paxed((b"path", b"x")) + header.END, InvalidSpec),
    "checksum": (b"\xff" + tar(entry(b"abc"))[1:], InvalidSpec),
    "not a tar": (b"#!/bin/sh\n" * 200, InvalidSpec),
    "half a header": (entry(b"a")[:300], InvalidSpec),
    "half a file": (entry(b"a", data=b"x" * 5000)[:1000], InvalidSpec),
    "half a pax header": (paxed((b"path", b"x" * 3000))[:1000], InvalidSpec),
    "header after one end block": (bytes(512) + entry(b"a"), InvalidSpec),
    "unknown type": (tar(entry(b"a", b"Z")), InvalidSpec),
    "second volume": (tar(entry(b"a", b"M")), InvalidSpec),
    "owner minus one": (tar(paxed((b"uid", b"4294967295")), entry(b"a")), InvalidSpec),
    "group over 32 bits": (tar(paxed((b"gid", b"99999999999")), entry(b"a")), InvalidSpec),
    "time beyond time": (tar(paxed((b"mtime", b"9" * 18)), paxed((b"mtime", b"9" * 30)), entry(b"a")), InvalidSpec),
    "size minus one": (tar(paxed((b"size", b"-1")), entry(b"a")), InvalidSpec),
    "size over the data": (tar(paxed((b"size", b"99999")), entry(b"a")), InvalidSpec),
    "more than the limit": (header.encode(Entry(b"a", FILE, 0, 0, 0, 1 << 50)), InvalidSpec),
    "device that Linux can't have": (tar(entry(b"a", header.BLOCK_DEVICE, device=(1 << 12, 0))), InvalidSpec),
}  # fmt: skip
if not IS_ROOT:
    REFUSED["device"] = (tar(entry(b"a", header.CHAR, device=(1, 3))), HostError)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    data, error = REFUSED[name]
    untouched = outside(tmp_path / "out")
    with pytest.raises(error) as caught:
        unpacked(data, tmp_path / "out")
    assert type(caught.value) is error
    assert len(str(caught.value)) < 1200
    assert untouched()


INSIDE = {
    "absolute name": tar(entry(b"/witness/file", data=b"x")),
    "link to the parent": tar(
        entry(b"l", header.SYMLINK, link=b"../witness"), entry(b"witness/", mode=0o755), entry(b"l/file", data=b"x")),
    "link to the far parent": tar(entry(b"l", header.SYMLINK, link=b"../" * 30), entry(b"l/witness/file", data=b"x")),
    "absolute link": tar(entry(b"l", header.SYMLINK, link=b"/"), entry(b"l/witness/file", data=b"x")),
    "link in a link": tar(
        entry(b"a", header.SYMLINK, link=b"."), entry(b"a/b", header.SYMLINK, link=b".."),
        entry(b"a/b/witness/file", data=b"x")),
    "link, then a file in its place": tar(entry(b"l", header.SYMLINK, link=b"../witness/file"), entry(b"l", data=b"x")),
    "hard link to a link, then a file": tar(
        entry(b"l", header.SYMLINK, link=b"../witness/file"), entry(b"h", header.HARD_LINK, link=b"l"),
        entry(b"h", data=b"x")),
    "folder in place of a link": tar(
        entry(b"l", header.SYMLINK, link=b"../witness"), entry(b"l/", header.FOLDER, mode=0o777),
        entry(b"l/file", data=b"x")),
    "a link in place of a folder in use": tar(
        entry(b"d/", header.FOLDER, mode=0o755), entry(b"d/a"), entry(b"d", header.SYMLINK, link=b"../witness"),
        entry(b"witness/", header.FOLDER, mode=0o755), entry(b"d/file", data=b"x")),
    "whiteout behind a link": tar(entry(b"l", header.SYMLINK, link=b".."), entry(b"l/.wh.witness")),
    "link by an odd name": tar(entry(b"proc/self/cwd", header.SYMLINK, link=b"/"), entry(b"proc/self/cwd/f")),
}  # fmt: skip


@pytest.mark.parametrize("name", INSIDE)
def test_what_points_outside_lands_inside(tmp_path: Path, name: str) -> None:
    untouched = outside(tmp_path / "out")
    unpacked(INSIDE[name], tmp_path / "out")
    assert untouched()


def test_a_link_never_gives_its_mode_to_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "target").touch(mode=0o600)
    unpacked(tar(entry(b"l", header.SYMLINK, link=os.fsencode(tmp_path / "target"), mode=0o777)), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600


def test_a_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(entry(b"a", data=bytes(50 << 20)), 9)
    assert len(bomb) < 1 << 17
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidSpec, match="limit"):
        unpack.unpack(compress.reader(io.BytesIO(bomb)), str(tmp_path / "out"), owners=False, limits=Limits(10 << 20))
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 10 << 20


def test_holes_count_towards_the_limit(tmp_path: Path) -> None:
    records = ((b"GNU.sparse.numblocks", b"0"), (b"GNU.sparse.size", b"1" + b"0" * 17))
    with pytest.raises(InvalidSpec, match="limit"):
        unpacked(tar(paxed(*records), entry(b"a")), tmp_path / "out")


def test_entries_count_towards_the_limit_and_so_do_parents(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidSpec, match="limit of 100"):
        unpacked(tar(entry(b"a/" * 200 + b"f")), tmp_path / "out", limits=Limits(entries=100))


SPARSE = {
    "overlap": b"0,10,5,10", "beyond the end": b"95,10", "odd": b"1,2,3", "no numbers": b"a,b", "negative": b"-1,2",
    "too little": b"0,1", "descending": b"50,5,10,5",
}  # fmt: skip


@pytest.mark.parametrize("name", SPARSE)
def test_a_broken_map_of_holes_is_an_error(tmp_path: Path, name: str) -> None:
    records = ((b"GNU.sparse.map", SPARSE[name]), (b"GNU.sparse.size", b"100"), (b"GNU.sparse.numblocks", b"1"))
    with pytest.raises(InvalidSpec):
        unpacked(tar(paxed(*records), entry(b"a", data=b"x" * 10)), tmp_path / "out")


VALID = tar(
    entry(b"d/", header.FOLDER, mode=0o755), entry(b"d/file", data=b"content" * 100),
    entry(b"l", header.SYMLINK, link=b"d"), entry(b"l/more", data=b"x"),
    entry(b"h", header.HARD_LINK, link=b"d/file"), entry(b".wh.gone"),
    paxed((b"path", b"p" * 120), (b"mtime", b"1.5"), (b"uid", b"0")), entry(b"short", data=b"y"),
    special(b"L", b"n" * 120 + b"\0"), entry(b"s", header.FIFO),
    paxed((b"GNU.sparse.map", b"0,1,9,1"), (b"GNU.sparse.size", b"50")), entry(b"sparse", data=b"ab"),
)  # fmt: skip
DANGERS = (b"../", b"/", b"..", b".wh.", b"\0", b"l/", b"\xff" * 8, b"7" * 11, b"\x80")
changes = st.one_of(st.binary(min_size=1, max_size=12), st.sampled_from(DANGERS))
mutations = st.lists(st.tuples(st.integers(0, len(VALID) - 1), changes), min_size=1, max_size=6)


def mend(data: bytearray) -> bytes:
    """Good checksums for whatever looks like a header: else no mutation would get past the first check."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


@given(mutations, st.booleans(), st.integers(0, len(VALID)))
@example([(100, b"\x80")], True, 1)  # a folder that nobody but root may enter
@settings(deadline=None, max_examples=3 * settings.default.max_examples)
def test_a_mutated_archive_gives_our_errors_only_and_stays_inside(
    changes: list[tuple[int, bytes]], mended: bool, cut: int
) -> None:
    data = bytearray(VALID)
    for at, change in changes:
        data[at : at + len(change)] = change
    broken = (mend(data) if mended else bytes(data))[: cut if cut % 7 == 0 else None]
    with tempfile.TemporaryDirectory() as where:
        out = Path(where, "out")
        untouched = outside(out)
        try:
            unpacked(broken, out, limits=Limits(1 << 24, 1000))
            if IS_ROOT:  # others may not read what a mutation made unreadable
                packed(out)
        except (HostileArchive, InvalidSpec, HostError):
            pass
        assert untouched()
