from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from tests.unit.image.trees import YEAR_2001_NS, entry, names, packed, paxed, special, tar, unpacked
from wherry.cancel import Cancel
from wherry.errors import Cancelled, Conflict, InvalidSpec
from wherry.image.tar import header, pax, unpack
from wherry.oci.digest import DiffID


def test_the_diff_id_is_of_the_whole_stream_with_what_follows_its_end(tmp_path: Path) -> None:
    data = tar(entry(b"a", data=b"1")) + bytes(9000) + b"trailer"
    result = unpacked(data, tmp_path / "out")
    assert (result.diff_id, result.size, result.entries) == (DiffID.of(data), len(data), 1)


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_streams_that_give_little_at_a_time_are_read_whole(tmp_path: Path, size: int) -> None:
    data = tar(entry(b"a", data=os.urandom(size)), entry(b"b", data=b"2"))

    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.at = 0

        def read(self, size: int = -1, /) -> bytes:
            piece = data[self.at : self.at + min(size, 7777)]
            self.at += len(piece)
            return piece

    (tmp_path / "out").mkdir()
    result = unpack.unpack(Slow(), str(tmp_path / "out"), owners=False)
    assert (result.diff_id, result.size) == (DiffID.of(data), len(data))
    assert (tmp_path / "out" / "b").read_bytes() == b"2"
    assert (tmp_path / "out" / "a").stat().st_size == size


@pytest.mark.parametrize("ending", [b"", bytes(512), bytes(1024), bytes(20480)])
def test_the_end_may_be_missing_short_or_long(tmp_path: Path, ending: bytes) -> None:
    unpacked(entry(b"a") + ending, tmp_path / "out")
    assert names(tmp_path / "out") == [b"a"]


def test_an_empty_stream_is_an_empty_layer(tmp_path: Path) -> None:
    assert unpacked(b"", tmp_path / "out").diff_id == DiffID.of(b"")


def test_parents_that_the_archive_lacks_are_made(tmp_path: Path) -> None:
    unpacked(tar(entry(b"a/b/c/file")), tmp_path / "out")
    status = (tmp_path / "out" / "a" / "b").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o755, 315_532_800)


