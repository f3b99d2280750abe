from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.fs import tree
from wherry.fs.remove import remove_tree


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_walk_gives_parents_first_and_siblings_sorted(tmp_path: Path, root: int) -> None:
    for name in ("b/z", "b/a", "a/x", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    seen = [(one.path, [entry.name for entry in one.files], one.folders) for one in tree.walk(root)]
    assert seen == [(b"", ["c"], [b"a", b"b"]), (b"a", ["x"], []), (b"b", ["a", "z"], [])]


def test_taking_a_folder_out_keeps_the_walk_from_it(tmp_path: Path, root: int) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    seen = []
    for one in tree.walk(root):
        seen.append(one.path)
        if not one.path:
            one.folders.remove(b"a")
    assert seen == [b"", b"c"]


def test_a_link_put_in_the_way_is_never_followed(tmp_path: Path, root: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "other").mkdir()
    walk = tree.walk(root)
    next(walk)
    (tmp_path / "a").rmdir()
    (tmp_path / "a").symlink_to("other")
    with pytest.raises(OSError, match="a"):
        next(walk)


def test_a_live_walk_skips_what_vanishes(tmp_path: Path, root: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    walk = tree.walk(root, live=True)
    next(walk)
    (tmp_path / "a").rmdir()
    assert [one.path for one in walk] == [b"b"]


def test_the_size_of_a_tree_counts_each_file_once_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "t" / "a").mkdir(parents=True)
    (tmp_path / "t" / "x").write_bytes(b"12345")
    os.link(tmp_path / "t" / "x", tmp_path / "t" / "a" / "again")
    (tmp_path / "big").write_bytes(bytes(1000))
    (tmp_path / "t" / "folder").symlink_to(tmp_path)
    size = tree.disk_usage(str(tmp_path / "t"))
    assert size == 5 + (tmp_path / "t" / "folder").lstat().st_size
    assert tree.disk_usage(str(tmp_path / "none")) == 0


def test_the_size_of_a_tree_is_told_however_deep_it_is(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    fd = os.open(tmp_path / "t", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=fd)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    (tmp_path / "t" / "x").write_bytes(b"12345")
    assert tree.disk_usage(str(tmp_path / "t")) == 5
    remove_tree(str(tmp_path / "t"))
