"""Secrets for RUN steps: where they come from, and what is said when they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.build.graph import RunMount
from wherry.build.secrets import SecretSource
from wherry.engine.build_inputs import Lending
from wherry.errors import InputError, NotFound
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings

FILE = RunMount("secret", "/run/secrets/a", id="a", mode=0o440, uid=os.getuid(), gid=os.getgid())


def lending(folder: Path, *sources: SecretSource, **env: str) -> Lending:
    settings = Settings(Paths(str(folder), str(folder)), env, 0, str(folder))
    return Lending(settings, FakeHost(), sources, None)


def read(lent_fd: int, name: str) -> bytes:
    with open(os.open(name, os.O_RDONLY, dir_fd=lent_fd), "rb") as file:
        return file.read()


def test_a_file_is_read_when_the_step_wants_it_and_lies_in_memory_only(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\0word\n")
    with lending(tmp_path, SecretSource("a", "file", "f")).around([FILE], str(tmp_path)) as lent:
        assert [file.target for file in lent.files] == ["/run/secrets/a"]
        assert read(lent.tmpfs_fd, lent.files[0].name) == b"\xff\0word\n"
        assert os.stat(lent.files[0].name, dir_fd=lent.tmpfs_fd).st_mode & 0o777 == 0o440
        assert os.listdir(tmp_path) == ["f"]


def test_as_a_variable_it_has_no_file(tmp_path: Path) -> None:
    asked = RunMount("secret", "", id="a", env="TOKEN", mode=0o400)
    with lending(tmp_path, SecretSource("a", "env", "", "MINE"), MINE="word").around([asked], "/") as lent:
        assert (lent.env, lent.files) == (("TOKEN=word",), ())
        assert lent.tmpfs_fd >= 0  # the spec, which holds the variable, goes there
    both = asked._replace(target="/t", uid=os.getuid(), gid=os.getgid())
    with lending(tmp_path, SecretSource("a", "env", "", "MINE"), MINE="word").around([both], "/") as lent:
        assert (lent.env, lent.files[0].target) == (("TOKEN=word",), "/t")


def test_a_variable_named_like_the_id_comes_before_a_file_named_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("file")
    for env, content in (({"a": "variable"}, b"variable"), ({}, b"file")):
        with lending(tmp_path, SecretSource("a"), **env).around([FILE], "/") as lent:
            assert read(lent.tmpfs_fd, lent.files[0].name) == content


def test_an_unset_variable_is_an_empty_secret(tmp_path: Path) -> None:
    with lending(tmp_path, SecretSource("a", "env", "", "NONE")).around([FILE], "/") as lent:
        assert read(lent.tmpfs_fd, lent.files[0].name) == b""


def test_what_is_not_given_is_left_out_unless_it_is_required(tmp_path: Path) -> None:
    ours = lending(tmp_path)
    with ours.around([FILE, RunMount("ssh", "/s", id="default", mode=0o600)], "/") as lent:
        assert (lent.files, lent.tmpfs_fd, lent.sockets) == ((), -1, ())
        assert lent.env == ("SSH_AUTH_SOCK=/s",)  # as in BuildKit
    assert ours.targets([FILE]) == ()
    with pytest.raises(NotFound, match="secret a: not found"), ours.around([FILE._replace(required=True)], "/"):
        pass
    agent = RunMount("ssh", "/s", id="default", mode=0o600, required=True)
    with pytest.raises(NotFound, match="unset ssh forward key default"), ours.around([agent], "/"):
        pass


def test_a_file_that_is_missing_or_too_large_is_told_before_the_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="failed to stat f: stat f: no such file or directory"):
        lending(tmp_path, SecretSource("a", "file", "f"))
    (tmp_path / "f").write_bytes(b"x" * (500 << 10))
    with lending(tmp_path, SecretSource("a", "file", "f")).around([FILE], "/"):
        pass
    (tmp_path / "f").write_bytes(b"x" * ((500 << 10) + 1))
    with pytest.raises(InputError, match="secret a too big"):
        lending(tmp_path, SecretSource("a", "file", "f"))


def test_a_folder_is_told_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with (
        pytest.raises(InputError, match="is a directory"),
        lending(tmp_path, SecretSource("a", "file", "f")).around([FILE], "/"),
    ):
        pass


def test_a_pipe_is_read_once_for_all_steps(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"word")
    os.close(writer)
    try:
        ours = lending(tmp_path, SecretSource("a", "file", f"/dev/fd/{reader}"))
        for _ in range(2):
            with ours.around([FILE], "/") as lent:
                assert read(lent.tmpfs_fd, lent.files[0].name) == b"word"
    finally:
        os.close(reader)
