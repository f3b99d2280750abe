"""The commands in the documentation: indented blocks, marked or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["PROJECT", "Line", "beside", "commands", "files", "pages", "runnable"]

PROJECT = Path(__file__).resolve().parents[1]
MARK = "<!-- run -->"
BESIDE = "<!-- run beside the rest -->"
"""What a second terminal runs until the end."""


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
    """Every indented line that starts with `wherry`, with the lines that a backslash joins to it; and what stands
    behind a pipe."""
    found = []
    lines = page.read_text().splitlines()
    for number, text in enumerate(lines, 1):
        if re.match(r"    wherry [a-z-]", text):
            joined, at = text.strip(), number
            while joined.endswith("\\") and at < len(lines):
                joined = joined[:-1] + lines[at].strip()
                at += 1
            found.append(Line(page.name, number, joined))
        elif behind := re.match(r"    \w[^|]*\| (wherry [a-z-].*)", text):
            found.append(Line(page.name, number, behind[1]))
    return found


def runnable(page: Path) -> list[str]:
    """The indented blocks that follow a mark, in order: they run one after the other, in one folder."""
    return [block for mark, block in _marked(page) if mark in (MARK, BESIDE)]


def beside(page: Path) -> set[str]:
    """Those of the runnable blocks that go on while the others run."""
    return {block for mark, block in _marked(page) if mark == BESIDE}


def files(page: Path) -> dict[str, str]:
    """The YAML that the page shows under a name: blocks whose first line is `# NAME.yaml`."""
    return dict(re.findall(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))


def _marked(page: Path) -> list[tuple[str, str]]:
    blocks, lines = [], page.read_text().splitlines()
    for number, text in enumerate(lines):
        if text.strip() in (MARK, BESIDE):
            block = []
            for line in lines[number + 2 :]:
                if line and not line.startswith("    "):
                    break
                block.append(line[4:])
            blocks.append((text.strip(), "\n".join(block).strip() + "\n"))
    return blocks
