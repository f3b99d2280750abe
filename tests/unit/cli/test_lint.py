"""wherry lint: what is printed and what it exits with."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from wherry.cli.flags import FlagError, parse
from wherry.cli.lint import VERB, run
from wherry.cli.render import Output
from wherry.engine import Engine

BAD = "FROM a as b\nCMD run\n"


def lint(folder: Path, *argv: str) -> tuple[int, str]:
    stdout = io.StringIO()
    engine = cast("Engine", SimpleNamespace(settings=SimpleNamespace(cwd=str(folder))))
    only = ["--only", "FromAsCasing,JSONArgsRecommended"]
    code = run(engine, parse("wherry lint", VERB, [*argv, *only]), Output(stdout, io.StringIO(), {}))
    return code, stdout.getvalue()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(BAD)
    return tmp_path


def test_findings_are_printed_and_exit_with_1(project: Path) -> None:
    code, said = lint(project)
    assert code == 1
    assert said.startswith("Check complete, 2 warnings have been found!\n\nWARNING: FromAsCasing - https://")


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("none", 0), ("ignore", 0), ("warning", 1), ("style", 1)])
def test_the_threshold_says_what_counts(project: Path, level: str, code: int) -> None:
    assert lint(project, "--failure-threshold", level)[0] == code


def test_json_and_sarif_are_documents(project: Path) -> None:
    assert [one["code"] for one in json.loads(lint(project, "--format", "json")[1])] == [
        "FromAsCasing",
        "JSONArgsRecommended",
    ]
    assert json.loads(lint(project, "--format", "sarif")[1])["version"] == "2.1.0"


def test_a_diff_writes_nothing_and_fix_writes_once(project: Path) -> None:
    code, said = lint(project, "--fix", "--diff")
    assert (code, said.splitlines()[:2]) == (0, ["--- a/Dockerfile", "+++ b/Dockerfile"])
    assert "+FROM a AS b" in said
    assert (project / "Dockerfile").read_text() == BAD
    assert lint(project, "--fix") == (0, "Check complete, no warnings found.\n")
    assert (project / "Dockerfile").read_text() == 'FROM a AS b\nCMD ["run"]\n'
    assert lint(project) == (0, "Check complete, no warnings found.\n")


@pytest.mark.parametrize("argv", [("--format", "xml"), ("--diff",), ("--failure-threshold", "bad")])
def test_wrong_flags_are_refused(project: Path, argv: tuple[str, ...]) -> None:
    with pytest.raises(FlagError):
        lint(project, *argv)
