"""Curves as PNG, for places that show no SVG: the same plot, drawn by dots. No library (docs/adr/0274-plots.md)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from math import floor, hypot

from wherry.runs.glyphs import HEIGHT, WIDTH, dots
from wherry.runs.scale import Axis, Curve, axes, segments, ticks
from wherry.runs.svg import COLORS

__all__ = ["png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEFT, _TOP, _RIGHT, _BOTTOM = 160, 72, 32, 80
_LETTER = 2
_BLACK, _FRAME, _GRID = (0, 0, 0), (0x99, 0x99, 0x99), (0xDD, 0xDD, 0xDD)
_Color = tuple[int, int, int]


def png(curves: Sequence[Curve], title: str, *, log: bool = False, width: int = 1600, height: int = 900) -> bytes:
    """One picture, the same bytes for the same curves."""
    canvas = _Canvas(width, height)
    box = (width - _LEFT - _RIGHT, height - _TOP - _BOTTOM)
    canvas.text(title[:100], width / 2, 16, 0.5, size=3)
    found = axes(curves, log=log)
    if found is None:
        canvas.text("no points", width / 2, height / 2, 0.5)
    else:
        _grid(canvas, found, box)
        for number, curve in enumerate(curves):
            _curve(canvas, curve, _color(number), found, box)
    for number, curve in enumerate(curves):
        y = _TOP + 16 + 24 * number
        canvas.fill(_LEFT + 16, y + 4, 28, 6, _color(number))
        canvas.text(curve.label[:100], _LEFT + 56, y, 0)
    return canvas.encoded()


def _color(number: int) -> _Color:
    text = COLORS[number % len(COLORS)]
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _grid(canvas: _Canvas, found: tuple[Axis, Axis], box: tuple[int, int]) -> None:
    across, up = found
    width, height = box
    for place, text in ticks(up):
        y = _TOP + height * (1 - place)
        canvas.fill(_LEFT, floor(y), width, 1, _GRID)
        canvas.text(text, _LEFT - 12, y - HEIGHT, 1)
    for place, text in ticks(across):
        canvas.text(text, _LEFT + width * place, _TOP + height + 14, 0.5)
    canvas.text("step", _LEFT + width / 2, _TOP + height + 48, 0.5)
    for x, y, wide, high in ((0, 0, width, 1), (0, height, width, 1), (0, 0, 1, height), (width, 0, 1, height + 1)):
        canvas.fill(_LEFT + x, _TOP + y, wide, high, _FRAME)


def _curve(canvas: _Canvas, curve: Curve, color: _Color, found: tuple[Axis, Axis], box: tuple[int, int]) -> None:
    across, up = found
    for part in segments(curve.points, up.is_log):
        places = [(_LEFT + box[0] * across.place(step), _TOP + box[1] * (1 - up.place(value))) for step, value in part]
        if len(places) == 1:
            canvas.fill(floor(places[0][0]) - 3, floor(places[0][1]) - 3, 7, 7, color)
        for start, end in pairwise(places):
            canvas.line(start, end, color)


class _Canvas:
    """Eight bits a colour, white at first. What lies outside is left out."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._rows = [bytearray(b"\xff" * (3 * width)) for _ in range(height)]

    def fill(self, x: int, y: int, width: int, height: int, color: _Color) -> None:
        left, right = max(0, x), min(self.width, x + width)
        if left < right:
            for row in self._rows[max(0, y) : max(0, y + height)]:
                row[left * 3 : right * 3] = bytes(color) * (right - left)

    def text(self, text: str, x: float, y: float, anchor: float, size: int = _LETTER) -> None:
        """`anchor` is the part of the text that is left of `x`."""
        left = floor(x - anchor * len(text) * WIDTH * size)
        for dot_x, dot_y in dots(text):
            self.fill(left + dot_x * size, floor(y) + dot_y * size, size, size, _BLACK)

    def line(self, start: tuple[float, float], end: tuple[float, float], color: _Color) -> None:
        """Three dots wide, its edges softened."""
        (x0, y0), (x1, y1) = start, end
        is_steep = abs(y1 - y0) > abs(x1 - x0)
        if is_steep:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if x0 > x1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        slope = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
        # The half width along the other axis
        half = 1.25 * hypot(1, slope)
        for along in range(floor(x0), floor(x1) + 1):
            middle = y0 + slope * (min(max(along, x0), x1) - x0)
            for across in range(floor(middle - half), floor(middle + half) + 2):
                cover = min(1.0, half + 0.5 - abs(across - middle))
                if cover > 0:
                    self._blend(*((across, along) if is_steep else (along, across)), color, cover)

    def _blend(self, x: int, y: int, color: _Color, cover: float) -> None:
        if 0 <= x < self.width and 0 <= y < self.height:
            row, at = self._rows[y], x * 3
            for one in range(3):
                row[at + one] += round((color[one] - row[at + one]) * cover)

    def encoded(self) -> bytes:
        """PNG, second edition: RGB, no filter, one IDAT."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        data = zlib.compress(b"".join(b"\0" + bytes(row) for row in self._rows), 6)
        return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
