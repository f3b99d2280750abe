"""What the integration tests share: a root for containers (container_lab), a root with a Python image (lesson)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, add_busybox, eventually, traces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.compose_lab import Compose
    from tests.integration.lesson import Lesson


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """A root that has a Python base image, made once for all tests that need one (half a minute)."""
    from tests.integration.lesson import Lesson

    made = Lesson(tmp_path_factory.mktemp("lesson"), dict(os.environ))
    made.bootstrap()
    return made


@pytest.fixture(scope="session")
def postgres(lesson: Lesson) -> str:
    """An image with PostgreSQL in the lesson's root, built once for all tests that need one (a minute)."""
    from tests.integration.example_lab import postgres_image

    return postgres_image(lesson)


@pytest.fixture
def project() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Wherry]]:
    """Another root with the busybox image in it."""
    made: list[Wherry] = []

    def make() -> Wherry:
        found = Wherry(tmp_path_factory.mktemp("root"))
        made.append(found)
        add_busybox(found)
        return found

    yield make
    for one in made:
        one.remove_all()
        subprocess.run(["rm", "-rf", str(one.root), one.paths.run], check=True)


@pytest.fixture(scope="session")
def session_root(make_root: Callable[[], Wherry]) -> Wherry:
    return make_root()


@pytest.fixture
def wherry(session_root: Wherry) -> Iterator[Wherry]:
    """wherry over the session's root; at the end all containers are removed, and nothing else may be left."""
    yield session_root
    session_root.remove_all()
    eventually(lambda: not traces(session_root.paths), f"traces go: {traces(session_root.paths)}", 10)


@pytest.fixture
def compose(wherry: Wherry, tmp_path: Path) -> Iterator[Compose]:
    """A Compose project over the session's root; at the end it is gone."""
    from tests.integration.compose_lab import Compose

    found = Compose(wherry, tmp_path / "project")
    yield found
    found.clean()
