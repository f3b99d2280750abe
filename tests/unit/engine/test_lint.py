"""Linting a folder: its files found, its settings heeded, its Dockerfile repaired."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.engine.lint import LintRequest, fix, lint, write
from wherry.errors import DockerfileError, InputError
from wherry.lint.settings import Settings


def names(folder: Path, request: LintRequest = LintRequest()) -> set[str]:  # noqa: B008
    return {one.rule.name for one in lint(str(folder), request).findings if one.rule.family == "buildkit"}


def test_the_folders_dockerfile_is_read_with_its_ignore_file(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("# check=experimental=CopyIgnoredFile\nFROM a as b\nCOPY data /\n")
    (tmp_path / ".dockerignore").write_text("data\n")
    assert names(tmp_path) == {"FromAsCasing", "CopyIgnoredFile"}
    assert names(tmp_path, LintRequest("Dockerfile")) == {"FromAsCasing", "CopyIgnoredFile"}


def test_settings_of_both_files_are_heeded(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a as b\nENV k v\nCMD x\n")
    (tmp_path / "wherry.toml").write_text('[lint]\nignore = ["FromAsCasing"]\n')
    (tmp_path / ".hadolint.yaml").write_text("ignored: [LegacyKeyValueFormat]\n")
    assert names(tmp_path) == {"JSONArgsRecommended"}


def test_the_checks_directive_of_the_file_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("# check=skip=FromAsCasing\nFROM a as b\n")
    assert names(tmp_path) == set()


def test_a_repaired_file_keeps_its_mode_and_mark(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(b"\xef\xbb\xbfFROM a as b\nENV k v\n")
    path.chmod(0o640)
    only = LintRequest(settings=Settings(only=frozenset({"FromAsCasing", "LegacyKeyValueFormat"})))
    found = lint(str(tmp_path), only)
    fixed = fix(found)
    assert (len(fixed.done), fixed.left) == (2, ())
    write(found, fixed.text)
    assert path.read_bytes() == b"\xef\xbb\xbfFROM a AS b\nENV k=v\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["Dockerfile"]


def test_wrong_requests_are_one_error(tmp_path: Path) -> None:
    for request in (
        LintRequest(),
        LintRequest("nowhere"),
        LintRequest(dockerfile="nowhere"),
        LintRequest(settings=Settings(ignore=frozenset({"NoRule"}))),
    ):
        with pytest.raises(InputError):
            lint(str(tmp_path), request)


def test_text_from_stdin_has_no_project(tmp_path: Path) -> None:
    found = lint(str(tmp_path), LintRequest(stdin=b"FROM a as b\n"))
    assert (found.name, found.subject.folder) == ("-", "")
    assert "FromAsCasing" in {one.rule.name for one in found.findings}


@pytest.mark.parametrize("text", [b"FROM a\nRUN $(((\n", b"FROM a\nENV a ${b:\n", b"FROM $\n", b"FROM a\nRUN '\n"])
def test_odd_text_is_linted_all_the_same(tmp_path: Path, text: bytes) -> None:
    assert lint(str(tmp_path), LintRequest(stdin=text)).name == "-"


@pytest.mark.parametrize("text", [b"FROM", b"\xff\xfe\x00", b"NOPE\n", b""])
def test_what_is_no_dockerfile_is_one_error(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(DockerfileError):
        lint(str(tmp_path), LintRequest(stdin=text))
