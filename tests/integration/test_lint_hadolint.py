"""The same files given to hadolint: where wherry differs from it, it says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.unit.lint.hadolint_cases import CASES, ORACLE, Case, Place
from wherry.errors import DockerfileError
from wherry.lint.choice import Choice
from wherry.lint.ruleset import load
from wherry.lint.run import run
from wherry.lint.subject import Subject

pytestmark = pytest.mark.requires("hadolint")

CASES_FOLDER = Path(__file__).resolve().parents[1] / "cases"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RULES = load(["hadolint"])
OURS = {rule.name: rule.level for rule in RULES if rule.level != "ignore"}
UNREADABLE = {"DL1000"}
DIFFERENT = {
    ("build/copy/heredoc_and_file/Dockerfile", "DL3045"),  # takes the heredoc's last word for the destination
    ("dockerfile/good/add-flags/Dockerfile", "DL3020"),  # a git repository by ssh
    ("dockerfile/good/all-instructions/Dockerfile", "DL3044"),  # between single quotes
    ("dockerfile/good/copy-flags/Dockerfile", "DL3021"),  # flags, and JSON with a slash at its end
    ("dockerfile/good/stages/Dockerfile", "DL3006"),  # names of stages have no case
    ("dockerfile/good/stages/Dockerfile", "DL3022"),
}
"""Files that hadolint finds something in that is not there."""


@cache
def program() -> str:
    beside = os.path.dirname(sys.executable)
    found = shutil.which("hadolint", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    assert found
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if ORACLE not in version:
        pytest.skip(f"the cases are of hadolint {ORACLE}, here is {version.strip()}")
    return found


def ask(files: list[Path]) -> dict[str, set[tuple[str, int, str]]]:
    """Code, line and level of what is found in each file; a file that makes hadolint crash is not among them."""
    asked = [program(), "--no-fail", "--format", "json", *map(str, files)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode and len(files) == 1:
        return {}
    done.check_returncode()
    answer: dict[str, set[tuple[str, int, str]]] = {str(file): set() for file in files}
    for one in json.loads(done.stdout):
        answer[one["file"]].add((one["code"], one["line"], one["level"]))
    return answer


def places(found: set[tuple[str, int, str]]) -> frozenset[Place]:
    return frozenset((code, line) for code, line, _ in found if code in OURS)


def test_hadolint_finds_in_the_cases_what_is_written_there(tmp_path: Path) -> None:
    files: dict[Path, Case] = {}
    for number, case in enumerate(CASES):
        if case.is_readable:
            file = tmp_path / f"{number}.Dockerfile"
            file.write_text(case.text)
            files[file] = case
    answer = ask(list(files))
    wrong = [
        f"{one.shown}: {answer[str(file)]}" for file, one in files.items() if places(answer[str(file)]) != one.theirs
    ]
    assert not wrong, "\n".join(wrong)
    levels = {(code, level) for found in answer.values() for code, _, level in found if code in OURS}
    assert all(OURS[code] == level for code, level in levels)
    assert len(levels) > 40


def test_in_the_dockerfiles_of_this_project_both_find_the_same() -> None:
    files = [
        path for folder in (CASES_FOLDER, EXAMPLES) for path in sorted(folder.rglob("Dockerfile*")) if path.is_file()
    ]
    compared = 0
    wrong = []
    for file in files:
        name = os.path.relpath(file, CASES_FOLDER)
        try:
            subject = Subject.parse(file.read_bytes(), name)
        except DockerfileError:
            continue
        found = ask([file]).get(str(file))
        if found is None or any(code in UNREADABLE for code, _, _ in found):
            continue
        compared += 1
        ours = {(one.rule.name, one.span.first) for one in run(subject, RULES, Choice())}
        wrong += [f"{name}: {one}" for one in ours ^ places(found) if (name, one[0]) not in DIFFERENT]
    assert not wrong, "\n".join(wrong)
    assert compared > 100
