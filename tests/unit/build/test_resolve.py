from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.build import owner
from wherry.build.resolve import make_folders, resolve
from wherry.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "f").write_text("x")
    for name, target in {
        "to_d": "d", "abs": "/d/sub", "up": "../../../../d", "gone": "/not/there", "chain": "to_d/../abs",
        "loop": "loop", "d/back": "..",
    }.items():  # fmt: skip
        (tmp_path / name).symlink_to(target)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:\nbroken\napp:x:1000:1001::/:\nbig:x:99999999999:1::/:\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nstaff:x:50:\n")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("", ""), ("/", ""), ("d/sub", "d/sub"), ("/d//sub/", "d/sub"), ("to_d/sub", "d/sub"), ("abs", "d/sub"),
        ("abs/..", "d"), ("up", "d"), ("../../d", "d"), ("gone", "not/there"), ("gone/x", "not/there/x"),
        ("chain", "d/sub"), ("d/back/f", "f"), ("nope/../d", "d"), ("f/x", "f/x"),
    ],
)  # fmt: skip
def test_links_are_followed_with_the_tree_as_the_root(root: int, path: str, real: str) -> None:
    assert resolve(root, path) == real


def test_a_link_to_itself_is_an_error(root: int) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        resolve(root, "loop/x")


def test_a_file_in_the_way_of_a_folder_is_an_error(root: int) -> None:
    with pytest.raises(NotADirectoryError):
        make_folders(root, "f/x", (os.getuid(), os.getgid()))


def test_missing_folders_are_made(root: int) -> None:
    make_folders(root, "d/new/deep", (os.getuid(), os.getgid()))
    assert os.stat("d/new/deep", dir_fd=root).st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("0", (0, 0)), ("12", (12, 12)), ("12:34", (12, 34)), ("app", (1000, 1001)), ("app:staff", (1000, 50)),
        ("app:7", (1000, 7)), (":staff", (0, 50)), ("1000", (1000, 1000)), ("app:", (1000, 1001)),
    ],
)  # fmt: skip
def test_owners_are_looked_up_in_the_image(root: int, text: str, ids: tuple[int, int]) -> None:
    assert owner.lookup(root, text) == ids


@pytest.mark.parametrize("text", ["nobody", "app:nogroup", "big", "broken", "99999999999"])
def test_an_owner_that_is_not_there_is_an_error(root: int, text: str) -> None:
    with pytest.raises(InputError):
        owner.lookup(root, text)


def test_the_nearest_name_is_given(root: int) -> None:
    with pytest.raises(InputError) as caught:
        owner.lookup(root, "apps")
    assert caught.value.hint == "did you mean app?"
