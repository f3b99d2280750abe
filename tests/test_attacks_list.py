"""docs/dev/attacks.md names tests: they are there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_every_attack_names_tests_that_are_there() -> None:
    text = (PROJECT / "docs" / "dev" / "attacks.md").read_text()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(named) > 40
    sources: dict[str, str] = {}
    for path in (PROJECT / "tests").rglob("test_*.py"):
        sources[path.name] = sources.get(path.name, "") + path.read_text()
    assert [f"{file}::{test}" for file, test in named if f"def {test}(" not in sources.get(file, "")] == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    assert [row for row in rows if "test_" not in row and "| none: " not in row] == []
