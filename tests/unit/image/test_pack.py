from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from tests.unit.image.trees import YEAR_2001_NS, packed
from wherry.cancel import Cancel
from wherry.errors import Cancelled, InvalidSpec
from wherry.fs.remove import remove_tree
from wherry.image.tar import pack
from wherry.oci.digest import DiffID


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as file:
        return [one for one in file.getmembers() if one.name != "."]


def test_files_come_before_folders_each_sorted_by_bytes(tmp_path: Path) -> None:
    for name in ("b/z", "b/a/x", "a-", "é", "z", "B"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [one.name for one in members(packed(tmp_path))] == ["B", "a-", "z", "é", "b", "b/z", "b/a", "b/a/x"]


def test_diff_id_is_the_hash_of_the_tar(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 1000)
    (tmp_path / "big").write_bytes(os.urandom(1 << 10) * 5000)
    data = packed(tmp_path)
    assert pack.diff_id(str(tmp_path)) == (DiffID.of(data), len(data))


def test_diff_id_of_next_to_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    data = packed(tmp_path)
    assert pack.diff_id(str(tmp_path)) == (DiffID.of(data), len(data))


def test_names_and_order_of_making_do_not_change_the_bytes(tmp_path: Path) -> None:
    results = []
    for order in (("a", "b", "c"), ("c", "a", "b")):
        folder = tmp_path / "".join(order)
        folder.mkdir()
        for name in order:
            (folder / name).write_bytes(name.encode())
        results.append(packed(folder, mtime_ns=YEAR_2001_NS))
    assert results[0] == results[1]


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_the_root_stands_in_the_tar_only_when_it_is_not_ordinary(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path))) as file:
        found = [one.mode for one in file.getmembers()]
    ordinary = (mode, os.geteuid(), os.getegid()) == (0o755, 0, 0)
    assert found == ([] if ordinary else [mode])


def test_the_second_name_of_a_file_is_a_hard_link(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"once")
    os.link(tmp_path / "b", tmp_path / "a")
    os.symlink("nowhere", tmp_path / "l1")
    os.link(tmp_path / "l1", tmp_path / "l2", follow_symlinks=False)
    first, second, link, linked = members(packed(tmp_path))
    assert (first.name, first.isreg(), second.islnk(), second.linkname) == ("a", True, True, "a")
    assert (link.issym(), linked.islnk(), linked.linkname) == (True, True, "l1")


def test_a_hard_link_to_a_file_outside_the_tree_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"content")
    (tmp_path / "tree").mkdir()
    os.link(tmp_path / "out", tmp_path / "tree" / "in")
    (only,) = members(packed(tmp_path / "tree"))
    assert (only.isreg(), only.size) == (True, 7)


def test_sockets_are_left_out(tmp_path: Path) -> None:
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    os.mkfifo(tmp_path / "fifo")
    assert [(one.name, one.isfifo()) for one in members(packed(tmp_path))] == [("fifo", True)]


def test_a_whiteout_comes_first_and_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.mknod(tmp_path / "gone", stat.S_IFCHR, 0)
    whiteout, _ = members(packed(tmp_path))
    assert (whiteout.name, whiteout.size, whiteout.isreg()) == (".wh.gone", 0, True)


@pytest.mark.parametrize("name", [".wh.x", ".wh.", ".wh..wh..opq", "sub/.wh.x"])
def test_a_file_that_would_read_as_a_removal_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).touch()
    with pytest.raises(InvalidSpec, match=r"can't be kept in a layer"):
        packed(tmp_path)


def test_holes_are_zeros(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"data")
    data = packed(tmp_path)
    (only,) = members(data)
    assert only.size == 3 << 20
    assert data[only.offset_data + (1 << 20) :].startswith(b"data\0")


def test_a_tree_deeper_than_python_recurses_is_packed(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path))) as file:
        assert len([one for one in file if one.name != "."]) == 1500
    # Python 3.11's own rmtree recurses, and pytest cleans up with it
    remove_tree(str(tmp_path / "d"))


def test_a_path_over_4095_bytes_is_an_error(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=fd)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with pytest.raises(InvalidSpec, match="4095"):
        packed(tmp_path)


def test_cancel_stops_it(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        pack.diff_id(str(tmp_path), cancel=cancel)


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 << 20))

    def cut(_: bytes | bytearray | memoryview) -> None:
        os.truncate(tmp_path / "file", 10)

    with pytest.raises(OSError, match="shrank"):
        pack.tree_to_tar(str(tmp_path), cut)
