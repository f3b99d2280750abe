"""JSON values as contracts compare them, and what may stand in place of one."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from wherry.errors import InputError

__all__ = ["TYPES", "Anything", "Json", "Matches", "OfType", "Placeholder", "parse_json", "type_of"]

Json: TypeAlias = Any
"""None, bool, int, float, str, list or dict; in an expected document also a Placeholder."""

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_MOST_DEEP = 200


@dataclass(frozen=True)
class Anything:
    """!any: whatever is there, but it must be there."""

    def __str__(self) -> str:
        return "anything"


@dataclass(frozen=True)
class OfType:
    """!type NAME, with the names of JSON Schema. A number without a fraction is an integer too."""

    name: str

    def __str__(self) -> str:
        return f"a value of type {self.name}"


@dataclass(frozen=True)
class Matches:
    """!regex PATTERN: a string with a place that matches; anchors are the pattern's own."""

    pattern: str

    def __str__(self) -> str:
        return f"a text that matches {self.pattern!r}"

    def fits(self, text: str) -> bool:
        return re.search(self.pattern, text) is not None


Placeholder: TypeAlias = Anything | OfType | Matches


def type_of(value: Json) -> str:
    """JSON Schema's name for what it is; a whole number is an integer also when it is written 1.0."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def parse_json(data: bytes) -> Json:
    """NaN and Infinity are taken, as Python's and NumPy's servers write them. Raises: InputError, in words."""
    try:
        value = json.loads(data)
    except RecursionError:
        raise InputError("it is nested too deeply") from None
    except ValueError as fault:
        # Text from outside, and numbers of more than 4300 digits
        raise InputError(str(fault).partition("; use sys.")[0]) from None
    if _depth(value) > _MOST_DEEP:
        raise InputError(f"it is nested more than {_MOST_DEEP} deep")
    return value


def _depth(value: Json) -> int:
    deepest, pending = 0, [(value, 1)]
    while pending:
        one, depth = pending.pop()
        deepest = max(deepest, depth)
        if depth > _MOST_DEEP:
            break
        if isinstance(one, dict):
            pending += [(each, depth + 1) for each in one.values()]
        elif isinstance(one, list):
            pending += [(each, depth + 1) for each in one]
    return deepest


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def distance(one: float, other: float) -> tuple[float, float]:
    """(absolute, relative to the larger one), exact for whole numbers of any size; infinite when one is not finite.

    The same in both directions.
    """
    if one == other or (_is_nan(one) and _is_nan(other)):
        return 0.0, 0.0
    if not (math.isfinite(_bounded(one)) and math.isfinite(_bounded(other))):
        return math.inf, math.inf
    from fractions import Fraction

    left, right = Fraction(one), Fraction(other)
    apart, scale = abs(left - right), max(abs(left), abs(right))
    return _float(apart), _float(apart / scale)


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _bounded(value: float) -> float:
    """A whole number beyond all floats is finite all the same."""
    return 0.0 if isinstance(value, int) else value


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
