"""The example's own tests, in a build step, as its README says."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.lesson import PROJECT, Lesson

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")
DOCKERFILE = """\
FROM {base}
WORKDIR /app
COPY requirements*.txt ./
RUN pip install -q -r requirements-test.txt
COPY . .
RUN python -m pytest -q -p no:cacheprovider
"""


def test_the_examples_tests_pass_on_the_lessons_base_image(lesson: Lesson) -> None:
    context = lesson.folder / "iris"
    shutil.copytree(PROJECT / "examples" / "iris", context, ignore=shutil.ignore_patterns(".dockerignore"))
    (context / "Dockerfile").write_text(DOCKERFILE.format(base=lesson.base))
    done = lesson.wherry("build", "--progress", "plain", str(context))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "9 passed" in said
