"""Files that a container is given at its creation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.engine.containers_files import PlacedFile, make, with_mounts
from wherry.runtime.options import MountRequest, RunOptions


def test_each_file_is_mounted_read_only_from_the_containers_folder() -> None:
    files = (PlacedFile("/run/secrets/a", b""), PlacedFile("/etc/b", b""))
    own = MountRequest("tmpfs", "", "/t")
    assert with_mounts(RunOptions(mounts=(own,)), "/bundle", files).mounts == (
        own,
        MountRequest("bind", "/bundle/files/0", "/run/secrets/a", True, is_mount=True),
        MountRequest("bind", "/bundle/files/1", "/etc/b", True, is_mount=True),
    )
    assert with_mounts(RunOptions(), "/bundle", ()) == RunOptions()


def test_files_have_their_content_and_mode_whatever_the_umask(tmp_path: Path) -> None:
    mine = (os.geteuid(), os.getegid())
    before = os.umask(0o077)
    try:
        make(str(tmp_path), [PlacedFile("/a", b"one", *mine, 0o444), PlacedFile("/b", b"", *mine, 0o4750)])
    finally:
        os.umask(before)
    one, two = tmp_path / "files" / "0", tmp_path / "files" / "1"
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"")
    assert [path.stat().st_mode & 0o7777 for path in (one, two)] == [0o444, 0o4750]


def test_what_is_there_already_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with pytest.raises(FileExistsError):
        make(str(tmp_path), [PlacedFile("/a", b"one")])
