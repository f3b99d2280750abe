from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.fs import tree


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
