"""What every test gets: a scrubbed environment, and `@requires`, which skips with the reason here and fails in CI."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests import needs

# No example database: a checkout that belongs to another user must do. No deadline: no test is timed. CI judges a
# change by the same examples each time; everybody else's runs look for new ones, and for fewer: EXAMPLES=1000 for more.
settings.register_profile(
    "wherry",
    database=None,
    deadline=None,
    derandomize=bool(os.environ.keys() & {"CI", "SAME_EXAMPLES"}),
    max_examples=int(os.environ.get("EXAMPLES") or (100 if "CI" in os.environ else 30)),
)
settings.load_profile("wherry")

SHARED = Path(__file__).parents[2] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requires(*names): what of the machine the test needs (tests/needs.py)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("requires"):
        for name in mark.args:
            if missing := needs.missing(name):
                if os.environ.get("CI"):
                    pytest.fail(f"CI promises {name}, but: {missing}", pytrace=False)
                pytest.skip(f"needs {name}: {missing}")


@pytest.fixture(autouse=True)
def _scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WHERRY_", "DOCKER_", "COMPOSE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def corpus() -> Callable[[str], Path]:
    """A folder of other projects' test data, beside the project; skips when it is not there."""

    def find(name: str) -> Path:
        folder = SHARED / "corpora" / name
        if not folder.exists():
            pytest.skip(f"the corpus {name} is not beside the project")
        return folder

    return find
