from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.image.packages import record
from wherry.image.packages.record import Claim, Package

INFO = b"usr/lib/python3/site-packages/a-1.dist-info"
SITE = b"usr/lib/python3/site-packages"


def paths(text: str, folder: bytes = INFO) -> list[bytes]:
    return [one.path for one in record.claims(text.encode("utf-8", "surrogateescape"), folder)]


def test_a_record_gives_paths_below_the_root_and_sizes() -> None:
    text = b"a/__init__.py,sha256=x,12\na/b.pyc,,\na-1.dist-info/RECORD,,\n"
    assert list(record.claims(text, INFO)) == [
        Claim(SITE + b"/a/__init__.py", 12, "sha256=x"), Claim(SITE + b"/a/b.pyc", None),
        Claim(SITE + b"/a-1.dist-info/RECORD", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("../../../bin/tool,,", b"usr/bin/tool"),
        ("/opt/tool,,", b"opt/tool"),
        ("/opt/../etc/x,,", b"etc/x"),
        ("../../../../../../../etc/passwd,,", b"etc/passwd"),
        ("./a.py,,", SITE + b"/a.py"),
        ('"a,b.py",sha256=x,1', SITE + b"/a,b.py"),
        ("a", SITE + b"/a"),
        ("ä\udcff.py,,", SITE + "/ä".encode() + b"\xff.py"),
    ],
)
def test_each_way_to_write_a_path(row: str, path: bytes) -> None:
    assert paths(row) == [path]


def test_a_distribution_in_the_root_counts_from_there() -> None:
    assert paths("a.py,,", b"a-1.dist-info") == [b"a.py"]


@pytest.mark.parametrize(
    ("size", "found"), [("12", 12), ("", None), ("-1", None), ("x", None), ("٣", None), ("9" * 40, None)]
)
def test_a_size_is_a_number_or_unknown(size: str, found: int | None) -> None:
    assert [one.size for one in record.claims(f"a,h,{size}".encode(), INFO)] == [found]


@pytest.mark.parametrize("data", [b"", b"\n\n", b'"never closed', b'a,,\n"b"c,,\n'])
def test_what_is_no_record_claims_nothing_more(data: bytes) -> None:
    assert len(list(record.claims(data, INFO))) <= 1


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (b"x/scikit_learn-1.5.0.dist-info", "scikit-learn 1.5.0"),
        (b"nvidia_cublas_cu12-12.1.3.1.dist-info", "nvidia-cublas-cu12 12.1.3.1"),
        (b"x/Ruamel.YAML-1-2.dist-info", "ruamel-yaml 1-2"),
    ],
)
def test_the_folder_tells_name_and_version(folder: bytes, name: str) -> None:
    assert str(record.named(folder)) == name


@pytest.mark.parametrize("folder", [b"a-1.egg-info", b"a.dist-info", b"-1.dist-info", b"a-.dist-info", b"a-1"])
def test_other_folders_have_none(folder: bytes) -> None:
    assert record.named(folder) is None


def test_a_name_that_is_no_text_can_be_printed() -> None:
    assert record.named(b"a\xff-1.dist-info") == Package("a?", "1", b"a\xff-1.dist-info")


def test_only_regular_files_without_links_are_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "RECORD").write_text("x")
    (tmp_path / "link").symlink_to("d")
    (tmp_path / "d" / "to").symlink_to("RECORD")
    os.mkfifo(tmp_path / "d" / "pipe")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        found = [record.read(fd, name) for name in (b"d/RECORD", b"link/RECORD", b"d/to", b"d/pipe", b"d/none", b"d")]
    finally:
        os.close(fd)
    assert found == [b"x", b"", b"", b"", b"", b""]
