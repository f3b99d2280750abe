"""YAML as a tree that knows its lines, with the core schema of YAML 1.2: what is written `no` or `12:30` is a text.

Spec: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from wherry.contract.values import TYPES, Anything, Json, Matches, OfType
from wherry.errors import InputError, nearest

__all__ = ["Node", "parse"]

T = TypeVar("T")

LIMIT_BYTES = 64 << 20
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Json] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
    **{f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")},
}  # fmt: skip
_MOST_DEEP = 200
_MOST_ALIASED = 100_000


def plain(text: str) -> Json:
    """What a scalar without quotes stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        try:
            return int(text)
        except ValueError:
            return text  # over 4300 digits
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(frozen=True)
class Node:
    """A value of the file and its line. `value` is a scalar, a Placeholder, a list of nodes, or a dict of them."""

    value: Any
    line: int
    file: str
    at: str = ""
    """Where it is in the document, as requests[0].expect, for messages."""

    def fault(self, message: str, hint: str | None = None) -> InputError:
        name = f"{self.at}: " if self.at else ""
        return InputError(f"{name}{message}", hint=hint, where=f"{self.file}:{self.line}")

    def table(self, known: Sequence[str]) -> dict[str, Node]:
        """Its members. Raises: InputError for one that is not in `known`, naming the nearest."""
        members = self.mapping()
        for name, node in members.items():
            if name not in known:
                close = nearest(name, known)
                hint = f"did you mean {close}?" if close else f"known here: {', '.join(known)}"
                raise InputError(f"{self.at + ': ' if self.at else ''}unknown key {name!r}", hint=hint,
                                 where=f"{self.file}:{node.line}")  # fmt: skip
        return members

    def mapping(self) -> dict[str, Node]:
        if not isinstance(self.value, dict):
            raise self.fault(f"must be a mapping, not {self.kind}")
        return self.value

    def sequence(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.fault(f"must be a list, not {self.kind}")
        return self.value

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.fault(f"must be a text, not {self.kind}", "put it in quotes" if self.is_scalar else None)
        return self.value

    def word(self) -> str:
        """A text, or a number as it would be written."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        return self.text()

    def integer(self, least: int, most: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            raise self.fault(f"must be a whole number from {least} to {most}, not {self.kind}")
        return self.value

    def number(self) -> float:
        """Not negative. Raises: InputError."""
        good = isinstance(self.value, int | float) and not isinstance(self.value, bool) and self.value >= 0
        if not good:
            raise self.fault(f"must be a number of 0 or more, not {self.kind}")
        try:
            return float(self.value)
        except OverflowError:
            return math.inf

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.fault(f"must be true or false, not {self.kind}")
        return self.value

    def read(self, parse: Callable[[str], T]) -> T:
        """`parse` of its text, with this place in what it raises. Raises: InputError."""
        try:
            return parse(self.word())
        except InputError as fault:
            raise self.fault(fault.message, fault.hint) if not fault.where else fault from None
        except (ValueError, re.error) as fault:
            raise self.fault(str(fault)) from None

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, dict | list)

    @property
    def kind(self) -> str:
        if isinstance(self.value, dict | list):
            return "a mapping" if isinstance(self.value, dict) else "a list"
        return "nothing" if self.value is None else repr(self.value)[:60]

    def plain(self) -> Json:
        """Without lines: JSON, with placeholders in it."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(data: bytes, file: str) -> Node:
    """Raises: InputError with the file and the line."""
    import yaml

    if len(data) > LIMIT_BYTES:
        raise InputError(f"it is larger than {LIMIT_BYTES >> 20} MiB", where=file)
    try:
        root = yaml.compose(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"not YAML: {fault.problem or fault.context}", where=f"{file}{line}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise InputError(f"not YAML: {' '.join(str(fault).split())[:200]}", where=file) from None
    except RecursionError:
        raise InputError("it is nested too deeply", where=file) from None
    if root is None:
        return Node({}, 1, file)
    return _node(root, file, "", 0, _Left(len(data) + _MOST_ALIASED))


class _Left:
    """How many values may still come. Without aliases no file has more values than bytes."""

    def __init__(self, count: int) -> None:
        self.count = count


def _node(node: Any, file: str, at: str, depth: int, left: _Left) -> Node:
    import yaml

    line = node.start_mark.line + 1
    if depth > _MOST_DEEP:
        raise InputError(f"nested more than {_MOST_DEEP} deep", where=f"{file}:{line}")
    left.count -= 1
    if left.count < 0:
        raise InputError("its aliases (*name) stand for more than can be meant", where=f"{file}:{line}")
    if isinstance(node, yaml.ScalarNode):
        return Node(_scalar(node, file, at, line), line, file, at)
    if node.tag.startswith("!"):
        raise InputError(f"{at}: unknown tag {node.tag}", where=f"{file}:{line}", hint=_TAGS)
    if isinstance(node, yaml.SequenceNode):
        below = [_node(one, file, f"{at}[{number}]", depth + 1, left) for number, one in enumerate(node.value)]
        return Node(below, line, file, at)
    members: dict[str, Node] = {}
    for key, value in node.value:
        where = f"{file}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{at}: a key must be a text", where=where)
        if key.value in members:
            raise InputError(f"{at + ': ' if at else ''}key {key.value!r} stands here twice", where=where)
        members[key.value] = _node(value, file, f"{at}.{key.value}" if at else key.value, depth + 1, left)
    return Node(members, line, file, at)


_TAGS = f"!any, !regex PATTERN, or !type with one of {', '.join(TYPES)}"


def _scalar(node: Any, file: str, at: str, line: int) -> Json:
    where = f"{file}:{line}"
    match node.tag:
        case "!any":
            return Anything()
        case "!type":
            if node.value not in TYPES:
                close = nearest(node.value, TYPES)
                raise InputError(f"{at}: unknown type {node.value!r}", where=where,
                                 hint=f"did you mean {close}?" if close else f"one of {', '.join(TYPES)}")  # fmt: skip
            return OfType(node.value)
        case "!regex":
            try:
                re.compile(node.value)
            except re.error as fault:
                raise InputError(f"{at}: {node.value!r} is no regular expression: {fault}", where=where) from None
            return Matches(node.value)
        case tag if tag.startswith("!") and tag != "!":
            raise InputError(f"{at}: unknown tag {tag}", where=where, hint=_TAGS)
    return plain(node.value) if not node.style and node.tag != "!" else node.value
