from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.trace.observe import NODE, TREE, Look
from wherry.trace.values import Contents, Evaluator


def digest(layer: Path, path: bytes = b"top") -> str:
    with Evaluator([str(layer)], Contents(Cancel())) as evaluator:
        return evaluator.value(Look(0, path, TREE))


def make(layer: Path) -> Path:
    (layer / "top" / "sub" / "empty").mkdir(parents=True)
    (layer / "top" / "a").write_text("a")
    (layer / "top" / "sub" / "b").write_text("b")
    (layer / "top" / "link").symlink_to("a")
    (layer / "beside").write_text("x")
    for folder, folders, files in os.walk(layer):
        for name in (*folders, *files):
            os.utime(Path(folder, name), (0, 0), follow_symlinks=False)
    os.utime(layer / "top", (0, 0))
    return layer


def relink(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").symlink_to("b")


def replace(top: Path) -> None:
    (top / "a").unlink()
    (top / "a").mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "a").write_text("b"),
    "content below": lambda top: (top / "sub" / "b").write_text("c"),
    "another file": lambda top: (top / "sub" / "empty" / "new").write_text(""),
    "another folder": lambda top: (top / "sub" / "new").mkdir(),
    "one less": lambda top: (top / "sub" / "b").unlink(),
    "another name": lambda top: (top / "a").rename(top / "c"),
    "mode": lambda top: (top / "a").chmod(0o600),
    "mode of a folder": lambda top: (top / "sub").chmod(0o700),
    "link": relink,
    "another type": replace,
    "moved down": lambda top: (top / "a").rename(top / "sub" / "a"),
    "a second name": lambda top: os.link(top / "a", top / "a2"),
    "times": lambda top: os.utime(top / "a", (5, 5)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_below_a_folder_changes_its_digest(what: str, tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    before = digest(other)
    assert before == digest(one)
    CHANGES[what](other / "top")
    for folder in ("top", "top/sub"):
        os.utime(other / folder, (0, 0))
    assert digest(other) != before


def test_what_lies_beside_it_does_not(tmp_path: Path) -> None:
    layer = make(tmp_path / "one")
    before = digest(layer)
    (layer / "beside").write_text("other")
    assert digest(layer) == before
    assert digest(layer, b"") != digest(layer)


def test_no_link_is_followed_and_what_is_no_folder_has_none(tmp_path: Path) -> None:
    layer = make(tmp_path / "one")
    assert digest(layer, b"top/link") == digest(layer, b"top/a") == "no folder"
    assert digest(layer, b"nowhere") == "absent"
    with Evaluator([str(layer)], Contents(Cancel())) as evaluator:
        assert evaluator.value(Look(0, b"top", NODE | TREE)).startswith("folder 755 ")


def test_a_deep_folder_is_no_trouble(tmp_path: Path) -> None:
    layer = tmp_path / "deep"
    fd = os.open(tmp_path, os.O_RDONLY)
    for name in ("deep", "top", *["d"] * 400):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    assert len(digest(layer)) == 64


def test_one_more_name_elsewhere_of_a_file_with_two_names_here_shows_in_its_link_count(tmp_path: Path) -> None:
    layer = make(tmp_path)
    os.link(layer / "top" / "a", layer / "top" / "a2")
    os.utime(layer / "top", (0, 0))
    before = digest(layer)
    os.link(layer / "top" / "a", layer / "zzz")
    assert digest(layer) != before
