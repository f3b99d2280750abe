"""What `compose watch` writes into a container's root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine.copy_sync import SyncRequest, apply

ME = (os.geteuid(), os.getegid())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "there"
    (folder / "app").mkdir(parents=True)
    return folder


@pytest.fixture
def root(there: Path) -> Iterator[int]:
    fd = os.open(there, os.O_PATH)
    yield fd
    os.close(fd)


def _put(root: int, source: Path, target: str, *, only_different: bool = False) -> int:
    return apply(root, SyncRequest(((str(source), target),), only_different=only_different), ME)


def test_a_file_comes_with_its_mode_and_time(here: Path, there: Path, root: int) -> None:
    (here / "run").write_bytes(b"data")
    os.chmod(here / "run", 0o754)
    os.utime(here / "run", ns=(1, 1_500_000_000_123_456_789))
    assert _put(root, here / "run", "/app/run") == 1
    status = (there / "app" / "run").stat()
    assert stat.S_IMODE(status.st_mode) == 0o754
    assert status.st_mtime_ns == 1_500_000_000_123_456_789
    assert os.listdir(there / "app") == ["run"], "nothing else is left"


def test_what_is_there_is_replaced_as_a_whole(here: Path, there: Path, root: int) -> None:
    (there / "app" / "f").write_text("old")
    kept = open(there / "app" / "f")  # noqa: SIM115 - a reader in the middle of the old one
    (here / "f").write_text("new")
    _put(root, here / "f", "/app/f")
    assert kept.read() == "old"
    assert (there / "app" / "f").read_text() == "new"
    kept.close()


def test_missing_folders_are_made(here: Path, there: Path, root: int) -> None:
    (here / "f").write_text("x")
    _put(root, here / "f", "/srv/a/b/f")
    assert (there / "srv" / "a" / "b" / "f").read_text() == "x"


def test_folders_and_links_are_put_as_such(here: Path, there: Path, root: int) -> None:
    (here / "d").mkdir(mode=0o750)
    (here / "d" / "not asked for").touch()
    (here / "l").symlink_to("/etc/passwd")
    apply(root, SyncRequest(((str(here / "d"), "/app/d"), (str(here / "l"), "/app/l"))), ME)
    assert os.listdir(there / "app" / "d") == []
    assert stat.S_IMODE((there / "app" / "d").stat().st_mode) == 0o750
    assert os.readlink(there / "app" / "l") == "/etc/passwd"
    assert _put(root, here / "l", "/app/l") == 0, "twice is as good as once"


def test_a_folder_takes_the_place_of_a_file_and_a_file_that_of_a_folder(here: Path, there: Path, root: int) -> None:
    (there / "app" / "a").write_text("file")
    (there / "app" / "b" / "deep").mkdir(parents=True)
    (here / "a").mkdir()
    (here / "b").write_text("file")
    apply(root, SyncRequest(((str(here / "a"), "/app/a"), (str(here / "b"), "/app/b"))), ME)
    assert (there / "app" / "a").is_dir()
    assert (there / "app" / "b").read_text() == "file"


def test_removes_come_before_puts(here: Path, there: Path, root: int) -> None:
    (there / "app" / "d").mkdir()
    (there / "app" / "d" / "old").touch()
    (here / "new").touch()
    assert apply(root, SyncRequest(((str(here / "new"), "/app/d/new"),), ("/app/d", "/app/none", "/no/way/x")), ME) == 2
    assert os.listdir(there / "app" / "d") == ["new"]


def test_what_is_removed_and_put_is_emptied_or_replaced(here: Path, there: Path, root: int) -> None:
    (there / "app" / "d").mkdir()
    (there / "app" / "d" / "old").touch()
    (there / "app" / "file").write_text("old")
    (here / "d").mkdir()
    puts = ((str(here / "d"), "/app/d"), (str(here / "none"), "/app/file"))
    assert apply(root, SyncRequest(puts, ("/app/d", "/app/file")), ME) == 2
    assert os.listdir(there / "app" / "d") == []
    assert (there / "app" / "file").read_text() == "old"  # nobody finds it missing until its successor is there


def test_what_is_gone_here_is_left_out(here: Path, there: Path, root: int) -> None:
    assert _put(root, here / "none", "/app/none") == 0
    os.mkfifo(here / "fifo")
    assert _put(root, here / "fifo", "/app/fifo") == 0
    assert os.listdir(there / "app") == []


def test_a_folder_here_that_became_a_link_leads_nowhere(here: Path, there: Path, root: int, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    (here / "d").symlink_to(tmp_path / "secret")
    assert _put(root, here / "d" / "key", "/app/key") == 0
    assert os.listdir(there / "app") == []


def test_links_of_the_container_lead_within_it(here: Path, there: Path, root: int, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    (there / "app" / "up").symlink_to("../../outside")
    (there / "app" / "abs").symlink_to(outside)
    (there / "outside").mkdir()
    (here / "f").write_text("x")
    _put(root, here / "f", "/app/up/f")
    assert (there / "outside" / "f").read_text() == "x", "`..` ends at the container's root"
    with pytest.raises(OSError, match="abs"):
        _put(root, here / "f", "/app/abs/f")
    apply(root, SyncRequest(removes=("/app/up/keep", "/app/abs/keep", "/app/abs")), ME)
    assert os.listdir(outside) == ["keep"]
    assert not (there / "app" / "abs").is_symlink(), "the link itself goes"


def test_a_link_at_the_name_is_replaced_and_not_followed(here: Path, there: Path, root: int) -> None:
    (there / "etc").mkdir()
    (there / "etc" / "passwd").write_text("root")
    (there / "app" / "f").symlink_to("/etc/passwd")
    (here / "f").write_text("x")
    _put(root, here / "f", "/app/f")
    assert (there / "etc" / "passwd").read_text() == "root"
    assert (there / "app" / "f").read_text() == "x"


def test_only_what_differs_is_written_when_asked(here: Path, there: Path, root: int) -> None:
    (here / "f").write_text("same")
    (there / "app" / "f").write_text("same")
    os.chmod(there / "app" / "f", stat.S_IMODE((here / "f").stat().st_mode))
    os.utime(there / "app" / "f", ns=(1, 1))
    assert _put(root, here / "f", "/app/f", only_different=True) == 0
    (there / "app" / "f").write_text("sane")
    assert _put(root, here / "f", "/app/f", only_different=True) == 1
    assert (there / "app" / "f").read_text() == "same"


def test_names_of_any_bytes_and_of_the_greatest_length(here: Path, there: Path, root: int) -> None:
    odd = os.fsdecode(b"\xff\n")
    long = "l" * 255
    for name in (odd, long):
        (here / name).write_text("x")
        assert _put(root, here / name, f"/app/{name}") == 1
    assert sorted(os.listdir(there / "app")) == sorted([odd, long])
