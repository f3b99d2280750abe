"""The examples' files, and those of the documentation, mean to docker-compose what they mean here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, files
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "docker-compose")

WAYS = {
    "stack": ("examples/stack", ()),
    "mlops": ("examples/mlops", ()),
    "mlops with a GPU": ("examples/mlops", ("--profile", "gpu")),
    "the page": ("", ()),
    "the page, in production": ("", ("-f", "compose.yaml", "-f", "production.yaml")),
    "the page, with all profiles": ("", ("--profile", "*")),
}


@pytest.mark.parametrize("way", WAYS)
def test_docker_compose_reads_the_same(way: str, tmp_path: Path, wherry: Wherry) -> None:
    where, flags = WAYS[way]
    folder = PROJECT / where if where else tmp_path
    if not where:
        for name, text in files(PROJECT / "docs" / "compose.md").items():
            (tmp_path / name).write_text(text)
    argv = ["compose", "--project-directory", str(folder), *[
        str(folder / word) if word.endswith(".yaml") else word for word in flags
    ]]  # fmt: skip
    if "-f" not in flags:
        argv += ["-f", str(folder / "compose.yaml")]
    theirs = subprocess.run(["docker-compose", *argv[1:], "config"], capture_output=True, text=True, check=True)
    assert wherry(*argv, "config").stdout == theirs.stdout
