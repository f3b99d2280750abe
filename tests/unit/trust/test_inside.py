"""The merged view of layer folders, without mounting them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.trust.inside import Inside


def everything(path: bytes) -> bool:
    return True


def layer(tmp_path: Path, number: int, **files: str) -> Path:
    root = tmp_path / f"layer{number}"
    root.mkdir()
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def seen(*roots: Path) -> dict[str, str]:
    with Inside([str(one) for one in roots], everything) as inside:
        return {path.decode(): inside.read(path, 100).decode() for path in inside.paths}


def test_the_upper_file_is_the_one_that_counts(tmp_path: Path) -> None:
    base, top = layer(tmp_path, 0, a="old", b__c="kept"), layer(tmp_path, 1, a="new", d="more")
    assert seen(base, top) == {"a": "new", "b/c": "kept", "d": "more"}


def test_a_file_in_place_of_a_folder_hides_what_was_below(tmp_path: Path) -> None:
    base, top = layer(tmp_path, 0, a__b__c="x", a__d="y", ab="z"), layer(tmp_path, 1, a="file")
    assert seen(base, top) == {"a": "file", "ab": "z"}


def test_a_folder_in_place_of_a_file_hides_it(tmp_path: Path) -> None:
    base, top = layer(tmp_path, 0, a="file"), layer(tmp_path, 1, a__b="x")
    assert seen(base, top) == {"a/b": "x"}


def test_a_link_in_place_of_a_folder_hides_it_and_is_not_followed(tmp_path: Path) -> None:
    base, top = layer(tmp_path, 0, a__b="x", outside__b="y"), layer(tmp_path, 1)
    (top / "a").symlink_to("outside")
    assert seen(base, top) == {"outside/b": "y"}


def test_nothing_outside_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    base = layer(tmp_path, 0)
    (base / "link").symlink_to(tmp_path / "secret")
    (base / "up").symlink_to("../secret")
    (base / "folder").symlink_to(tmp_path)
    os.mkfifo(base / "pipe")
    assert seen(base) == {}


def test_a_file_that_became_a_link_is_empty(tmp_path: Path) -> None:
    base = layer(tmp_path, 0, a__b="x")
    (tmp_path / "b").write_text("secret")
    with Inside([str(base)], everything) as inside:
        (base / "a" / "b").unlink()
        (base / "a" / "b").symlink_to(tmp_path / "b")
        assert inside.read(b"a/b", 100) == b""
        (base / "a" / "b").unlink()
        os.mkfifo(base / "a" / "b")
        assert inside.read(b"a/b", 100) == b""
        (base / "a" / "b").unlink()
        assert inside.read(b"a/b", 100) == b""
        assert inside.read(b"never/there", 100) == b""


def test_at_most_the_limit_is_read(tmp_path: Path) -> None:
    base = layer(tmp_path, 0, a="x" * 50)
    with Inside([str(base)], everything) as inside:
        assert inside.read(b"a", 7) == b"x" * 7


def test_only_what_is_wanted_is_kept(tmp_path: Path) -> None:
    base = layer(tmp_path, 0, a="1", b="2")
    with Inside([str(base)], lambda path: path == b"b") as inside:
        assert inside.paths == [b"b"]


def test_a_layer_that_is_gone_is_an_error_that_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Inside([str(layer(tmp_path, 0)), str(tmp_path / "gone")], everything)
    assert len(os.listdir("/proc/self/fd")) == before
