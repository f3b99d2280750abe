"""The commands in the documentation: indented blocks, marked or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["PROJECT", "Line", "commands", "pages", "runnable"]

PROJECT = Path(__file__).resolve().parents[1]
MARK = "<!-- run -->"


class Line(NamedTuple):
    """One command line as a reader would type it, its comment included."""

    page: str
    number: int
    text: str


def pages() -> list[Path]:
    """What users read. docs/dev and docs/adr are for people who work on wherry."""
    return [
        PROJECT / "README.md",
        *sorted((PROJECT / "docs").glob("*.md")),
        *sorted(PROJECT.glob("examples/*/README.md")),
    ]


def commands(page: Path) -> list[Line]:
    """Every indented line that starts with `wherry`, with the lines that a backslash joins to it."""
    found = []
    lines = page.read_text().splitlines()
    for number, text in enumerate(lines, 1):
        if re.match(r"    wherry [a-z-]", text):
            joined, at = text.strip(), number
            while joined.endswith("\\") and at < len(lines):
                joined = joined[:-1] + lines[at].strip()
                at += 1
            found.append(Line(page.name, number, joined))
    return found


def runnable(page: Path) -> list[str]:
    """The indented blocks that follow a mark, in order: they run one after the other, in one folder."""
    blocks, lines = [], page.read_text().splitlines()
    for number, text in enumerate(lines):
        if text.strip() == MARK:
            block = []
            for line in lines[number + 2 :]:
                if line and not line.startswith("    "):
                    break
                block.append(line[4:])
            blocks.append("\n".join(block).strip() + "\n")
    return blocks
