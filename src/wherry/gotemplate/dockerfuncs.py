"""The functions that docker's command line adds to Go's, and what they do to the heading of a table.

Spec: https://docs.docker.com/engine/cli/formatting/
"""

from __future__ import annotations

from wherry.gotemplate.functions import BUILTINS, Function, FunctionFault
from wherry.gotemplate.printing import to_json
from wherry.gotemplate.values import ANY, INT, STRING, List, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["FUNCTIONS", "HEADING"]

STRINGS = Type("slice", "[]string", STRING)
_LARGEST = 16 << 20


def _json(value: Any) -> str:
    try:
        return to_json(value)
    except ValueError:
        return ""  # as docker: what the encoder refuses is nothing


def _split(text: str, separator: str) -> list[str]:
    return List(STRINGS, text.split(separator) if separator else list(text))


def _join(texts: list[str], separator: str) -> str:
    if sum(map(len, texts)) + len(separator) * len(texts) > _LARGEST:
        raise FunctionFault(f"longer than {_LARGEST} characters")
    return separator.join(map(str, texts))


def _title(text: str) -> str:
    """The first letter of each word; what follows stays as it is."""
    before, out = " ", []
    for char in text:
        out.append(char if _in_word(before) else char.title())
        before = char
    return "".join(out)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_" or (ord(char) > 127 and not char.isspace())


def _each(change: Callable[[str], str], text: str) -> str:
    """Letter by letter, as Go does: none becomes two."""
    return "".join(new if len(new := change(char)) == 1 else char for char in text)


def _pad(text: str, before: int, after: int) -> str:
    if min(before, after) < 0 and text:
        raise FunctionFault("strings: negative Repeat count")
    if max(before, after) > _LARGEST:
        raise FunctionFault(f"longer than {_LARGEST} characters")
    return " " * before + text + " " * after if text else text


def _truncate(text: str, length: int) -> str:
    data = text.encode("utf-8", "surrogateescape")
    if len(data) < length:
        return text
    if length < 0:
        raise FunctionFault(f"runtime error: slice bounds out of range [:{length}]")
    return data[:length].decode("utf-8", "surrogateescape")


FUNCTIONS: Mapping[str, Function] = {
    **BUILTINS,
    "json": Function(_json, (ANY,)),
    "split": Function(_split, (STRING, STRING)),
    "join": Function(_join, (STRINGS, STRING)),
    "title": Function(_title, (STRING,)),
    "lower": Function(lambda text: _each(str.lower, text), (STRING,)),
    "upper": Function(lambda text: _each(str.upper, text), (STRING,)),
    "pad": Function(_pad, (STRING, INT, INT)),
    "truncate": Function(_truncate, (STRING, INT)),
}

# The heading stays as it is where the cells are changed; pad is not among these, since it is about columns
HEADING: Mapping[str, Function] = {
    "json": Function(lambda text: text, (STRING,)),
    "title": Function(lambda text: text, (STRING,)),
    "lower": Function(lambda text: text, (STRING,)),
    "upper": Function(lambda text: text, (STRING,)),
    "truncate": Function(lambda text, length: text, (STRING, INT)),
}
