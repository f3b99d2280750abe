"""Heredocs: `<<EOF` on an instruction's line, and the lines that follow it."""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.dockerfile.shell import Lex, WordError

__all__ = ["Heredoc"]

_WORD = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)")
_TABS = re.compile(r"^\t+", re.MULTILINE)


class Heredoc(NamedTuple):
    """`name` ends it. `raw` is the text as written, line ends kept; `content` is without leading tabs after `<<-`.

    `expands` false: the name was quoted, so that nothing in the text expands. `fd` is the number before `<<`, or 0.
    """

    name: str
    raw: str = ""
    expands: bool = True
    chomps: bool = False
    fd: int = 0

    @property
    def content(self) -> str:
        return _TABS.sub("", self.raw) if self.chomps else self.raw

    @classmethod
    def of_word(cls, word: str) -> Heredoc | None:
        """The heredoc that a word such as `<<-"EOF"` opens, with no text yet; None for any other word."""
        if "<<" not in word or not (match := _WORD.fullmatch(word)):
            return None
        fd, dash, rest = match.groups()
        if not rest:
            return None
        try:
            words = Lex(skips_unset=True).words(rest, {})
            quoted = Lex(skips_unset=True, keeps_quotes=True).words(rest, {})
        except WordError:
            return None
        if len(words) != 1 or len(quoted) != 1:
            return None
        expands = _quotes(words[0]) == _quotes(quoted[0])
        return cls(words[0], expands=expands, chomps=dash == "-", fd=min(int(fd or 0), 2**31) if len(fd) < 10 else 0)

    @classmethod
    def of_line(cls, line: str) -> list[Heredoc]:
        """Those that a whole line opens, in order."""
        if "<<" not in line:
            return []
        try:
            words = Lex(skips_unset=True, keeps_quotes=True, keeps_escapes=True).words(line, {})
        except WordError:
            return []  # an odd quote: the shell in the container will say what it thinks of it
        found = []
        depth = 0
        for word in words:
            # Differs from docker: it takes the << of `$((1 << 3))` for a heredoc and complains that it does not end
            if depth <= 0 and (doc := cls.of_word(word)):
                found.append(doc)
            depth += word.count("((") - word.count("))")
        return found


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')
