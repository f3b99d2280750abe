from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.fs.remove import remove_at, remove_tree


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def dig(folder: Path, depth: int) -> None:
    """Folders in folders, each with a link to the folder `kept` beside the outermost."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        os.symlink(folder / "kept", "d/link", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def test_trees_of_any_depth_go_and_no_link_is_followed(tmp_path: Path, root: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    dig(tmp_path, 1200)
    remove_at(root, b"d")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]


def test_a_path_goes_whatever_it_is_and_one_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "x").touch()
    for name in ("file", "link", "tree/", "none", "no/such/place"):
        remove_tree(f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == ["kept"]


def test_a_mode_that_forbids_everything_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "a" / "b").chmod(0)
    (tmp_path / "a").chmod(0o500)
    remove_tree(str(tmp_path / "a"))
    assert os.listdir(tmp_path) == []


def test_removing_a_link_leaves_what_it_points_at(tmp_path: Path, root: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "l").symlink_to("kept")
    remove_at(root, b"l")
    assert (tmp_path / "kept").is_dir()
    with pytest.raises(FileNotFoundError):
        remove_at(root, b"l")
