"""The lesson on a fresh runner: another machine has installed the packages, this one fetches what that gave."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.lesson import PROJECT, Lesson
from tests.registries.real import WherryRegistry
from wherry.settings import Paths

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[str]:
    """The root of another machine."""
    root = str(tmp_path / "runner")
    yield root
    shutil.rmtree(Paths.for_user({}, os.geteuid(), root).run, ignore_errors=True)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[WherryRegistry]:
    with WherryRegistry(tmp_path / "registry") as registry:
        yield registry


def test_a_fresh_runner_needs_no_pip_not_even_after_an_edit(
    lesson: Lesson, tmp_path: Path, registry: WherryRegistry, runner: str
) -> None:
    context = tmp_path / "iris"
    shutil.copytree(PROJECT / "examples" / "iris", context)
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("python:3.10", lesson.base))
    ref = f"{registry.host}/team/api:cache"
    lesson.must("build", "-t", "api", "--cache-to", f"type=registry,ref={ref},mode=max", str(context))
    image = lesson.must("images", "-q", "--no-trunc", "api")
    lesson.must("save", "-o", str(tmp_path / "base.tar"), lesson.base)

    lesson.must("load", "-i", str(tmp_path / "base.tar"), WHERRY_ROOT=runner)

    def build() -> list[str]:
        done = lesson.wherry("build", "-t", "api", "--explain", "--cache-from", ref, str(context), WHERRY_ROOT=runner)
        assert done.returncode == 0, done.stderr
        assert "Collecting" not in done.stderr
        return [line for line in done.stderr.splitlines() if "RUN pip" in line and "hit" in line]

    (said,) = build()
    assert said.endswith(f"hit (nothing changed; from cache {ref})")
    assert lesson.must("images", "-q", "--no-trunc", "api", WHERRY_ROOT=runner) == image
    lesson.must("rmi", "api", WHERRY_ROOT=runner)
    lesson.must("builder", "prune", "-af", WHERRY_ROOT=runner)
    with (context / "main.py").open("a") as file:
        file.write("# edited\n")
    (said,) = build()
    assert f"read 1 file of yours: requirements.txt; from cache {ref}" in said
