"""All files or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.errors import Conflict, InputError
from wherry.scaffold.save import save

TEXTS = {"Dockerfile": "FROM x\n", ".dockerignore": ".git\n", "compose.yaml": "services: {}\n"}


def test_all_are_written_and_a_second_time_nothing(tmp_path: Path) -> None:
    assert save(str(tmp_path), TEXTS) == list(TEXTS)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == TEXTS
    assert save(str(tmp_path), TEXTS) == []


def test_what_is_there_is_named_and_stays_and_nothing_else_is_written(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("mine\n")
    with pytest.raises(Conflict, match=r"nothing was written: compose\.yaml is there already"):
        save(str(tmp_path), TEXTS)
    assert [path.name for path in tmp_path.iterdir()] == ["compose.yaml"]
    assert (tmp_path / "compose.yaml").read_text() == "mine\n"


def test_force_replaces_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old\n")
    (tmp_path / "Dockerfile").symlink_to("real")
    assert save(str(tmp_path), TEXTS, force=True) == list(TEXTS)
    assert (tmp_path / "real").read_text() == "FROM x\n"
    assert (tmp_path / "Dockerfile").is_symlink()


def test_when_one_cannot_be_written_the_others_are_as_before(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("old\n")
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "compose.yaml").write_text("mine\n")
    # A name too long for its temporary sibling, but not for itself: no mode that root would pass over
    long = "x" * 250
    with pytest.raises(InputError, match="cannot write to"):
        save(str(tmp_path), {**TEXTS, long: "late\n"}, force=True)
    assert (tmp_path / "Dockerfile").read_text() == "old\n"
    assert sorted(os.listdir(tmp_path)) == ["Dockerfile", "locked"]


def test_a_link_to_nothing_and_a_folder_of_the_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").symlink_to("nowhere")
    with pytest.raises(InputError, match="a link to nothing"):
        save(str(tmp_path), TEXTS, force=True)
    (tmp_path / "Dockerfile").unlink()
    (tmp_path / "Dockerfile").mkdir()
    with pytest.raises(InputError, match="cannot read"):
        save(str(tmp_path), TEXTS, force=True)


def test_nothing_is_written_outside_of_the_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "bashrc"
    project.mkdir()
    outside.write_text("mine\n")
    (project / "Dockerfile").symlink_to("../bashrc")
    with pytest.raises(InputError, match=r"a link to .*bashrc, out of the project"):
        save(str(project), TEXTS, force=True)
    assert outside.read_text() == "mine\n"
    assert [path.name for path in project.iterdir()] == ["Dockerfile"]


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    with pytest.raises(InputError, match="it is no file"):
        save(str(tmp_path), TEXTS)
    (tmp_path / "Dockerfile").unlink()
    (tmp_path / "Dockerfile").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="it is no file"):
        save(str(tmp_path), TEXTS)
