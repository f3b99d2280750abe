from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.engine.copy_paths import Dest, Side, arrange, find_dest, find_source
from wherry.errors import Conflict, NotFound, WherryError

FOLDER = Dest("/p", "dest", True, True, False)
FILE = Dest("/p", "dest", True, False, False)
NOTHING = Dest("/p", "dest", False, False, False)
NO_FOLDER = Dest("/p", "dest", False, False, True)


@pytest.mark.parametrize(
    ("name", "is_folder", "dest", "into", "written"),
    [
        (b"src", False, FOLDER, "/p/dest", b"src"),
        (b"src", True, FOLDER, "/p/dest", b"src"),
        (b"", True, FOLDER, "/p/dest", b""),
        (b"src", False, FILE, "/p", b"dest"),
        (b"src", False, NOTHING, "/p", b"dest"),
        (b"src", True, NOTHING, "/p", b"dest"),
        (b"", True, NOTHING, "/p", b"dest"),
        (b"src", True, NO_FOLDER, "/p", b"dest"),
        (b"src", True, FILE, Conflict, b"cannot copy directory"),
        (b"", True, FILE, Conflict, b"cannot copy directory"),
        (b"src", False, NO_FOLDER, NotFound, b"no such directory"),
    ],
)
def test_dockers_rules_for_the_destination(
    name: bytes, is_folder: bool, dest: Dest, into: str | type[WherryError], written: bytes
) -> None:
    if isinstance(into, str):
        assert arrange(name, is_folder, dest) == (into, written)
    else:
        with pytest.raises(into, match=written.decode()):
            arrange(name, is_folder, dest)


@pytest.mark.parametrize(
    ("path", "kept", "plain", "name", "content"),
    [
        ("a", "/cwd/a", "/cwd/a", "a", False),
        ("/x/../a//b", "/a/b", "/a/b", "b", False),
        ("a/", "/cwd/a/", "/cwd/a", "a", False),
        ("a/.", "/cwd/a/.", "/cwd/a", "a", True),
        (".", "/cwd/.", "/cwd", "cwd", True),
        ("..", "/", "/", "", True),
        ("/", "/", "/", "", True),
        ("/.", "/.", "/", "", True),
        ("../../..", "/", "/", "", True),
        ("//a", "/a", "/a", "a", False),
        (".a", "/cwd/.a", "/cwd/.a", ".a", False),
        ("a/..b", "/cwd/a/..b", "/cwd/a/..b", "..b", False),
    ],
)
def test_paths_keep_what_their_ending_asks_for(path: str, kept: str, plain: str, name: str, content: bool) -> None:
    side = Side.of(-1, path, base="/cwd")
    assert (side.path, side.plain, side.name, side.wants_content) == (kept, plain, name, content)


@given(st.text(st.sampled_from("ab./"), min_size=1, max_size=12))
def test_no_path_climbs_above_its_root(path: str) -> None:
    side = Side.of(-1, path)
    assert side.path.startswith("/")
    assert ".." not in side.plain.split("/")
    assert side.plain == "/" or not side.plain.endswith(("/", "/."))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").touch()
    (tmp_path / "to-folder").symlink_to("/d")
    (tmp_path / "d" / "to-file").symlink_to("../d/file")
    (tmp_path / "out").symlink_to("../../../../etc")
    (tmp_path / "dangling").symlink_to("d/new")
    (tmp_path / "up").symlink_to("d/..")
    (tmp_path / "loop").symlink_to("loop")
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/d", ("/", "d", True, True)),
        ("/d/", ("/", "d", True, True)),
        ("/to-folder", ("/", "d", True, True)),
        ("/d/file", ("/d", "file", True, False)),
        ("/d/to-file", ("/d/../d", "file", True, False)),
        ("/d/file/", ("/d", "file", False, False)),
        ("/new", ("/", "new", False, False)),
        ("/to-folder/new", ("/to-folder", "new", False, False)),
        ("/dangling", ("/d", "new", False, False)),
        ("/up", ("/d/..", ".", True, True)),
        ("/", ("/", ".", True, True)),
    ],
)
def test_a_destination_is_looked_for_behind_links(root: int, path: str, found: tuple[str, str, bool, bool]) -> None:
    dest = find_dest(Side.of(root, path))
    assert (dest.parent, dest.name, dest.exists, dest.is_folder) == found


@pytest.mark.parametrize(
    ("path", "error"),
    [("/no/new", NotFound), ("/d/file/new", Conflict), ("/out/passwd", NotFound), ("/loop", OSError)],
)
def test_a_destination_without_a_folder_is_an_error(root: int, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        find_dest(Side.of(root, path, container="c"))


@pytest.mark.parametrize(
    ("path", "follow", "base", "name", "is_folder"),
    [
        ("/d", False, b"d", b"d", True),
        ("/d/.", False, b"d", b"", True),
        ("/d/file", False, b"file", b"file", False),
        ("/to-folder", False, b"to-folder", b"to-folder", False),
        ("/to-folder", True, b"d", b"to-folder", True),
        ("/to-folder/", False, b"d", b"to-folder", True),
        ("/to-folder/.", False, b"d", b"", True),
        ("/d/to-file", True, b"file", b"to-file", False),
        ("/", False, b".", b"", True),
    ],
)
def test_a_source_keeps_its_name_and_is_followed_when_asked(
    root: int, path: str, follow: bool, base: bytes, name: bytes, is_folder: bool
) -> None:
    source = find_source(Side.of(root, path), follow=follow)
    os.close(source.parent_fd)
    assert source[1:4] == (base, name, is_folder)


@pytest.mark.parametrize(
    ("path", "follow", "error"),
    [
        ("/no", False, NotFound), ("/d/file/x", False, NotFound), ("/d/file/", False, Conflict),
        ("/dangling", True, NotFound), ("/out", True, NotFound), ("/out/passwd", False, NotFound),
    ],
)  # fmt: skip
def test_a_missing_source_is_an_error(root: int, path: str, follow: bool, error: type[Exception]) -> None:
    with pytest.raises(error):
        find_source(Side.of(root, path, container="c"), follow=follow)
