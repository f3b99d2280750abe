"""Figures of containers that go away while they are taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from wherry.engine import containers_stats
from wherry.errors import NotFound


class _Going:
    """Is found once."""

    def __init__(self) -> None:
        self.row: Any = SimpleNamespace(id="1" * 64)

    def find(self, name: str) -> Any:
        row, self.row = self.row, None
        if row is None:
            raise NotFound(f"No such container: {name}")
        return row


def test_a_container_that_goes_meanwhile_has_no_figures() -> None:
    engine: Any = SimpleNamespace(containers=_Going())
    assert containers_stats.take(engine, ["web"], all=False) == []
