"""Columns as Go's text/tabwriter aligns them for docker: at least ten wide, three spaces between.

A column is a run of lines next to each other whose cell ends with a tab; a line without that cell ends the run.
Spec: https://pkg.go.dev/text/tabwriter@go1.24.4
"""

from __future__ import annotations

__all__ = ["MIN_WIDTH", "PADDING", "aligned"]

MIN_WIDTH, PADDING = 10, 3


def aligned(text: str, least: int = MIN_WIDTH) -> str:
    """Tabs become spaces; what stands behind a line's last tab stays as it is. `least` is a column's width."""
    lines = [line.split("\t") for line in text.split("\n")]
    for column in range(max(map(len, lines)) - 1):
        run: list[list[str]] = []
        for line in [*lines, []]:
            if len(line) - 1 > column:
                run.append(line)
            else:
                _pad(run, column, least)
                run = []
    return "\n".join(map("".join, lines))


def _pad(run: list[list[str]], column: int, least: int) -> None:
    width = max([least, *(len(line[column]) + PADDING for line in run)])
    for line in run:
        line[column] = line[column].ljust(width)
