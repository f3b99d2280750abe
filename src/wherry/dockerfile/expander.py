"""Expanding the words of one instruction, so that a fault names the place."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.dockerfile.heredoc import Heredoc
from wherry.dockerfile.shell import Lex, WordError
from wherry.dockerfile.span import Span

__all__ = ["Expander", "expander"]


class Expander:
    """`expander(span, lex, env)(word)` is the word with its variables put in."""

    __slots__ = ("env", "lex", "span")

    def __init__(self, span: Span, lex: Lex, env: Mapping[str, str]) -> None:
        self.span = span
        self.lex = lex
        self.env = env

    def __call__(self, word: str) -> str:
        """Raises: DockerfileError."""
        try:
            return self.lex.process(word, self.env)
        except WordError as fault:
            raise self.span.at(word).error(fault.message) from None

    def words(self, word: str) -> list[str]:
        """Split at unquoted spaces after the expansion. Raises: DockerfileError."""
        try:
            return self.lex.words(word, self.env)
        except WordError as fault:
            raise self.span.at(word).error(fault.message) from None

    def heredoc(self, file: Heredoc) -> Heredoc:
        """Its text expanded, unless its name was quoted; the escape is always a backslash. Raises: DockerfileError."""
        if not file.expands:
            return file
        try:
            text = Lex(ignores_quotes=True).process(file.content, self.env)
        except WordError as fault:
            raise self.span.error(f"in the text of <<{file.name}: {fault.message}") from None
        return file._replace(raw=text, chomps=False, expands=False)


def expander(span: Span, lex: Lex, env: Mapping[str, str]) -> Expander:
    return Expander(span, lex, env)
