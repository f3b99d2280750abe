"""Writes docs/adr/README.md from the pages' own titles: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "adr"
TARGET = FOLDER / "README.md"
HEAD = """\
# Decisions

<!-- Written by `make docs` from the pages' titles: do not edit. -->

One page for each decision: what it was about, what was decided, what was rejected, what follows, and how we would
notice that it was wrong. A page is never changed afterwards; a later one takes its place and says so.

| | |
|---|---|
"""


def title(page: Path) -> str:
    """The first heading, without the number."""
    heading = page.read_text().splitlines()[0].lstrip("# ").strip()
    number = page.name[:4]
    return heading.removeprefix("ADR ").removeprefix(number).lstrip(":.- ").strip()


def index() -> str:
    """The whole page."""
    pages = sorted(FOLDER.glob("[0-9]*.md"))
    return HEAD + "".join(f"| [{page.name[:4]}]({page.name}) | {title(page)} |\n" for page in pages)


if __name__ == "__main__":
    TARGET.write_text(index())
    print(f"wrote {TARGET}", file=sys.stderr)
