"""Each registry is started once and judged by all; each test has a repository of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conformance.targets import STARTS, Target
from tests.conformance.wire import Wire


@pytest.fixture(scope="session")
def _running() -> Iterator[tuple[ExitStack, dict[str, Target]]]:
    with ExitStack() as stack:
        yield stack, {}


@pytest.fixture(params=[pytest.param(name, marks=marks) for name, (_, marks) in STARTS.items()])
def target(
    request: pytest.FixtureRequest,
    _running: tuple[ExitStack, dict[str, Target]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Target:
    stack, started = _running
    name: str = request.param
    if name not in started:
        start, _ = STARTS[name]
        started[name] = stack.enter_context(start(tmp_path_factory.mktemp(name)))
    return started[name]


@pytest.fixture
def wire(target: Target) -> Iterator[Wire]:
    found = target.wire()
    yield found
    found.close()


@pytest.fixture
def repo() -> str:
    return f"conformance/{secrets.token_hex(6)}"
