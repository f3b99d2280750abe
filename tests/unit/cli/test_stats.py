from __future__ import annotations

from typing import Any

import pytest

from wherry.cli.stats import _binary, _row
from wherry.engine.containers_rows import ContainerRow
from wherry.engine.containers_stats import Stats

ROW = ContainerRow("0123456789abcdef" * 4, "api", "", "", 0, "ready", "", (), {}, (), False, "{}")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (228 << 10, "228KiB"), (64 << 20, "64MiB"), (25_277_000_000, "23.54GiB"),
     (1536 << 10, "1.5MiB"), (356_352, "348KiB")],
)  # fmt: skip
def test_memory_is_shown_as_docker_shows_it(size: int, text: str) -> None:
    assert _binary(size) == text


def test_a_row() -> None:
    found: dict[str, Any] = dict(
        _row(Stats(ROW, "0123", 50.034, 356_352, 64 << 20, 1296, 516, 442_368, 10_485_760, 3), whole=False)
    )
    assert found == {
        "Container": "0123", "Name": "api", "ID": "0123456789ab", "CPUPerc": "50.03%", "MemUsage": "348KiB / 64MiB",
        "MemPerc": "0.53%", "NetIO": "1.3kB / 516B", "BlockIO": "442kB / 10.5MB", "PIDs": "3",
    }  # fmt: skip


def test_one_that_does_not_run_uses_nothing() -> None:
    found = _row(Stats(ROW), whole=True)
    assert (found["ID"], found["Container"]) == (ROW.id, "0123456789ab")
    assert (found["MemUsage"], found["MemPerc"], found["CPUPerc"]) == ("0B / 0B", "0.00%", "0.00%")
