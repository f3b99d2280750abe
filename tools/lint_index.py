"""The table of rules in docs/lint.md, from the rules themselves."""

from __future__ import annotations

from pathlib import Path

from wherry.lint.ruleset import load

__all__ = ["TARGET", "page"]

TARGET = Path(__file__).resolve().parents[1] / "docs" / "lint.md"
_MARK = "<!-- rules: written by tools/lint_index.py -->\n"


def page() -> str:
    """The whole page: what stands above the mark is kept."""
    head, mark, _ = TARGET.read_text().partition(_MARK)
    assert mark, f"{TARGET} has no line {_MARK}"
    rows = [
        f"| [{rule.name}]({rule.page}) | {'off' if rule.is_experimental else rule.level} | {rule.description} |"
        for rule in load()
    ]
    return head + mark + "\n".join(["", "| rule | level | what |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    TARGET.write_text(page())
