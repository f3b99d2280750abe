from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from wherry.build.context import locate, open_context, read_dockerfile
from wherry.build.stdin import Replay, looks_like_tar
from wherry.errors import InputError


def test_the_dockerfile_is_in_the_context_when_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "dockerfile").write_text("x")
    assert locate(str(tmp_path), "", "/").path == str(tmp_path / "dockerfile")
    (tmp_path / "Dockerfile").write_text("x")
    assert locate(str(tmp_path), "", "/").name == "Dockerfile"


def test_a_named_dockerfile_is_relative_to_the_callers_folder_then_to_the_context(tmp_path: Path) -> None:
    for folder in ("here", "context"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "F").write_text(folder)
    (tmp_path / "context" / "only").write_text("x")
    find = lambda name: locate(str(tmp_path / "context"), name, str(tmp_path / "here")).path  # noqa: E731
    assert find("F") == str(tmp_path / "here" / "F")
    assert find("only") == str(tmp_path / "context" / "only")


def test_a_missing_dockerfile_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "Dockerfle").write_text("x")
    with pytest.raises(InputError, match="failed to read dockerfile") as caught:
        locate(str(tmp_path), "", "/")
    assert caught.value.hint == f"did you mean {tmp_path}/Dockerfle?"


def test_what_is_no_dockerfile_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes((1 << 20) + 1))
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("big", "larger than 1 MB"), (".", "not a file"), ("pipe", "not a file")):
        with pytest.raises(InputError, match=says):
            read_dockerfile(str(tmp_path / name))


@pytest.mark.parametrize("target", ["../secret", "{}/secret", "sub/../../secret", "dir"])
def test_a_dockerfile_of_the_context_is_no_link_out_of_it(tmp_path: Path, target: str) -> None:
    """A failing build shows the file's lines: a context from elsewhere must not make it show the host's."""
    context = tmp_path / "context"
    (context / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("root:hash\n")
    (tmp_path / "folder").mkdir()
    (context / "dir").symlink_to(tmp_path / "secret")
    (context / "Dockerfile").symlink_to(target.format(tmp_path))
    (context / "away").symlink_to(tmp_path)
    for path in (context / "Dockerfile", context / "away" / "secret"):
        with pytest.raises(InputError, match="leads out of the build context") as caught:
            read_dockerfile(str(path), str(context))
        assert "hash" not in f"{caught.value} {caught.value.hint}"


def test_a_dockerfile_may_be_a_link_within_the_context_or_a_file_elsewhere(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "link").symlink_to("context")
    (context / "real").write_text("FROM a")
    (context / "Dockerfile").symlink_to("real")
    (tmp_path / "other").write_text("FROM b")
    (tmp_path / "named").symlink_to("other")
    for folder in (context, tmp_path / "link"):
        assert read_dockerfile(str(folder / "Dockerfile"), str(folder)) == b"FROM a"
    assert read_dockerfile(str(tmp_path / "named"), str(context)) == b"FROM b"
    assert read_dockerfile(str(context / ".." / "other"), str(context)) == b"FROM b"


def test_a_dockerignore_is_no_link_out_of_the_context_and_no_pipe(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "secret").write_text("x\n")
    for make, says in (
        (lambda path: path.symlink_to("../secret"), "leads out of the build context"),
        (os.mkfifo, "not a file"),
        (lambda path: path.symlink_to("nowhere"), "no such file|No such file"),
    ):
        make(context / ".dockerignore")
        with pytest.raises(InputError, match=says):
            open_context(str(context), "")
        (context / ".dockerignore").unlink()


def test_a_context_that_is_no_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "project").mkdir()
    with pytest.raises(InputError, match="is not a folder"):
        open_context(str(tmp_path / "file"), "")
    with pytest.raises(InputError, match="not found") as caught:
        open_context(str(tmp_path / "projct"), "")
    assert str(caught.value.hint).endswith("project?")


class Dribble:
    """A pipe that gives a byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1))


def tar(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        info = tarfile.TarInfo("Dockerfile")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"FROM"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "is_tar"),
    [(tar("w"), True), (tar("w:gz"), True), (tar("w:xz"), True), (b"FROM busybox\n", False), (b"#" * 600, False)],
)
def test_a_tar_on_stdin_is_told_from_a_dockerfile_by_its_first_bytes(data: bytes, is_tar: bool) -> None:
    assert looks_like_tar(Replay(Dribble(data))) is is_tar


def test_a_dockerfile_on_stdin_is_read_whole_and_within_bounds() -> None:
    text = b"FROM busybox\n" + b"#" * 100_000
    assert Replay(Dribble(text)).rest() == text
    with pytest.raises(InputError, match="larger than 1 MB"):
        Replay(io.BytesIO(bytes(2 << 20))).rest()
    with pytest.raises(InputError, match="nothing came"):
        Replay(io.BytesIO(b"")).rest()
