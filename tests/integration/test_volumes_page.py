"""docs/volumes.md: its marked blocks, typed one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
_MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_the_page_on_volumes_works_from_its_first_command_to_its_last(wherry: Wherry, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{_MAIN}' --root {wherry.root} \"$@\"\n")
    (tmp_path / "wherry").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT / "src")}
    blocks = runnable(PROJECT / "docs" / "volumes.md")
    assert len(blocks) == 5
    said = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
    assert "kept\n" in said[0]
    assert said[1].endswith("web\n")
    assert "again\n" in said[3]
    wherry("volume", "prune", "-af")
    wherry("volume", "rm", "srv", "ram", "shared")
