"""`$NAME`, `${NAME:-default}` and their kin in text, as Compose files and env files have them.

Compose specification, 12: https://github.com/compose-spec/compose-spec/blob/v2.1.0/12-interpolation.md
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

__all__ = ["InvalidTemplate", "MissingVariable", "TemplateFault", "substitute"]

_LETTERS = frozenset("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_IN_NAMES = _LETTERS | frozenset("0123456789")
_OPERATORS = frozenset("-+?")
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
        elif following in _LETTERS:
            end = _name_end(text, at + 1)
            done += (text[start:at], _value(text[at + 1 : end], lookup, unset))
            start = end
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


def _name_end(text: str, at: int) -> int:
    """Where the name ends that begins at `at`; `at` itself, where none does."""
    if text[at : at + 1] in _LETTERS:
        while text[at : at + 1] in _IN_NAMES:
            at += 1
    return at


def _value(name: str, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(name)
    if value is None:
        unset(name)
        return ""
    return value


def _braced(text: str, at: int, last: int, lookup: Lookup, unset: Callable[[str], None], depth: int) -> tuple[str, int]:
    """The value of the `${...}` at `at`, and where it ends; `last` is the last brace that may close it."""
    end = _name_end(text, at + 2)
    name = text[at + 2 : end]
    if not name or last < end:
        raise InvalidTemplate(text)
    if text[end] == "}":
        return _value(name, lookup, unset), end + 1
    kind = text[end : end + 2] if text[end] == ":" else text[end]
    if kind[-1] not in _OPERATORS:
        raise InvalidTemplate(text)
    closing = _closing(text, at + 1, last)
    word = text[end + len(kind) : closing]
    word = substitute(word, lookup, unset, depth=depth + 1)
    value = lookup(name)
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
