"""Which Python a command is of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wherry.engine.runs_python import interpreter


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name, text in (
        ("bin/python3.11", ""), ("bin/train", "#!/opt/venv/bin/python\n"), ("bin/tool", "#!/usr/bin/env python3.11\n"),
        ("bin/flags", "#!/usr/bin/env -S python3.11 -u\n"), ("bin/script", "#!/bin/sh\n"), ("bin/binary", "\x7fELF"),
        ("bin/empty", ""),
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("python3.11", "{}/bin/python3.11"),
        ("./bin/python3.11", "{}/./bin/python3.11"),
        ("train", "/opt/venv/bin/python"),
        ("tool", "{}/bin/python3.11"),
        ("flags", "{}/bin/python3.11"),
        ("script", ""),
        ("binary", ""),
        ("empty", ""),
        ("nowhere", ""),
    ],
)
def test_the_python_of_a_command(here: Path, word: str, found: str) -> None:
    assert interpreter([word, "x"], {"PATH": f"/nowhere:{here}/bin"}, str(here)) == found.format(here)


def test_an_absolute_path_is_taken_as_it_is() -> None:
    assert interpreter([sys.executable], {}, "/") == sys.executable
