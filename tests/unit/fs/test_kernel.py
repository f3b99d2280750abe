"""Nothing in a root leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.fs.kernel import RESOLVE_NO_SYMLINKS, call, open_in_root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "secret").write_text("outside")
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (inside / "etc/passwd").write_text("inside")
    (inside / "absolute").symlink_to("/etc/passwd")
    (inside / "up").symlink_to("../../../../../../etc")
    (inside / "out").symlink_to("../secret")
    (inside / "magic").symlink_to(f"/proc/self/fd/{os.open(tmp_path / 'secret', os.O_RDONLY | os.O_CLOEXEC)}")
    fd = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def read(root: int, path: str) -> str:
    with open(open_in_root(root, path, os.O_RDONLY)) as file:
        return file.read()


@pytest.mark.parametrize("path", ["etc/passwd", "/etc/passwd", "absolute", "../../etc/passwd", "up/passwd"])
def test_links_and_dots_stay_inside(root: int, path: str) -> None:
    assert read(root, path) == "inside"


@pytest.mark.parametrize("path", ["out", "/secret", "magic"])
def test_what_is_outside_is_not_there(root: int, path: str) -> None:
    with pytest.raises(OSError, match=r"No such file"):
        read(root, path)


def test_links_can_be_refused(root: int) -> None:
    with pytest.raises(OSError) as fault:
        open_in_root(root, "absolute", os.O_RDONLY, resolve=RESOLVE_NO_SYMLINKS)
    assert fault.value.errno == 40


def test_a_failed_call_carries_errno_and_name() -> None:
    with pytest.raises(FileNotFoundError) as fault:
        call(257, -100, b"/no/such/file", 0, what="openat") if os.uname().machine == "x86_64" else call(
            56, -100, b"/no/such/file", 0, what="openat"
        )
    assert fault.value.filename == "openat"
