"""Files that a flag names."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.cli.render import Output
from wherry.cli.to_file import write_file, write_out
from wherry.errors import InputError
from wherry.image.tar.pack import Write

Give = Callable[[str], None]


def give(path: str) -> None:
    write_out(path, Output(io.StringIO(), io.StringIO(), {}), lambda write: write(memoryview(b"tar")))


def give_small(path: str) -> None:
    write_file(path, b"tar")


BOTH = pytest.mark.parametrize("give", [give, give_small], ids=["-o", "--iidfile"])


@BOTH
def test_a_file_takes_the_place_of_another(give: Give, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before, and longer")
    give(str(tmp_path / "x"))
    assert (tmp_path / "x").read_text() == "tar"
    assert os.listdir(tmp_path) == ["x"]


@BOTH
def test_a_pipe_is_written_to_and_stays_a_pipe(give: Give, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        give(str(path))
        assert os.read(reader, 100) == b"tar"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(os.lstat(path).st_mode)


@BOTH
def test_dev_stdout_that_is_a_file_gets_its_bytes_and_stays_a_link(give: Give, tmp_path: Path) -> None:
    with open(tmp_path / "out", "ab") as out:
        out.write(b"before ")
        out.flush()
        # As /dev/stdout leads to /proc/self/fd/1, which leads to the file
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{out.fileno()}")
        give(str(tmp_path / "stdout"))
        give(f"/proc/self/fd/{out.fileno()}")
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "out").read_bytes() == b"before tartar"


def test_nothing_has_a_name_before_it_is_whole(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def produce(write: Write) -> None:
        write(memoryview(b"tar"))
        seen.append(os.listdir(tmp_path))
        if len(seen) > 1:
            raise KeyboardInterrupt

    out = Output(io.StringIO(), io.StringIO(), {})
    (tmp_path / f".x.{os.getpid()}.tmp").touch()  # of a process that was killed
    write_out(str(tmp_path / "x"), out, produce)
    with pytest.raises(KeyboardInterrupt):
        write_out(str(tmp_path / "y"), out, produce)
    assert seen == [[], ["x"]], "kill -9 would leave nothing more"
    assert os.listdir(tmp_path) == ["x"]
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_a_small_file_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    give_small(str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "tar"


def test_a_file_that_cant_be_written_is_said_by_the_name_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write nosuch/x: No such file or directory"):
        give_small("nosuch/x")
    with pytest.raises(InputError, match="cannot save to nosuch/x"):
        give("nosuch/x")
    with pytest.raises(InputError, match=f"cannot write {tmp_path}: Is a directory"):
        give_small(str(tmp_path))
