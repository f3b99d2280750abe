"""The completion scripts in their shells, with real containers and images behind them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "busybox", "runc")


@pytest.fixture
def path(wherry: Wherry, tmp_path: Path) -> str:
    """A PATH whose `wherry` has two containers."""
    wherry("create", "--network", "none", "--name", "first", "busybox", "true")
    wherry("create", "--network", "none", "--name", "second", "busybox", "true")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "wherry").write_text(f'#!/bin/sh\nexec {shlex.join(wherry.argv())} "$@"\n')
    (folder / "wherry").chmod(0o755)
    (tmp_path / "files").mkdir()
    for name in ("Dockerfile", "docs with blanks"):
        (tmp_path / "files" / name).touch()
    return f"{folder}:/usr/bin:/bin"


def said(argv: list[str], path: str, tmp_path: Path) -> list[str]:
    done = subprocess.run(
        argv, env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb"}, cwd=tmp_path / "files",
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return sorted(line.split("\t")[0] for line in done.stdout.splitlines() if line)


CASES = [
    ("wherry rm ", ["first", "second"]),
    ("wherry rm f", ["first"]),
    ("wherry rm first ", ["second"]),
    ("wherry stop ", []),
    ("wherry run --rm busy", ["busybox:latest"]),
    ("wherry volu", ["volume"]),
    ("wherry network in", ["inspect"]),
    ("wherry run --restart on", ["on-failure"]),
    ("wherry build -f Dock", ["Dockerfile"]),
    ("wherry ps --no-t", ["--no-trunc"]),
]

BASH = """\
eval "$(wherry completion bash)"
COMP_LINE=$1 COMP_POINT=${#1}
_wherry
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_bash(path: str, tmp_path: Path, line: str, expected: list[str]) -> None:
    assert said(["bash", "--norc", "-c", BASH, "bash", line], path, tmp_path) == expected


def test_bash_is_given_what_comes_behind_its_own_word_breaks(path: str, tmp_path: Path) -> None:
    asked = ["bash", "--norc", "-c", BASH, "bash"]
    assert said([*asked, "wherry run --network=ho"], path, tmp_path) == ["host"]
    assert said([*asked, "wherry run busybox:la"], path, tmp_path) == ["latest"]
    assert said([*asked, "wherry build -f doc"], path, tmp_path) == ["docs with blanks"]


@pytest.mark.requires("fish")
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_fish(path: str, tmp_path: Path, line: str, expected: list[str]) -> None:
    script = "wherry completion fish | source; complete --do-complete $argv[1]"
    assert said(["fish", "--no-config", "-c", script, line], path, tmp_path) == expected


ZSH = """\
compdef() { : }
compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@" }
_files() { print -l -- ${words[CURRENT]}*(N) }
eval "$(wherry completion zsh)"
words=("${(@s: :)1}")
CURRENT=${#words}
_wherry
"""


@pytest.mark.requires("zsh")
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_zsh(path: str, tmp_path: Path, line: str, expected: list[str]) -> None:
    assert said(["zsh", "-f", "-c", ZSH, "zsh", line], path, tmp_path) == expected


def test_another_shell_is_refused(wherry: Wherry) -> None:
    assert "there is no completion for tcsh" in wherry("completion", "tcsh", code=1).stderr


def test_completion_never_fails_and_makes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "never"
    done = Wherry(root)("__complete", "rm", "")
    assert (done.stdout, done.stderr) == (":4\n", "")
    assert not (root / "containers").exists()
