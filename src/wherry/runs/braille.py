"""Curves in a terminal: braille dots, two by four in a letter, each of one column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wherry.runs.scale import Curve, axes, segments, ticks

__all__ = ["draw"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_COLORS = (34, 33, 32, 35, 36, 31)
_LABEL = 11


def draw(curves: Sequence[Curve], *, width: int = 80, height: int = 16, log: bool = False, color: bool = False) -> str:
    """Lines of at most `width` columns, with both axes' ends named and a legend. Later curves lie on top."""
    found = axes(curves, log=log)
    if found is None:
        return "no points\n"
    across, up = found
    columns = max(10, width - _LABEL - 2)
    cells = [[0] * columns for _ in range(height)]
    paint = [[0] * columns for _ in range(height)]
    for number, curve in enumerate(curves):
        for part in segments(curve.points, log):
            dots = [
                (round(across.place(step) * (columns * 2 - 1)), round((1 - up.place(value)) * (height * 4 - 1)))
                for step, value in part
            ]
            for x, y in _lines(dots):
                cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
                paint[y // 4][x // 2] = number
    labels = {round((1 - place) * (height - 1)): text for place, text in ticks(up, 4)}
    lines = [f"{labels.get(row, ''):>{_LABEL}} ┤{_row(cells[row], paint[row], color)}" for row in range(height)]
    low, high = f"{across.low:.6g}", f"{across.high:.6g}"
    lines.append(" " * (_LABEL + 2) + low + high.rjust(columns - len(low)))
    for number, curve in enumerate(curves):
        mark = _painted("──", number) if color else "──"
        lines.append(f"{' ' * (_LABEL + 2)}{mark} {curve.label}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(cells: Sequence[int], paint: Sequence[int], color: bool) -> str:
    letters = [chr(0x2800 + dots) if dots else " " for dots in cells]
    if not color:
        return "".join(letters)
    return "".join(_painted(one, number) if one != " " else one for one, number in zip(letters, paint, strict=True))


def _painted(text: str, number: int) -> str:
    return f"\x1b[{_COLORS[number % len(_COLORS)]}m{text}\x1b[0m"


def _lines(dots: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """All dots on the way from each to the next."""
    found = set(dots)
    for (x0, y0), (x1, y1) in pairwise(dots):
        count = max(abs(x1 - x0), abs(y1 - y0))
        found.update((round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count)) for i in range(1, count))
    return found
