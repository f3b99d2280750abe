"""Where in a Dockerfile something stands, and the excerpt that shows it."""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import DockerfileError

__all__ = ["Source", "Span", "printable"]

_AROUND = 2  # lines of context before and after, as BuildKit shows
_MIDDLE = 12  # a longer instruction (a heredoc of 500 lines) is shown by its first and last lines
_WIDTH = 240  # columns of one shown line


class Source:
    """A file's name and lines, without their line ends. Compared by identity: one per parsed file."""

    __slots__ = ("lines", "name")

    def __init__(self, name: str, lines: tuple[str, ...]) -> None:
        self.name = name
        self.lines = lines

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.lines)} lines)"


class Span(NamedTuple):
    """Lines `first` to `last`, both counted from 1 and included.

    `column` (from 1) and `end_column` (past the end) mark a part of line `first`; 0 means the whole of the lines.
    """

    source: Source
    first: int
    last: int
    column: int = 0
    end_column: int = 0

    @property
    def where(self) -> str:
        """ "Dockerfile:3"."""
        return f"{self.source.name}:{self.first}"

    def at(self, word: str) -> Span:
        """The place of `word` inside this span; the span itself when it is not there as written."""
        if not word:
            return self
        for number in range(self.first, self.last + 1):
            column = self.source.lines[number - 1].find(word) if number <= len(self.source.lines) else -1
            if column >= 0:
                return Span(self.source, number, self.last, column + 1, column + 1 + len(word))
        return self

    def excerpt(self) -> str:
        """The lines with numbers, `>>>` before those meant, and a caret line under the columns when known."""
        rule = "-" * 20
        return "\n".join([self.where, rule, *self._numbered(), rule])

    def _numbered(self) -> list[str]:
        lines = self.source.lines
        last = min(self.last, len(lines))
        shown = []
        for number in range(max(1, self.first - _AROUND), min(len(lines), last + _AROUND) + 1):
            if self.first + _MIDDLE < number < last:
                if number == last - 1:
                    shown.append("     | >>> ...")
                continue
            mark = ">>>" if self.first <= number <= last else "   "
            shown.append(f"{number:4} | {mark} {printable(lines[number - 1])}".rstrip())
            if number == self.first and self.column and self.end_column <= _WIDTH:
                carets = "^" * max(1, self.end_column - self.column)
                lead = "".join("\t" if c == "\t" else " " for c in lines[number - 1][: self.column - 1])
                shown.append(f"     |     {lead}{carets}")
        return shown

    def error(self, message: str, *, hint: str | None = None) -> DockerfileError:
        """A fault at this place, ready to raise. Words of the file may stand in the texts: they are made printable."""
        return DockerfileError(
            printable(message), hint=hint and printable(hint), where=self.where, source=self.excerpt()
        )


def printable(text: str) -> str:
    """One line for the terminal: no control character of a file reaches it, and no line of a megabyte."""
    clean = "".join(c if c.isprintable() or c == "\t" else "�" for c in text[:_WIDTH])
    return clean + ("..." if len(text) > _WIDTH else "")
