"""Contexts from elsewhere: which image of a layout, and what git is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.build.named_context import GitSource
from wherry.engine.build_fetch import fetch_git
from wherry.engine.oci_layout import chosen
from wherry.errors import InputError, NotFound
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index
from wherry.store.index import NAME, REF_NAME


def entry(text: str, **annotations: str) -> Descriptor:
    names = {"ref": REF_NAME, "name": NAME}
    return Descriptor(
        "application/vnd.oci.image.manifest.v1+json", Digest.of(text.encode()), 1,
        annotations={names[key]: value for key, value in annotations.items()},
    )  # fmt: skip


def test_an_image_of_a_layout_is_chosen_by_digest_or_tag_or_is_the_latest_or_the_only_one() -> None:
    one, two, three = entry("1", ref="v1"), entry("2", ref="latest"), entry("3", name="example.org/x:v3")
    index = Index((one, two, three))
    assert chosen(index, one.digest, "") == one
    assert chosen(index, "", "v1") == one
    assert chosen(index, "", "v3") == three
    assert chosen(index, "", "") == two
    assert chosen(Index((one,)), "", "") == one
    for digest, tag in (("sha256:0", ""), ("", "v2")):
        with pytest.raises(NotFound, match="could not find") as caught:
            chosen(index, digest, tag)
        assert "latest, v1" in str(caught.value.hint)
    with pytest.raises(NotFound, match="could not find latest"):
        chosen(Index((one, three)), "", "")


class Git(FakeHost):
    """`fails` is the first word of git's command that does not work."""

    def __init__(self, fails: str = "") -> None:
        super().__init__(answer=self.play)
        self.commands: list[Command] = []
        self._fails = fails

    def play(self, command: Command) -> Completed:
        self.commands.append(command)
        verb = command.argv[command.argv.index("-C") + 2]
        if verb == "fetch" and self._fails == "fetch" and "--depth" in command.argv:
            return Completed(128, b"", b"fatal: no such commit\n")
        return Completed(0, b"abc\n" if verb == "rev-parse" else b"", b"")

    def verbs(self) -> list[str]:
        return [command.argv[command.argv.index("-C") + 2] for command in self.commands]


SOURCE = GitSource("https://h.example/r.git", "v1")


def test_git_runs_nothing_of_the_repository_and_asks_nobody(tmp_path: Path) -> None:
    git = Git()
    fetch_git(git, SOURCE, str(tmp_path), {"HOME": "/me", "GIT_DIR": "/elsewhere", "GIT_SSH_COMMAND": "evil"})
    assert git.verbs() == ["init", "fetch", "checkout"]
    for command in git.commands:
        assert {"core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never"} <= set(command.argv)
        assert command.env
        assert (command.env["HOME"], command.env["GIT_TERMINAL_PROMPT"]) == ("/me", "0")
        assert not {"GIT_DIR", "GIT_SSH_COMMAND"} & command.env.keys()
    assert git.commands[1].argv[-3:] == ["--", "https://h.example/r.git", "v1"]


def test_a_server_that_gives_no_single_commit_is_asked_for_all(tmp_path: Path) -> None:
    git = Git("fetch")
    fetch_git(git, SOURCE, str(tmp_path), {})
    assert git.verbs() == ["init", "fetch", "fetch", "rev-parse", "checkout"]
    assert git.commands[-1].argv[-1] == "abc"


def test_the_repository_is_left_out_unless_it_is_wanted(tmp_path: Path) -> None:
    for keep in (False, True):
        (tmp_path / ".git").mkdir()
        fetch_git(Git(), SOURCE._replace(keep_git_dir=keep), str(tmp_path), {})
        assert (tmp_path / ".git").exists() == keep


def test_a_folder_of_a_repository_lies_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "sub").mkdir()
    os.symlink(tmp_path, folder / "out")
    assert fetch_git(Git(), SOURCE._replace(subdir="sub"), str(folder), {}) == str(folder / "sub")
    for subdir, says in (("out", "leads out"), ("..", "leads out"), ("none", "has no folder none")):
        with pytest.raises(InputError, match=says):
            fetch_git(Git(), SOURCE._replace(subdir=subdir), str(folder), {})


def test_submodules_come_along(tmp_path: Path) -> None:
    (tmp_path / ".gitmodules").touch()
    git = Git()
    fetch_git(git, SOURCE, str(tmp_path), {})
    fetch_git(git, SOURCE._replace(submodules=False), str(tmp_path), {})
    assert git.verbs().count("submodule") == 1
