"""apt's archives between steps: what a step leaves is never believed, and leads nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.engine.ambient_archives import keep, offer


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """What is kept, and the step's own."""
    for name in ("kept", "own"):
        (tmp_path / name).mkdir()
    return tmp_path / "kept", tmp_path / "own"


def test_what_is_kept_is_offered_as_copies_where_apt_checks(folders: tuple[Path, Path]) -> None:
    kept, own = folders
    (kept / "tree_2.2.1-1_amd64.deb").write_bytes(b"archive")
    (kept / "lock").touch()
    (kept / "partial").mkdir()
    offer(str(kept), str(own), Cancel())
    assert sorted(os.listdir(own)) == ["archives", "out"]
    (copy,) = (own / "archives" / "partial").iterdir()
    assert copy.read_bytes() == b"archive"
    copy.write_bytes(b"changed by the step")
    assert (kept / copy.name).read_bytes() == b"archive"


def test_what_the_step_took_is_kept_also_when_it_cleaned_up_behind_itself(folders: tuple[Path, Path]) -> None:
    kept, own = folders
    offer(str(kept), str(own), Cancel())
    (own / "archives" / "a_1_all.deb").write_text("a")
    os.link(own / "archives" / "a_1_all.deb", own / "out" / "a_1_all.deb")
    (own / "out" / "b_1%3a2+x~y_all.deb").write_text("b")
    (own / "archives" / "partial" / "c_1_all.deb").write_text("half")
    keep(str(own), str(kept))
    assert sorted(os.listdir(kept)) == ["a_1_all.deb", "b_1%3a2+x~y_all.deb"]


def test_links_folders_and_odd_names_are_left_behind(folders: tuple[Path, Path]) -> None:
    kept, own = folders
    offer(str(kept), str(own), Cancel())
    (own / "secret").write_text("secret")
    (own / "archives" / "link.deb").symlink_to("/etc/passwd")
    (own / "archives" / "folder.deb").mkdir()
    (own / "out" / ".hidden.deb").touch()
    os.mkfifo(own / "archives" / "pipe.deb")
    keep(str(own), str(kept))
    assert os.listdir(kept) == []


def test_a_step_may_take_its_folders_away(folders: tuple[Path, Path]) -> None:
    kept, own = folders
    offer(str(kept), str(own), Cancel())
    (own / "out").rmdir()
    theirs = own.parent / "of this machine"
    theirs.mkdir()
    (theirs / "a_1_all.deb").touch()
    (own / "out").symlink_to(theirs)
    keep(str(own), str(kept))
    assert os.listdir(kept) == []
    assert os.listdir(theirs) == ["a_1_all.deb"]
