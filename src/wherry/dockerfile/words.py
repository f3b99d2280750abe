"""How each instruction's text splits into words. Nothing expands here; quotes and escapes stay, except in flags."""

from __future__ import annotations

import re

from wherry.dockerfile.shell import SPACE

__all__ = ["WordsError", "command_and_rest", "flags_and_rest", "json_strings", "pairs", "quoted", "spaced"]

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SPACES = re.compile(f"[{SPACE}]+")


class WordsError(ValueError):
    """The text does not have the shape that its instruction needs: what to say after its name, and what to point at."""

    def __init__(self, message: str, word: str = "") -> None:
        super().__init__(message)
        self.word = word


def command_and_rest(line: str) -> tuple[str, str]:
    """The first word and what follows it."""
    parts = _BLANKS.split(line.strip(SPACE), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def spaced(text: str) -> list[str]:
    """Words between blanks; quotes mean nothing."""
    return _BLANKS.split(text) if text else []


def flags_and_rest(text: str) -> tuple[list[str], str]:
    """Leading `--flag[=value]` words, quotes and backslashes taken off, and the text after them; `--` ends them.

    Raises: WordsError.
    """
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACE:
            position += 1
        if not text.startswith("--", position):
            return flags, text[position:].strip(SPACE)
        word, was_quoted, position = _flag(text, position)
        if word == "--":
            return flags, text[position:].strip(SPACE)
        if word or was_quoted:
            flags.append(word)


def _flag(text: str, position: int) -> tuple[str, bool, int]:
    """The word from `position`, whether a quote was in it, and where it ends. Raises: WordsError."""
    word: list[str] = []
    quote = ""
    was_quoted = False
    while position < len(text):
        char = text[position]
        if not quote and char in SPACE:
            break
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
            was_quoted = True
        elif char == "\\":
            word.append(text[position : position + 1])
            position += 1
        else:
            word.append(char)
    if quote:
        raise WordsError(f": the quote {quote} of a flag is not closed", quote)
    return "".join(word), was_quoted, min(position, len(text))


def quoted(text: str, escape: str) -> list[str]:
    """Words between spaces that no quote or escape protects; both stay in the words."""
    if "'" not in text and '"' not in text and escape not in text:
        return [word for word in _SPACES.split(text) if word]
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in SPACE:
            position += 1
            continue
        word, position = _quoted(text, position, escape)
        if word:
            words.append(word)
    return words


def _quoted(text: str, position: int, escape: str) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while position < len(text):
        char = text[position]
        if not quote and char in SPACE:
            break
        position += 1
        if char == escape and quote != "'":
            if position == len(text):
                break  # an escape at the very end is dropped
            word.append(char)
            char = text[position]
            position += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    return "".join(word), position


def pairs(text: str, escape: str) -> list[str]:
    """ENV and LABEL: key, value, separator, key, ... . The separator is "=", or "" for the old form `KEY value`.

    Raises: WordsError.
    """
    words = quoted(text, escape)
    if not words:
        return []
    if "=" not in words[0]:
        parts = _BLANKS.split(text, maxsplit=1)
        if len(parts) < 2:
            raise WordsError(" must have two arguments", parts[0])
        return [parts[0], parts[1], ""]
    found: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise WordsError(f": can't find = in {word!r}. Must be of the form: name=value", word)
        found += [key, value, equals]
    return found


def json_strings(text: str) -> list[str] | None:
    """The JSON form; None when the text is no JSON array.

    Raises: WordsError when it is an array of other things than strings.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    import json

    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):  # "[" begins nothing else
        return None
    if not all(isinstance(value, str) for value in values):
        raise WordsError(": when using JSON array syntax, arrays must be comprised of strings only", text)
    # Half of a surrogate pair can't be written as UTF-8: Go reads it as U+FFFD
    return [value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for value in values]


def _no_constant(name: str) -> float:
    """NaN and Infinity are JavaScript's, not JSON's."""
    raise ValueError(name)
