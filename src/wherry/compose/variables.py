"""The variables that a tree refers to, and what they are when they are not set: `compose config --variables`."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    from wherry.compose.tree import Tree
else:
    from wherry.lean import NamedTuple

__all__ = ["Variable", "variables"]

_REFERENCE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[_a-zA-Z][_a-zA-Z0-9]*)|(?P<braced>\{))")
_NAME = re.compile(r"[_a-zA-Z0-9]*")
_DEEPEST = 100


class Variable(NamedTuple):
    """A name; whether it must be set; what stands for it when it isn't, and what when it is."""

    name: str
    required: bool = False
    default: str = ""
    alternate: str = ""


def variables(tree: Tree) -> list[Variable]:
    """Give the variables of all values, by name; what one of several references says of a name counts."""
    found: dict[str, Variable] = {}
    for text in _texts(tree):
        for each in _of_text(text, 0):
            known = found.get(each.name, each)
            found[each.name] = Variable(
                each.name,
                known.required or each.required,
                known.default or each.default,
                known.alternate or each.alternate,
            )
    return [found[name] for name in sorted(found)]


def _texts(value: Tree) -> Iterator[str]:
    # Differs from docker: it overlooks mappings within lists
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _of_text(text: str, depth: int) -> Iterator[Variable]:
    at = 0
    while depth < _DEEPEST and (match := _REFERENCE.search(text, at)):
        at = match.end()
        if match["named"]:
            yield Variable(match["named"])
        elif match["braced"]:
            end = _closing(text, at)
            yield from _of_braces(text[at:end], depth)
            at = end


def _closing(text: str, at: int) -> int:
    """Where the brace closes that was opened before `at`."""
    depth = 1
    while at < len(text):
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        elif text.startswith("${", at):
            depth += 1
        at += 1
    return len(text)


def _of_braces(text: str, depth: int) -> Iterator[Variable]:
    match = _NAME.match(text)
    name = match[0] if match else ""
    rest = text[len(name) :].removeprefix(":")
    if not name:
        return
    kind, word = rest[:1], rest[1:]
    yield Variable(name, kind == "?", word if kind == "-" else "", word if kind == "+" else "")
    if kind in {"-", "+"}:
        yield from _of_text(word, depth + 1)
