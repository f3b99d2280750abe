from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wherry.fs.private import private_folder


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_each_folder_that_it_makes_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        private_folder(str(tmp_path / "a" / "b" / "c"))
        private_folder(str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / one).stat().st_mode) for one in ("a", "a/b", "a/b/c")} == {0o700}


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_folder(str(tmp_path / "x"))
    private_folder(str(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        private_folder(str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError):
        private_folder(str(tmp_path / "file" / "x" / "y"))
