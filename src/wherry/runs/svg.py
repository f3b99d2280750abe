"""Curves as SVG: small, the same bytes for the same curves, no library."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from wherry.runs.scale import Axis, Curve, axes, segments, ticks

__all__ = ["COLORS", "svg"]

# Okabe and Ito's, told apart by everybody
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a6d00")
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 36, 16, 40


def svg(curves: Sequence[Curve], title: str, *, log: bool = False, width: int = 800, height: int = 450) -> str:
    """One document. Curves without a value that can be drawn stand in the legend alone."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{width / 2:g}" y="22" text-anchor="middle" font-size="15">{_text(title)}</text>',
    ]
    found = axes(curves, log=log)
    if found is None:
        lines.append(f'<text x="{width / 2:g}" y="{height / 2:g}" text-anchor="middle">no points</text>')
    else:
        box = (width - _LEFT - _RIGHT, height - _TOP - _BOTTOM)
        lines += _grid(found, box)
        for number, curve in enumerate(curves):
            lines += _curve(curve, COLORS[number % len(COLORS)], found, box)
    for number, curve in enumerate(curves):
        y = _TOP + 14 + 16 * number
        lines.append(f'<rect x="{_LEFT + 8}" y="{y - 8}" width="14" height="3" fill="{COLORS[number % len(COLORS)]}"/>')
        lines.append(f'<text x="{_LEFT + 28}" y="{y - 2}">{_text(curve.label)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _text(text: str) -> str:
    """XML can't have control characters, not even escaped."""
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))


def _grid(found: tuple[Axis, Axis], box: tuple[int, int]) -> list[str]:
    across, up = found
    width, height = box
    lines = [f'<rect x="{_LEFT}" y="{_TOP}" width="{width}" height="{height}" fill="none" stroke="#999"/>']
    for place, text in ticks(up):
        y = _TOP + height * (1 - place)
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + width}" stroke="#ddd"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for place, text in ticks(across):
        x = _LEFT + width * place
        lines.append(f'<text x="{x:.1f}" y="{_TOP + height + 18}" text-anchor="middle">{text}</text>')
    lines.append(f'<text x="{_LEFT + width / 2:g}" y="{_TOP + height + 34}" text-anchor="middle">step</text>')
    return lines


def _curve(curve: Curve, color: str, found: tuple[Axis, Axis], box: tuple[int, int]) -> list[str]:
    across, up = found
    lines = []
    for part in segments(curve.points, up.is_log):
        places = [
            f"{_LEFT + box[0] * across.place(step):.1f} {_TOP + box[1] * (1 - up.place(value)):.1f}"
            for step, value in part
        ]
        if len(places) == 1:
            x, _, y = places[0].partition(" ")
            lines.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{color}"/>')
        else:
            lines.append(f'<path d="M{"L".join(places)}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    return lines
