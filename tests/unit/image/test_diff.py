from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.image.trees import YEAR_2001_NS, names, packed
from wherry.image.tar import diff


def upper(folder: Path) -> str:
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "d" / "file").write_bytes(b"12345")
    os.link(folder / "d" / "file", folder / "d" / "e" / "again")
    (folder / "l").symlink_to("d")
    os.mknod(folder / "gone", stat.S_IFCHR, 0)
    os.mknod(folder / "d" / "socket", stat.S_IFSOCK | 0o600)
    return str(folder)


def test_every_time_is_clamped_and_sockets_go(tmp_path: Path) -> None:
    result = diff.normalise(upper(tmp_path), clamp_ns=YEAR_2001_NS)
    assert result == diff.DiffStat(entries=6, size=5)
    assert names(tmp_path) == [b"d", b"d/e", b"d/e/again", b"d/file", b"gone", b"l"]
    assert {(tmp_path / os.fsdecode(name)).lstat().st_mtime_ns for name in names(tmp_path)} == {YEAR_2001_NS}
    assert tmp_path.stat().st_mtime_ns == YEAR_2001_NS


def test_doing_it_twice_changes_nothing(tmp_path: Path) -> None:
    first = diff.normalise(upper(tmp_path), clamp_ns=YEAR_2001_NS)
    data = packed(tmp_path)
    assert diff.normalise(str(tmp_path), clamp_ns=YEAR_2001_NS) == first
    assert packed(tmp_path) == data


def test_an_empty_upper_says_so(tmp_path: Path) -> None:
    assert diff.normalise(str(tmp_path), clamp_ns=0) == diff.DiffStat(0, 0)


def test_what_a_link_points_at_keeps_its_time(tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    os.utime(tmp_path / "outside", ns=(5, 5))
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "link").symlink_to(tmp_path / "outside")
    diff.normalise(str(tmp_path / "up"), clamp_ns=YEAR_2001_NS)
    assert (tmp_path / "outside").stat().st_mtime_ns == 5


def test_attributes_of_overlayfs_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    try:
        os.setxattr(tmp_path / "file", "user.mine", b"1")
    except OSError as fault:
        pytest.skip(f"the file system of {tmp_path} keeps no attributes: {fault}")
    os.setxattr(tmp_path / "file", "user.overlay.origin", b"x")
    os.setxattr(tmp_path, "user.overlay.impure", b"y")
    diff.normalise(str(tmp_path), clamp_ns=0)
    assert os.listxattr(tmp_path / "file") == ["user.mine"]
    assert not os.listxattr(tmp_path)
