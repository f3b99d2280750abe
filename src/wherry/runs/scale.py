"""From curves to a plot's coordinates: ranges, ticks, logarithms, smoothing. NaN and what is beyond 1e300 are gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Axis", "Curve", "axes", "segments", "smooth", "ticks"]

Points = Sequence[tuple[int, float]]


class Curve(NamedTuple):
    """`points` by step."""

    label: str
    points: Points


class Axis(NamedTuple):
    """From `low` to `high` of what is shown; of logarithms when `is_log`."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Between 0 and 1."""
        return ((math.log10(value) if self.is_log else value) - self.low) / (self.high - self.low)


def axes(curves: Sequence[Curve], *, log: bool = False) -> tuple[Axis, Axis] | None:
    """Of steps and of values; None when there is nothing to draw. A span of nothing is widened by one."""
    drawn = [point for curve in curves for point in curve.points if _is_drawn(point[1], log)]
    if not drawn:
        return None
    steps = [float(step) for step, _ in drawn]
    values = [math.log10(value) if log else value for _, value in drawn]
    return Axis(*_span(steps)), Axis(*_span(values), log)


def segments(points: Points, log: bool) -> list[list[tuple[int, float]]]:
    """What is joined by a line: broken at each value that can't be drawn."""
    found: list[list[tuple[int, float]]] = [[]]
    for step, value in points:
        if _is_drawn(value, log):
            found[-1].append((step, value))
        elif found[-1]:
            found.append([])
    return [one for one in found if one]


def smooth(points: Points, weight: float) -> list[tuple[int, float]]:
    """An exponential moving average without the pull to zero at its start; `weight` from 0 (none) to below 1."""
    found, average, total = [], 0.0, 0.0
    for step, value in points:
        if not math.isfinite(value):
            found.append((step, value))
            continue
        average = weight * average + (1 - weight) * value
        total = weight * total + (1 - weight)
        found.append((step, average / total))
    return found


def ticks(axis: Axis, about: int = 8) -> list[tuple[float, str]]:
    """(place between 0 and 1, text) at round numbers."""
    width = axis.high - axis.low
    raw = width / max(1, about)
    base = 10.0 ** math.floor(math.log10(raw))
    stride = next((base * one for one in (1, 2, 5) if base * one >= raw), base * 10)
    if axis.is_log:
        stride = max(1.0, round(stride))
    first = math.ceil(axis.low / stride)
    numbers = [
        number * stride for number in range(first, first + about * 3) if number * stride <= axis.high + stride / 1e6
    ]
    return [((one - axis.low) / width, _label(one, axis.is_log)) for one in numbers]


def _label(value: float, is_log: bool) -> str:
    if is_log:
        if not -300 < value < 300:
            return f"1e{value:.0f}"
        value = 10.0**value
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3g}"


def _is_drawn(value: float, log: bool) -> bool:
    # The span of floats beyond this overflows, and who logs them has diverged: a gap, as infinity is
    return abs(value) < 1e300 and (not log or value > 0)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low <= max(abs(high) * 1e-12, 1e-290):
        around = abs(high) if abs(high) > 1e-280 else 1.0
        return low - around / 2, high + around / 2
    return low, high
