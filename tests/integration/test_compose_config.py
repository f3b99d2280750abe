"""`compose config` beside docker-compose: recorded cases, real projects, random projects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose_differential import KINDS, run
from tests.compose_records import Record, ask_docker, records

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "compose"
PROJECTS = sorted(path for path in CORPUS.glob("*/*") if path.name.startswith(("compose.y", "docker-compose.y")))
SEEDS = int(os.environ.get("COMPOSE_SEEDS", "60"))


@pytest.mark.requires("docker-compose")
@pytest.mark.parametrize("record", [each for each in records() if not each.differs], ids=lambda record: record.name)
def test_docker_compose_still_says_what_was_recorded(record: Record, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    assert ask_docker(record, folder) == record.said


@pytest.mark.requires("docker-compose")
@pytest.mark.skipif(not PROJECTS, reason="the corpus is not here")
@pytest.mark.parametrize("arguments", [[], ["--format", "json"], ["--hash", "*"], ["--no-interpolate"]], ids=str)
def test_real_projects(arguments: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "WHERRY_ROOT": str(tmp_path / "root")}
    own = [str(Path(sys.executable).with_name("wherry"))]
    for project in PROJECTS:
        asked = ["-f", project.name, "config", *arguments]
        his = subprocess.run(["docker-compose", *asked], cwd=project.parent, capture_output=True, check=False)
        ours = subprocess.run([*own, "compose", *asked], cwd=project.parent, env=env, capture_output=True, check=False)
        assert (project, ours.returncode, ours.stdout) == (project, his.returncode, his.stdout)


@pytest.mark.requires("docker-compose")
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_random_projects(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    difference = run(seed, folder, KINDS[seed % len(KINDS)])
    assert difference is None, difference and difference.told
