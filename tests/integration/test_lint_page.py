"""The commands of docs/lint.md, typed as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs_text import PROJECT
from tests.integration.lesson import MAIN

PAGE = PROJECT / "docs" / "lint.md"
LINE = re.compile(r"^    (wherry .+)$", re.MULTILINE)
DOCKERFILE = """# test is for the tests
FROM python:3.12-slim as test
ARG VERSION=1
RUN --mount=type=secret,id=token pip install -r requirements.txt
CMD python main.py
"""
FOUND = {"wherry lint", "wherry lint - < Dockerfile", "wherry build --check ."}
"""Those that exit with 1, since something is found."""


def test_each_command_does_what_the_page_says(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "requirements.txt").write_text("fastapi\n")
    (folder / "prod.Dockerfile").write_text('FROM python:3.12-slim\nUSER 1000\nCMD ["python", "main.py"]\n')
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
    (programs / "wherry").chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT / "src"), "HOME": str(tmp_path),
           "WHERRY_ROOT": str(tmp_path / "root")}  # fmt: skip
    lines = LINE.findall(PAGE.read_text())
    assert len(lines) > 12
    said = {}
    for line in lines:
        (folder / "Dockerfile").write_text(DOCKERFILE)
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False)
        expected = {0, 1} if line not in FOUND and "lint" in line else {1} if line in FOUND or "check" in line else {0}
        assert done.returncode in expected, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, line
        assert done.returncode == 0 or done.stdout or ">" in line, line
        said[line] = done.stdout
    assert 'CMD ["python", "main.py"]' in said["wherry lint --fix --diff"]
    assert json.loads((folder / "lint.sarif").read_text())["version"] == "2.1.0"
    assert json.loads(said["wherry build --call=check,format=json ."])["warnings"]
    assert said["wherry build --call=targets ."].splitlines()[1].split() == [
        "test",
        "(default)",
        "is",
        "for",
        "the",
        "tests",
    ]
    assert "token" in said["wherry build --call=outline --target test ."]
