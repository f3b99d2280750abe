"""Just enough of a terminal to see what stands on it at the end."""

from __future__ import annotations

import re

__all__ = ["Screen"]

_PIECE = re.compile(r"(\x1b\[(\d*)([A-Z]))|([^\x1b])", re.DOTALL)


class Screen:
    """Takes printable text, CR, LF, cursor up, and erase to the end of line or screen; it never scrolls."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.at = self.column = 0

    def feed(self, text: str) -> None:
        for control, number, kind, plain in _PIECE.findall(text):
            if control:
                self._control(kind, int(number or 1))
            elif plain == "\r":
                self.column = 0
            elif plain == "\n":
                self._down()
            else:
                self._put(plain)

    def _put(self, letter: str) -> None:
        if self.column >= self.columns:
            self._down()
            self.column = 0
        row = self.rows[self.at].ljust(self.column)
        self.rows[self.at] = row[: self.column] + letter + row[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.at += 1
        if self.at == len(self.rows):
            self.rows.append("")

    def _control(self, kind: str, number: int) -> None:
        if kind == "A":
            self.at -= number
            assert self.at >= 0, "went up above what was drawn"
        else:
            assert kind in {"J", "K"}, kind
            self.rows[self.at] = self.rows[self.at][: self.column]
            if kind == "J":
                del self.rows[self.at + 1 :]

    @property
    def text(self) -> list[str]:
        """The lines with something on them."""
        return [row.rstrip() for row in self.rows if row.strip()]
