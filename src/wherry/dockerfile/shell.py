"""Shell words: quotes, escapes and variables, as the Dockerfile language has them.

Spec: https://github.com/moby/buildkit/blob/v0.17.0/frontend/dockerfile/docs/reference.md#environment-replacement
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.dockerfile.glob import PatternError, replace, trim_prefix, trim_suffix
from wherry.errors import DockerfileError

__all__ = ["SPACE", "Expansion", "Lex", "WordError"]

SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_SPECIAL = frozenset("@*#?-$!0")
_DEEPEST = 64  # `${a:-${b:-...}}`: more than anyone writes, less than Python's stack


class WordError(DockerfileError):
    """A word that can't be expanded. Raised without a place; `expander` adds it."""


class Expansion(NamedTuple):
    """`words` is the text split at unquoted spaces. `used` and `missing` are the names that were, or were not, set."""

    text: str
    words: tuple[str, ...]
    used: frozenset[str]
    missing: frozenset[str]


class Lex(NamedTuple):
    """How to read a word. `escape` is the file's escape character.

    `keeps_quotes`, `keeps_escapes`: leave them in the result. `ignores_quotes`: quotes are ordinary characters (heredoc
    text). `skips_unset`: leave variables that are not set as they are written.
    """

    escape: str = "\\"
    keeps_quotes: bool = False
    keeps_escapes: bool = False
    ignores_quotes: bool = False
    skips_unset: bool = False

    def process(self, word: str, env: Mapping[str, str]) -> str:
        """The word with variables put in and quotes and escapes taken off. Raises: WordError."""
        if not self._is_special(word):
            return word
        return _Scan(self, word, env).all()[0]

    def words(self, word: str, env: Mapping[str, str]) -> list[str]:
        """The same, split at the spaces that no quote protects (those of a variable's value too). Raises: WordError."""
        return _Scan(self, word, env).all()[1]

    def trace(self, word: str, env: Mapping[str, str]) -> Expansion:
        """The same with what was looked up. Raises: WordError."""
        scan = _Scan(self, word, env)
        text, words = scan.all()
        return Expansion(text, tuple(words), frozenset(scan.used), frozenset(scan.missing))

    def _is_special(self, word: str) -> bool:
        return "$" in word or self.escape in word or (not self.ignores_quotes and ("'" in word or '"' in word))


class _Words:
    """Collects words while the text goes by."""

    __slots__ = ("current", "done")

    def __init__(self) -> None:
        self.done: list[str] = []
        self.current: list[str] = []

    def raw(self, text: str) -> None:
        self.current.append(text)

    def split(self, text: str) -> None:
        for char in text:
            if char not in SPACE:
                self.current.append(char)
            elif self.current:
                self.end()

    def end(self) -> list[str]:
        # A quoted nothing ("") is no word: as BuildKit
        if word := "".join(self.current):
            self.done.append(word)
        self.current = []
        return self.done


