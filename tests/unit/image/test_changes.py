"""What diff lists, for upper and lower folders as overlayfs would leave them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wherry.image import changes


class Trees:
    """`upper` and `lower`; files that are put into both get the same time."""

    def __init__(self, folder: Path) -> None:
        self.upper, self.lower = folder / "upper", folder / "lower"
        self.upper.mkdir()
        self.lower.mkdir()

    def file(self, path: str, text: str = "", *, at_ns: int = 1, mode: int = 0o644, where: str = "both") -> None:
        for root in (self.upper, self.lower) if where == "both" else (getattr(self, where),):
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(mode)
            os.utime(file, ns=(at_ns, at_ns))

    def gone(self, path: str) -> None:
        (self.upper / path).parent.mkdir(parents=True, exist_ok=True)
        os.mknod(self.upper / path, stat.S_IFCHR | 0o000, os.makedev(0, 0))

    def listed(self) -> list[str]:
        fds = [os.open(one, os.O_RDONLY | os.O_DIRECTORY) for one in (self.upper, self.lower)]
        try:
            return [f"{one.kind} {os.fsdecode(one.path)}" for one in changes.changes(*fds)]
        finally:
            for fd in fds:
                os.close(fd)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def test_nothing_is_listed_of_an_empty_upper_folder(trees: Trees) -> None:
    trees.file("etc/passwd", where="lower")
    assert trees.listed() == []


def test_new_files_and_folders_are_added_and_their_folders_changed(trees: Trees) -> None:
    trees.file("etc/passwd", where="lower")
    trees.file("etc/new", where="upper")
    trees.file("srv/a/b", where="upper")
    assert trees.listed() == ["C /etc", "A /etc/new", "A /srv", "A /srv/a", "A /srv/a/b"]


@pytest.mark.parametrize(
    ("text", "at_ns", "mode", "expected"),
    [
        ("same", 1, 0o644, []),
        ("longer than it was", 1, 0o644, ["C /f"]),
        ("emas", 2, 0o644, ["C /f"]),
        ("same", 1, 0o600, ["C /f"]),
    ],
)
def test_a_file_is_changed_by_mode_size_or_time(
    trees: Trees, text: str, at_ns: int, mode: int, expected: list[str]
) -> None:
    trees.file("f", "same", where="lower")
    trees.file("f", text, at_ns=at_ns, mode=mode, where="upper")
    assert trees.listed() == expected


def test_a_folders_time_does_not_count_but_its_mode_does(trees: Trees) -> None:
    for name in ("a", "b"):
        trees.file(f"{name}/x", where="lower")
        (trees.upper / name).mkdir()
    os.utime(trees.upper / "a", ns=(5, 5))
    (trees.upper / "b").chmod(0o700)
    assert trees.listed() == ["C /b"]


def test_what_was_removed_is_named_once_and_only_when_it_was_there(trees: Trees) -> None:
    trees.file("d/e/f", where="lower")
    trees.gone("d/e")
    trees.gone("never")
    assert trees.listed() == ["C /d", "D /d/e"]


def test_a_file_in_the_place_of_a_folder_is_a_change(trees: Trees) -> None:
    trees.file("d/e", where="lower")
    trees.file("d", where="upper")
    trees.file("f", where="lower")
    trees.file("f/g", where="upper")
    assert trees.listed() == ["C /d", "C /f", "A /f/g"]


def test_links_are_never_followed(trees: Trees) -> None:
    trees.file("secret/x", where="lower")
    (trees.lower / "l").symlink_to("secret")
    trees.file("l/x", where="upper")
    assert trees.listed() == ["C /l", "A /l/x"]


def test_what_a_start_makes_to_mount_on_is_not_listed(trees: Trees) -> None:
    for path in (".dockerenv", "etc/hosts", "etc/resolv.conf", "etc/hostname", "dev/console"):
        trees.file(path, where="upper")
    (trees.upper / "etc/mtab").symlink_to("/proc/mounts")
    for path in ("proc", "sys", "dev/pts", "dev/shm"):
        (trees.upper / path).mkdir()
    assert trees.listed() == []
    trees.file("etc/hosts", "127.0.0.1 x", where="upper")
    trees.file("dev/shm/kept", where="upper")
    assert trees.listed() == ["C /dev", "C /dev/shm", "A /dev/shm/kept", "C /etc", "A /etc/hosts"]


def test_names_that_are_not_utf8_are_kept(trees: Trees) -> None:
    name = os.fsdecode(b"\xff")
    (trees.upper / name).touch()
    assert trees.listed() == [f"A /{name}"]
