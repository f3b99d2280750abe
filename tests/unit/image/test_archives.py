"""Archives that GNU tar made (tests/cases/tar) are read as GNU tar reads them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.image.trees import names, unpacked

CASES = Path(__file__).parents[2] / "cases" / "tar"


def case(name: str, folder: Path) -> Path:
    unpacked((CASES / f"{name}.tar").read_bytes(), folder)
    return folder


@pytest.mark.parametrize("form", ["v7", "ustar", "oldgnu", "gnu", "pax"])
def test_each_format_gives_the_same_tree(tmp_path: Path, form: str) -> None:
    tree = case(form, tmp_path / "out") / "tree"
    assert stat.S_IMODE((tree / "plain").stat().st_mode) == 0o640
    assert stat.S_IMODE((tree / "run").stat().st_mode) == 0o4755
    assert (tree / "plain").read_bytes() == (tree / "sub" / "soft").read_bytes() == b"plain\n"
    assert (tree / "plain").samefile(tree / "sub" / "hard")
    assert os.readlink(tree / "absolute") == "/etc/passwd"
    assert (tree / "fifo").is_fifo() or form == "v7"
    ns = 123_456_789 if form == "pax" else 0
    assert {path.lstat().st_mtime_ns for path in (tree, tree / "sub", tree / "plain", tree / "absolute")} == {
        1_700_000_000_000_000_000 + ns
    }


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_long_and_odd_names(tmp_path: Path, form: str) -> None:
    found = names(case(f"long-{form}", tmp_path / "out"))
    deep = b"long/" + b"/".join([b"d" * 60] * 4)
    assert {b"long/" + b"n" * 200, deep + b"/f", b"bytes/\xff\xfe", "bytes/é中".encode()} <= set(found)
    assert os.readlink(tmp_path / "out" / "long" / "link") == "x" * 180


@pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
def test_files_with_holes(tmp_path: Path, form: str) -> None:
    holes = case(f"sparse-{form}", tmp_path / "out") / "holes"
    few, many, none = ((holes / name).read_bytes() for name in ("few", "many", "all"))
    assert few == (b"start".ljust(8192 * 4, b"\0") + b"middle").ljust(8192 * 8, b"\0")
    assert many == b"".join((b"%d" % i * 100 if 1 <= i <= 30 else b"").ljust(8192, b"\0") for i in range(40))
    assert none == bytes(100_000)
    assert (holes / "few").stat().st_blocks * 512 < len(few)
