"""`$NAME`, `${NAME:-default}` and their kin in text, as Compose files and env files have them.

Compose specification, 12: https://github.com/compose-spec/compose-spec/blob/v2.1.0/12-interpolation.md
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

__all__ = ["InvalidTemplate", "MissingVariable", "TemplateFault", "substitute"]

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":?[-+?]")
_DEEPEST = 100  # defaults within defaults


class TemplateFault(ValueError):
    """A text can't be expanded."""


class InvalidTemplate(TemplateFault):
    """`${` without a name, an operator that is none, or no `}` in its line. `template` is the text it stands in."""

    def __init__(self, template: str) -> None:
        super().__init__(f'Invalid template: "{template}"')
        self.template = template


class MissingVariable(TemplateFault):
    """`${NAME:?why}` without a value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"required variable {name} is missing a value" + (f": {why}" if why else ""))
        self.name = name


def substitute(text: str, lookup: Lookup, unset: Callable[[str], None], *, depth: int = 0) -> str:
    """
    `text` with its variables replaced; `unset` is told each name that has no value and no operator.

    A default is expanded also where it isn't needed, as docker-compose does: what is wrong in it is always told. `$`
    before anything but a name, `{` or `$` stands for itself.

    Raises:
        TemplateFault: InvalidTemplate or MissingVariable.
    """
    at = text.find("$")
    if at < 0:
        return text
    if depth > _DEEPEST:
        raise InvalidTemplate(text)
    done: list[str] = []
    start, last, last_until = 0, -1, -1  # the last brace of the line that is being read, and where that line ends
    while at >= 0:
        following = text[at + 1 : at + 2]
        if following == "$":
            done += (text[start:at], "$")
            start = at + 2
        elif named := _NAME.match(text, at + 1):
            done += (text[start:at], _value(named[0], lookup, unset))
            start = named.end()
        elif following == "{":
            if at > last_until:
                newline = text.find("\n", at)
                last_until = len(text) if newline < 0 else newline
                last = text.rfind("}", at, last_until)
            value, end = _braced(text, at, last, lookup, unset, depth)
            done += (text[start:at], value)
            start = end
        at = text.find("$", max(start, at + 1))
    return "".join([*done, text[start:]])


def _value(name: str, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(name)
    if value is None:
        unset(name)
        return ""
    return value


def _braced(text: str, at: int, last: int, lookup: Lookup, unset: Callable[[str], None], depth: int) -> tuple[str, int]:
    """The value of the `${...}` at `at`, and where it ends; `last` is the last brace that may close it."""
    named = _NAME.match(text, at + 2)
    if not named or last < named.end():
        raise InvalidTemplate(text)
    if text[named.end()] == "}":
        return _value(named[0], lookup, unset), named.end() + 1
    operator = _OPERATOR.match(text, named.end())
    if not operator:
        raise InvalidTemplate(text)
    closing = _closing(text, at + 1, last)
    name, word = named[0], text[operator.end() : closing]
    word = substitute(word, lookup, unset, depth=depth + 1)
    value, kind = lookup(name), operator[0]
    is_there = bool(value) if kind[0] == ":" else value is not None
    if kind[-1] == "+":
        return (word if is_there else value or ""), closing + 1
    if is_there:
        return value or "", closing + 1
    if kind[-1] == "?":
        raise MissingVariable(name, word)
    return word, closing + 1


def _closing(text: str, opening: int, last: int) -> int:
    """The brace that closes the one at `opening`, else the last one of the line.

    What directly follows an opening brace counts as no brace: so does docker-compose, and `${A:-{}}` depends on it.
    """
    opened, at = 0, opening
    while at <= last:
        if text[at] == "}":
            opened -= 1
            if not opened:
                return at
        elif text[at] == "{":
            opened += 1
            at += 1
        at += 1
    return last