class _Scan:
    """One pass over one word."""

    __slots__ = ("depth", "env", "keeps_escapes", "lex", "missing", "pos", "text", "used")

    def __init__(self, lex: Lex, text: str, env: Mapping[str, str]) -> None:
        self.lex = lex
        self.text = text
        self.env = env
        self.pos = 0
        self.depth = 0
        self.keeps_escapes = lex.keeps_escapes
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def all(self) -> tuple[str, list[str]]:
        try:
            return self.until("", self.lex.keeps_escapes)
        except WordError as fault:
            raise WordError(f"failed to process {self.text!r}: {fault}") from None

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.pos : self.pos + 1]

    def next(self) -> str:
        char = self.text[self.pos : self.pos + 1]
        self.pos += 1
        return char

    def until(self, stop: str, keeps_escapes: bool) -> tuple[str, list[str]]:
        """Text and words up to the character `stop`, which is taken too; "" means the end of the text."""
        before, self.keeps_escapes = self.keeps_escapes, keeps_escapes
        result: list[str] = []
        words = _Words()
        while char := self.peek():
            if char == stop:
                self.pos += 1
                break
            self._one(char, result, words)
        else:
            if stop:
                raise WordError(f"unexpected end of statement while looking for matching {stop}")
        self.keeps_escapes = before
        return "".join(result), words.end()

    def _one(self, char: str, result: list[str], words: _Words) -> None:
        if char == "$":
            value = self._dollar()
            result.append(value)
            words.split(value)
        elif char in "'\"" and not self.lex.ignores_quotes:
            value = self._single() if char == "'" else self._double()
            result.append(value)
            words.raw(value)
        elif char == "<" and self.text.startswith("<<", self.pos):
            # Spaces between << and its word belong to the word, so that `RUN << EOF` is found
            start = self.pos
            self.pos += 2
            while self.peek() and self.peek() in " \t":
                self.pos += 1
            result.append(self.text[start : self.pos])
            words.raw(self.text[start : self.pos])
        elif char == self.lex.escape:
            self.pos += 1
            if self.keeps_escapes:
                result.append(char)
                words.raw(char)
            if escaped := self.peek():
                self.pos += 1
                result.append(escaped)
                words.raw(escaped)
        else:
            self.pos += 1
            result.append(char)
            words.split(char)

    def _single(self) -> str:
        end = self.text.find("'", self.pos + 1)
        if end < 0:
            raise WordError("unexpected end of statement while looking for matching single-quote")
        inner = self.text[self.pos + 1 : end]
        self.pos = end + 1
        return f"'{inner}'" if self.lex.keeps_quotes else inner

    def _double(self) -> str:
        self.pos += 1
        quote = '"' if self.lex.keeps_quotes else ""
        result = [quote]
        while char := self.peek():
            if char == "$":
                result.append(self._dollar())
                continue
            self.pos += 1
            if char == '"':
                return "".join([*result, quote])
            if char == self.lex.escape:
                if self.keeps_escapes:
                    result.append(char)
                following = self.peek()
                if not following:
                    continue
                if following in {'"', "$", self.lex.escape}:  # the escape stays before anything else, as in sh
                    self.pos += 1
                    char = following
            result.append(char)
        raise WordError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self.pos += 1
        if self.peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._value(name)
            return (f"${name}" if self.lex.skips_unset else "") if value is None else value
        self.pos += 1
        if not self.peek():
            raise WordError("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise WordError("syntax error: bad substitution")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise WordError(f"syntax error: more than {_DEEPEST} variables inside each other")
        value = self._braced(self._name())
        self.depth -= 1
        return value

    def _braced(self, name: str) -> str:
        modifier = self.next()
        if not modifier:
            raise WordError("syntax error: missing '}'")
        if modifier == "}":
            value = self._value(name)
            return (f"${{{name}}}" if self.lex.skips_unset else "") if value is None else value
        if modifier == "/":
            return self._replacement(name)
        null_is_unset = modifier == ":"
        sign = self.next() if null_is_unset else modifier
        if sign in _MODIFIERS or (null_is_unset and sign):
            word = self._rest("}", "syntax error: missing '}'", sign in {"#", "%"})
            value = self._value(name)
            if value is None and self.lex.skips_unset:
                return f"${{{name}{':' if null_is_unset else ''}{sign}{word}}}"
            if sign in _MODIFIERS and not (null_is_unset and sign in "#%"):
                return _MODIFIERS[sign](name, value, word, null_is_unset)
        shown = modifier + sign if null_is_unset else modifier
        raise WordError(f"unsupported modifier ({shown}) in substitution")

    def _rest(self, stop: str, missing: str, keeps_escapes: bool) -> str:
        try:
            return self.until(stop, keeps_escapes)[0]
        except WordError:
            if not self.peek():
                raise WordError(missing) from None
            raise

    def _replacement(self, name: str) -> str:
        """${name/pattern/replacement}, or // for all."""
        every = self.peek() == "/"
        if every:
            self.pos += 1
        pattern = self._rest("/", "syntax error: missing '/' in ${}", True)
        replacement = self._rest("}", "syntax error: missing '}'", True)
        value = self._value(name)
        if value is None and self.lex.skips_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        try:
            return replace(value or "", pattern, replacement, every)
        except PatternError as fault:
            raise WordError(f"invalid pattern ({pattern}) in substitution: {fault}") from None

    def _name(self) -> str:
        """A variable's name, a position (digits) or one special parameter; "" when nothing fits."""
        text, start = self.text, self.pos
        first = self.peek()
        if first.isdecimal():
            while self.peek().isdecimal():
                self.pos += 1
        elif first in _SPECIAL and first:
            self.pos += 1
        else:
            while (char := self.peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self.pos += 1
        return text[start : self.pos]

    def _value(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.missing if value is None else self.used).add(name)
        return value


def _default(_: str, value: str | None, word: str, null_is_unset: bool) -> str:
    return word if value is None or (null_is_unset and not value) else value


def _alternative(_: str, value: str | None, word: str, null_is_unset: bool) -> str:
    return "" if value is None or (null_is_unset and not value) else word


def _required(name: str, value: str | None, word: str, null_is_unset: bool) -> str:
    if value is None:
        raise WordError(f"{name}: {word or 'is not allowed to be unset'}")
    if null_is_unset and not value:
        raise WordError(f"{name}: {word or 'is not allowed to be empty'}")
    return value


def _without(trim: Callable[[str, str, bool], str], sign: str) -> Callable[[str, str | None, str, bool], str]:
    def apply(_: str, value: str | None, word: str, __: bool) -> str:
        longest = word.startswith(sign)
        pattern = word[1:] if longest else word
        try:
            return trim(value or "", pattern, longest)
        except PatternError as fault:
            raise WordError(f"invalid pattern ({pattern}) in substitution: {fault}") from None

    return apply


_MODIFIERS: Mapping[str, Callable[[str, str | None, str, bool], str]] = {
    "-": _default,
    "+": _alternative,
    "?": _required,
    "#": _without(trim_prefix, "#"),
    "%": _without(trim_suffix, "%"),
}
