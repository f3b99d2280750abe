"""pytest fixtures: `pytest_plugins = ["wherry.testing.fixtures"]` in a conftest.py.

`wherry_engine` (session)   the engine of this machine; WHERRY_ROOT moves it
`throwaway` (function)      a function as `wherry.testing.throwaway`, whose containers live until the test ends; when it
                            fails, their last lines are part of the report
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from wherry.api.engine import Engine
from wherry.errors import WherryError
from wherry.testing.throwaway import Throwaway
from wherry.testing.throwaway import throwaway as started

__all__ = ["throwaway", "wherry_engine"]

_LINES = 60
_LIVING = pytest.StashKey[list[Throwaway]]()


@pytest.fixture(scope="session")
def wherry_engine() -> Iterator[Engine]:
    """Closed at the end of the session."""
    with Engine() as engine:
        yield engine


@pytest.fixture
def throwaway(wherry_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Callable[..., Throwaway]]:
    """Call it with an image, a command and the arguments of `wherry.testing.throwaway`."""
    living = request.node.stash.setdefault(_LIVING, [])
    with ExitStack() as stack:

        def start(image: str, command: Any = (), **wishes: Any) -> Throwaway:
            container = stack.enter_context(started(wherry_engine, image, command, **wishes))
            living.append(container)
            return container

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # fmt: skip
    """While the containers of a failed test are still there, what they wrote joins the report."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.when == "call" and report.failed:
        for container in item.stash.get(_LIVING, ()):
            try:
                section = f"container {container.name}", container.logs(tail=_LINES)
            except WherryError as fault:
                # The test removed it, or it keeps no log: a fault in here would end the whole session
                section = repr(container), fault.message
            report.sections.append(section)
    return report  # type: ignore[return-value]
