"""What a misspelled name may have meant, and names in quotes as Go writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable

__all__ = ["quoted", "suggestion"]

_FARTHEST = 2
_LONGEST = 100


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def suggestion(name: str, known: Iterable[str]) -> str:
    """The nearest of the names that are at most two letters away, the first in the alphabet of equally near ones."""
    best, least = "", _FARTHEST + 1
    for other in sorted(known):
        if abs(len(other) - len(name)) < least and len(name) <= _LONGEST:
            distance = _distance(name, other)
            if 0 < distance < least:
                best, least = other, distance
    return best


def _distance(one: str, other: str) -> int:
    """Letters to put in, take out or change (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for column, wanted in enumerate(other, 1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (letter != wanted))
    return row[-1]
