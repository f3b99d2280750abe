from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.unit.image.trees import entry, packed, tar, unpacked
from wherry.errors import IntegrityError, InvalidSpec
from wherry.image.tar import header, recipe

CASES = sorted((Path(__file__).parents[2] / "cases" / "tar").glob("*.tar"))


def recorded(data: bytes, folder: Path) -> bytes:
    kept = bytearray()
    assert unpacked(data, folder, recipe=kept.__iadd__).replayable
    return bytes(kept)


def replayed(folder: Path, kept: bytes) -> bytes:
    out = bytearray()
    assert recipe.replay(str(folder), io.BytesIO(kept), out.__iadd__) == len(out)
    return bytes(out)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_gnu_tars_archives_come_back_byte_for_byte(tmp_path: Path, path: Path) -> None:
    data = path.read_bytes() + b"trailer"
    kept = recorded(data, tmp_path / "out")
    assert replayed(tmp_path / "out", kept) == data


def test_contents_stay_out_of_the_recipe(tmp_path: Path) -> None:
    data = tar(
        entry(b"big", data=os.urandom(3 << 20)), entry(b"l", header.SYMLINK, link=b"."), entry(b"l/x", data=b"secret")
    )
    kept = recorded(data, tmp_path / "out")
    assert len(kept) < 8000
    assert b"secret" not in kept
    assert replayed(tmp_path / "out", kept) == data


def test_our_own_tar_comes_back_too(tmp_path: Path) -> None:
    unpacked(tar(entry(b"a", data=b"1" * 5000), entry(b".wh.w")), tmp_path / "first")
    data = packed(tmp_path / "first")
    assert replayed(tmp_path / "out", recorded(data, tmp_path / "out")) == data


def test_a_file_that_was_replaced_later_can_not_come_back(tmp_path: Path) -> None:
    data = tar(entry(b"a", data=b"first"), entry(b"a", data=b"second"))
    assert not unpacked(data, tmp_path / "out", recipe=lambda _: None).replayable


@pytest.mark.parametrize("change", ["remove", "shorten", "link"])
def test_a_changed_layer_folder_is_noticed(tmp_path: Path, change: str) -> None:
    kept = recorded(tar(entry(b"a", data=b"12345")), tmp_path / "out")
    (tmp_path / "out" / "a").unlink()
    if change == "shorten":
        (tmp_path / "out" / "a").write_bytes(b"123")
    if change == "link":
        (tmp_path / "five").write_bytes(b"12345")
        (tmp_path / "out" / "a").symlink_to(tmp_path / "five")
    with pytest.raises(IntegrityError, match="layer file /a"):
        replayed(tmp_path / "out", kept)


@pytest.mark.parametrize("kept", [b"", b"wherry", b"wherry tar recipe 1\nX", b"wherry tar recipe 1\nR\x05\0\0\0ab"])
def test_a_broken_recipe_is_an_error(tmp_path: Path, kept: bytes) -> None:
    with pytest.raises(InvalidSpec):
        replayed(tmp_path, kept)
