"""The page on sharing runs, typed as it stands there: no container in it, and no root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs_text import PROJECT, runnable
from tests.registries.real import WherryRegistry

PAGE = PROJECT / "docs" / "tracking-share.md"


def environment(folder: Path) -> dict[str, str]:
    programs = folder / "bin"
    programs.mkdir()
    main = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for name, text in (
        ("wherry", f"exec {sys.executable} -c '{main}' \"$@\""),
        ("python", f'exec {sys.executable} "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT / "src"), "HOME": str(folder),
            "WHERRY_ROOT": str(folder / "root"), "WHERRY_TRACK_GIT": "0"}  # fmt: skip


def typed(block: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(["bash", "-euc", block], cwd=folder, env=env, capture_output=True, text=True, check=False,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_part_on_registries_works(tmp_path: Path) -> None:
    with WherryRegistry(tmp_path / "registry") as registry:
        said = typed(runnable(PAGE)[0].replace("localhost:5000", registry.host), tmp_path, environment(tmp_path))
    assert "Status: Downloaded run first for" in said
    assert "finished" in said.rpartition("Status:")[2]