def test_folders_keep_their_times_and_modes_when_filled_later(tmp_path: Path) -> None:
    unpacked(
        tar(entry(b"a/", header.FOLDER, mode=0o555), entry(b"a/b/", header.FOLDER, mode=0o500), entry(b"a/b/file")),
        tmp_path / "out",
    )
    for path, mode in (("a", 0o555), ("a/b", 0o500)):
        status = (tmp_path / "out" / path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (mode, YEAR_2001_NS)
    (tmp_path / "out" / "a").chmod(0o755)
    (tmp_path / "out" / "a" / "b").chmod(0o755)


def test_the_last_of_two_entries_counts(tmp_path: Path) -> None:
    unpacked(
        tar(
            entry(b"file", data=b"first"), entry(b"file", data=b"second"),
            entry(b"d/", header.FOLDER, mode=0o700), entry(b"d/in"), entry(b"d/", header.FOLDER, mode=0o711),
        ),
        tmp_path / "out",
    )  # fmt: skip
    assert (tmp_path / "out" / "file").read_bytes() == b"second"
    assert stat.S_IMODE((tmp_path / "out" / "d").stat().st_mode) == 0o711
    assert (tmp_path / "out" / "d" / "in").exists()


KINDS = {
    "file": (entry(b"x", data=b"1"), stat.S_ISREG),
    "folder": (entry(b"x/", header.FOLDER, mode=0o755) + entry(b"x/in"), stat.S_ISDIR),
    "link": (entry(b"x", header.SYMLINK, link=b"other"), stat.S_ISLNK),
    "fifo": (entry(b"x", header.FIFO), stat.S_ISFIFO),
    "hard link": (entry(b"x", header.HARD_LINK, link=b"first"), stat.S_ISREG),
}


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_a_later_entry_of_any_type_replaces_an_earlier(tmp_path: Path, before: str, after: str) -> None:
    unpacked(tar(entry(b"first", data=b"kept"), KINDS[before][0], KINDS[after][0]), tmp_path / "out")
    assert KINDS[after][1]((tmp_path / "out" / "x").lstat().st_mode)
    assert (tmp_path / "out" / "first").read_bytes() == b"kept"


def test_a_file_never_writes_through_a_hard_link(tmp_path: Path) -> None:
    unpacked(
        tar(entry(b"a", data=b"old"), entry(b"b", header.HARD_LINK, link=b"a"), entry(b"b", data=b"new")),
        tmp_path / "out",
    )
    assert (tmp_path / "out" / "a").read_bytes() == b"old"
    assert (tmp_path / "out" / "b").read_bytes() == b"new"


def test_entries_behind_a_link_land_where_a_container_would_see_them(tmp_path: Path) -> None:
    unpacked(
        tar(
            entry(b"usr/lib/", header.FOLDER, mode=0o755), entry(b"lib", header.SYMLINK, link=b"/usr/lib"),
            entry(b"lib/x", data=b"1"), entry(b"lib/sub/", header.FOLDER, mode=0o711), entry(b"lib/sub/y", data=b"2"),
        ),
        tmp_path / "out",
    )  # fmt: skip
    assert (tmp_path / "out" / "usr" / "lib" / "x").read_bytes() == b"1"
    assert stat.S_IMODE((tmp_path / "out" / "usr" / "lib" / "sub").stat().st_mode) == 0o711


@pytest.mark.parametrize(
    ("name", "path"), [(b"/abs", b"abs"), (b"./dot", b"dot"), (b"a//b/", b"a/b"), (b"a/../b", b"b"), (b"//x", b"x")]
)
def test_names_are_made_relative_and_plain(tmp_path: Path, name: bytes, path: bytes) -> None:
    unpacked(tar(entry(name)), tmp_path / "out")
    assert path in names(tmp_path / "out")


@pytest.mark.parametrize("name", [b".", b"./", b"/", b"a/.."])
def test_the_roots_entry_sets_its_mode(tmp_path: Path, name: bytes) -> None:
    unpacked(tar(entry(name, header.FOLDER, mode=0o1777)), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o1777


def test_the_root_is_readable_for_all_without_an_entry(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o700)
    unpacked(tar(entry(b"a")), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_whiteouts_become_devices(tmp_path: Path) -> None:
    unpacked(tar(entry(b"d/.wh.gone"), entry(b".wh.too", header.FOLDER)), tmp_path / "out")
    for name in ("d/gone", "too"):
        status = (tmp_path / "out" / name).lstat()
        assert (stat.S_ISCHR(status.st_mode), status.st_rdev) == (True, 0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_beside_its_whiteout_stays(tmp_path: Path, order: int) -> None:
    both = [entry(b".wh.x"), entry(b"x", data=b"new")][::order]
    unpacked(tar(*both), tmp_path / "out")
    assert (tmp_path / "out" / "x").read_bytes() == b"new"


def test_what_aufs_kept_for_itself_is_left_out(tmp_path: Path) -> None:
    unpacked(
        tar(entry(b".wh..wh.plnk/1.2"), entry(b".wh..wh.aufs"), entry(b"a/.wh..wh.orph"), entry(b"b")), tmp_path / "out"
    )
    assert names(tmp_path / "out") == [b"b"]


def test_global_headers_count_for_all_that_follow(tmp_path: Path) -> None:
    common = special(b"g", pax.encode([(b"comment", b"ignored"), (b"mtime", b"77")]))
    unpacked(
        tar(common, entry(b"a"), paxed((b"mtime", b"88")), entry(b"b"), paxed((b"mtime", b"")), entry(b"c")),
        tmp_path / "out",
    )
    times = [(tmp_path / "out" / name).stat().st_mtime_ns for name in "abc"]
    assert times == [77 * 10**9, 88 * 10**9, YEAR_2001_NS]


def test_gnu_long_names_and_pax_names_may_meet(tmp_path: Path) -> None:
    members = (
        special(b"L", b"l" * 150 + b"\0"),
        special(b"K", b"t" * 150 + b"\0"),
        entry(b"short", header.SYMLINK, link=b"s"),
    )
    unpacked(tar(*members, special(b"L", b"gnu\0"), paxed((b"path", b"pax")), entry(b"short")), tmp_path / "out")
    assert names(tmp_path / "out") == [b"l" * 150, b"pax"]
    assert os.readlink(tmp_path / "out" / ("l" * 150)) == "t" * 150


def test_an_old_folder_is_a_file_whose_name_ends_in_a_slash(tmp_path: Path) -> None:
    unpacked(
        tar(entry(b"old/", b"\0", mode=0o755), entry(b"contiguous", b"7", b"x"), entry(b"dump/", b"D", b"Yfile\0\0")),
        tmp_path / "out",
    )
    assert (tmp_path / "out" / "old").is_dir()
    assert (tmp_path / "out" / "dump").is_dir()
    assert (tmp_path / "out" / "contiguous").read_bytes() == b"x"


def test_the_size_of_a_link_or_folder_means_nothing(tmp_path: Path) -> None:
    size = paxed((b"size", b"700"))
    unpacked(
        tar(size, entry(b"l", header.SYMLINK, link=b"t"), size, entry(b"d/", header.FOLDER), entry(b"f")),
        tmp_path / "out",
    )
    assert names(tmp_path / "out") == [b"d", b"f", b"l"]


def test_packing_what_was_unpacked_gives_the_same_bytes(tmp_path: Path) -> None:
    unpacked(tar(entry(b"a", data=b"1"), entry(b"l", header.SYMLINK, link=b"a"), entry(b".wh.w")), tmp_path / "out")
    first = packed(tmp_path / "out")
    unpacked(first, tmp_path / "again")
    assert packed(tmp_path / "again") == first


def test_cancel_stops_it(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        unpacked(tar(entry(b"a")), tmp_path / "out", cancel=cancel)


# extract: ADD and cp


def extracted(data: bytes, folder: Path, dest: str = "", **options: bool) -> int:
    fd = os.open(folder, os.O_RDONLY)
    try:
        owner = (os.geteuid(), os.getegid())
        return unpack.extract(io.BytesIO(data), fd, dest, owner=owner, **options)
    finally:
        os.close(fd)


def test_extracting_merges_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "kept").write_bytes(b"kept")
    (tmp_path / "etc" / "old").write_bytes(b"old")
    members = (
        entry(b"./", header.FOLDER, mode=0o700),
        entry(b"etc/", header.FOLDER, mode=0o711),
        entry(b"etc/old", data=b"new"),
    )
    tmp_path.chmod(0o755)
    assert extracted(tar(*members), tmp_path) == 3
    assert (tmp_path / "etc" / "kept").read_bytes() == b"kept"
    assert (tmp_path / "etc" / "old").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o711
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_extracting_knows_no_whiteouts(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    extracted(tar(entry(b".wh.x"), entry(b".wh..wh..opq")), tmp_path)
    assert names(tmp_path) == [b".wh..wh..opq", b".wh.x", b"x"]


def test_extracting_below_a_folder_follows_links_within_the_root(tmp_path: Path) -> None:
    (tmp_path / "root" / "srv").mkdir(parents=True)
    (tmp_path / "root" / "dest").symlink_to("/srv")
    extracted(tar(entry(b"a/file")), tmp_path / "root", "/dest")
    assert (tmp_path / "root" / "srv" / "a" / "file").exists()


@pytest.mark.parametrize(
    "member", [entry(b"x", data=b"1"), entry(b"x", header.SYMLINK, link=b"y"), entry(b"x", header.FIFO)]
)
def test_cp_never_puts_a_file_where_a_folder_is(tmp_path: Path, member: bytes) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "kept").touch()
    with pytest.raises(Conflict, match="cannot overwrite directory"):
        extracted(tar(member), tmp_path, keep_folders=True)
    assert (tmp_path / "x" / "kept").exists()
    extracted(tar(member), tmp_path)
    assert not (tmp_path / "x").is_dir()


def test_cp_never_puts_a_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(Conflict, match="cannot overwrite non-directory"):
        extracted(tar(entry(b"x/", header.FOLDER)), tmp_path, keep_folders=True)


def test_a_missing_destination_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, InvalidSpec)):
        extracted(tar(entry(b"a")), tmp_path, "nowhere")
