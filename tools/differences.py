"""Writes the second half of docs/differences.md from the marks in the code: `make docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TARGET = PROJECT / "docs" / "differences.md"
SOURCES = PROJECT / "src" / "wherry"
LINE = "<!-- Below: written by `make docs` from the marks in the code. Do not edit. -->\n"
MARK = re.compile(r"Differs from docker(?: 26)?:\s*")


def marks(source: str) -> list[str]:
    """What is said behind each mark: to the end of its comment, or of its docstring's paragraph."""
    found = []
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if not (match := MARK.search(line)):
            continue
        words = [line[match.end() :]]
        is_comment = line.lstrip().startswith("#")
        for more in lines[number + 1 :]:
            text = more.strip()
            if '"""' in words[-1] or not text or text.startswith("#") != is_comment:
                break
            words.append(text.lstrip("# "))
        said = " ".join(words).partition('"""')[0]
        found.append(re.sub(r"\s+", " ", said.partition(" Raises:")[0]).strip().rstrip("."))
    return found


def generated() -> str:
    """One line for each mark, by file."""
    rows = []
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES)
        rows += [f"- `{name}`: {said.replace('<', '&lt;')}\n" for said in marks(path.read_text())]
    return "".join(rows)


def page(text: str) -> str:
    """`text`, its second half anew."""
    head, line, _ = text.partition(LINE)
    assert line, "docs/differences.md has lost the line above which people write"
    return head + line + "\n" + generated()


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text()))
    print(f"wrote {TARGET}", file=sys.stderr)
