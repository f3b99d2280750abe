"""Restart policies decide as docker's, from exit codes and how long a run was."""

from __future__ import annotations

import pytest

from wherry.runtime.monitor_restart import Restarts

ALWAYS = {"name": "always", "max": 0}


def delays(runs_s: list[float]) -> list[float | None]:
    restarts = Restarts()
    return [restarts.after(ALWAYS, 0, ran_s, stopped=False) for ran_s in runs_s]


def test_waiting_doubles_from_100_ms_to_a_minute() -> None:
    assert delays([0] * 12) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]


def test_a_run_of_ten_seconds_begins_again_at_100_ms() -> None:
    assert delays([0, 9.9, 10, 0, 0]) == [0.1, 0.2, 0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("name", "most", "count", "code", "stopped", "again"),
    [
        ("no", 0, 0, 1, False, False),
        ("always", 0, 50, 0, False, True),
        ("always", 0, 0, 1, True, False),
        ("unless-stopped", 0, 0, 0, False, True),
        ("unless-stopped", 0, 0, 1, True, False),
        ("on-failure", 0, 99, 1, False, True),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 0, 0, -9, False, True),
        ("on-failure", 2, 1, 1, False, True),
        ("on-failure", 2, 2, 1, False, False),
        ("on-failure", 2, 0, 1, True, False),
    ],
)
def test_the_policy_says_whether(name: str, most: int, count: int, code: int, stopped: bool, again: bool) -> None:
    found = Restarts(count).after({"name": name, "max": most}, code, 1, stopped=stopped)
    assert (found is not None) is again
