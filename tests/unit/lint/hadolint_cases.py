"""The cases of tests/cases/lint/hadolint.txt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["CASES", "ORACLE", "Case", "Place", "found"]

from wherry.lint.ruleset import load
from wherry.lint.subject import Subject

ORACLE = "2.15.1"
"""The version of hadolint that the cases are of."""
_FILE = Path(__file__).resolve().parents[2] / "cases" / "lint" / "hadolint.txt"
_RULES = [rule for rule in load(["hadolint"]) if rule.level != "ignore"]

Place = tuple[str, int]


class Case(NamedTuple):
    """`ours` and `theirs` are code and line; `is_readable`: hadolint can read the file."""

    shown: str
    text: str
    ours: frozenset[Place]
    theirs: frozenset[Place]
    is_readable: bool


def _case(line: str) -> Case:
    shown, _, result = line.partition("  =>")
    text = shown.replace("\\n", "\n")
    if not text.startswith(("FROM", "ARG", "#", "from")):
        text = f"FROM a:1\n{text}"
    words = result.split()
    places = {word: (word.lstrip("+-").partition("@")[0], int(word.partition("@")[2])) for word in words if word != "?"}
    ours = frozenset(place for word, place in places.items() if not word.startswith("-"))
    theirs = frozenset(place for word, place in places.items() if not word.startswith("+"))
    return Case(shown, f"{text}\n", ours, theirs, "?" not in words)


CASES = [_case(line) for line in _FILE.read_text().splitlines() if line and not line.startswith("#")]


def found(text: str) -> frozenset[Place]:
    """What wherry's rules under hadolint's numbers say; those that are off by default are not asked."""
    subject = Subject.parse(text.encode(), "Dockerfile")
    return frozenset((rule.name, hit.span.first) for rule in _RULES for hit in rule.check(subject))
