"""What an image may hold at a volume's place, kind and hostile."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.volume import copyup


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume" / "_data"
    folder.mkdir(parents=True)
    return folder


def test_files_folders_links_modes_and_times_come_along(root: Path, root_fd: int, volume: Path) -> None:
    data = root / "data"
    (data / "sub" / "deep").mkdir(parents=True)
    (data / "sub" / "file").write_bytes(b"x" * 100_000)
    (data / "sub" / "file").chmod(0o4751)
    (data / "empty").touch()
    os.link(data / "sub" / "file", data / "sub" / "deep" / "twin")
    os.symlink("/etc/passwd", data / "link")
    os.mkfifo(data / "pipe", 0o622)
    data.chmod(0o1770)
    os.utime(data / "sub", ns=(1, 1_500_000_000_123_456_789))
    assert copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert (volume / "sub" / "file").read_bytes() == b"x" * 100_000
    assert stat.S_IMODE((volume / "sub" / "file").stat().st_mode) == 0o4751
    assert (volume / "sub" / "file").stat().st_ino == (volume / "sub" / "deep" / "twin").stat().st_ino
    assert os.readlink(volume / "link") == "/etc/passwd"
    assert stat.S_ISFIFO((volume / "pipe").stat().st_mode)
    assert stat.S_IMODE(volume.stat().st_mode) == 0o1770
    assert (volume / "sub").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert os.listdir(volume.parent) == ["_data"]


def test_a_volume_that_holds_something_is_left_as_it_is(root: Path, root_fd: int, volume: Path) -> None:
    (root / "data").mkdir()
    (root / "data" / "mine").write_text("image")
    (volume / "mine").write_text("user")
    assert not copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert (volume / "mine").read_text() == "user"


def test_a_copy_that_was_killed_is_gone_on_with_and_takes_nothing_away(root: Path, root_fd: int, volume: Path) -> None:
    data = root / "data"
    for name in ("one", "two", "three", "sub", "taken"):
        (data / name).mkdir(parents=True)
    for name in ("a", "one/b", "sub/c", "taken/d"):
        (data / name).write_text("image")
    os.link(data / "a", data / "two" / "twin")
    # What a killed copy left, and what a container has written since
    (volume / "one").mkdir()
    (volume / "one" / "b").write_text("image")
    (volume / ".wherry-copying").write_text("ima")
    (volume / "a").write_text("mine now")
    (volume / "mine").write_text("mine")
    os.symlink("/etc", volume / "sub")
    (volume / "taken").write_text("a file of mine")
    (volume.parent / ".copying").touch()
    assert copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert sorted(os.listdir(volume)) == ["a", "mine", "one", "sub", "taken", "three", "two"]
    assert (volume / "a").read_text() == "mine now"
    assert (volume / "taken").read_text() == "a file of mine"
    assert os.readlink(volume / "sub") == "/etc"
    assert (volume / "one" / "b").read_text() == "image"
    assert os.listdir(volume.parent) == ["_data"]


def test_nothing_at_the_place_leaves_an_empty_volume(root: Path, root_fd: int, volume: Path) -> None:
    (root / "file").touch()
    os.symlink("loop", root / "loop")
    for place in ("/missing", "/file", "/loop"):
        assert not copyup.copy_up(root_fd, place, str(volume), marker=str(volume.parent / ".copying"))
    assert os.listdir(volume) == []


@pytest.mark.parametrize("place", ["/link", "/../../secret", "/a/../../../secret", "/up/secret"])
def test_no_path_leads_out_of_the_image(root: Path, root_fd: int, volume: Path, tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("host")
    (root / "a").mkdir()
    os.symlink(secret, root / "link")
    os.symlink("../../../..", root / "up")
    assert not copyup.copy_up(root_fd, place, str(volume), marker=str(volume.parent / ".copying"))
    assert os.listdir(volume) == []


def test_a_link_inside_the_image_is_followed_inside(root: Path, root_fd: int, volume: Path) -> None:
    (root / "real").mkdir()
    (root / "real" / "a").touch()
    os.symlink("/real", root / "data")
    assert copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert os.listdir(volume) == ["a"]


def test_sockets_are_left_out(root: Path, root_fd: int, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "data").mkdir()
    monkeypatch.chdir(root / "data")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        assert copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert os.listdir(volume) == []


def test_many_folders_need_few_open_files(root: Path, root_fd: int, volume: Path) -> None:
    for number in range(1500):
        (root / "data" / str(number)).mkdir(parents=True)
    assert copyup.copy_up(root_fd, "/data", str(volume), marker=str(volume.parent / ".copying"))
    assert len(os.listdir(volume)) == 1500
