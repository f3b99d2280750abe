"""How keywords and names are written: upper or lower case."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Expose, From, Instruction
from wherry.lint.rule import Edit, Hit, rule
from wherry.lint.subject import Subject

__all__ = ["consistent_instruction_casing", "expose_proto_casing", "from_as_casing", "stage_name_casing"]

_FROM = re.compile(r"(?P<keyword>\S+)(?:\s+--\S+)*\s+\S+\s+(?P<as>[aA][sS])\s+(?P<name>\S+)\s*")


def _replaced(subject: Subject, one: From | Instruction, start: int, end: int, text: str) -> tuple[Edit, ...]:
    return (subject.logical(one.span).edit(start, end, text),)


def _origins(subject: Subject) -> Iterator[tuple[From, re.Match[str]]]:
    for stage in subject.stages:
        if match := _FROM.fullmatch(stage.origin.text):
            yield stage.origin, match


@rule("StageNameCasing", "warning", "Stage names should be lowercase")
def stage_name_casing(subject: Subject) -> Iterator[Hit]:
    for origin, match in _origins(subject):
        name = match["name"]
        if name != name.lower():
            edits = _replaced(subject, origin, *match.span("name"), name.lower())
            yield Hit(origin.span, f"Stage name '{name}' should be lowercase", edits)


@rule("FromAsCasing", "warning", "The 'as' keyword should match the case of the 'from' keyword")
def from_as_casing(subject: Subject) -> Iterator[Hit]:
    for origin, match in _origins(subject):
        keyword, word = match["keyword"], match["as"]
        wanted = "AS" if keyword.isupper() else "as" if keyword.islower() else word
        if word != wanted:
            edits = _replaced(subject, origin, *match.span("as"), wanted)
            yield Hit(origin.span, f"'{word}' and '{keyword}' keywords' casing do not match", edits)


@rule(
    "ConsistentInstructionCasing",
    "warning",
    "All commands within the Dockerfile should use the same casing (either upper or lower)",
)
def consistent_instruction_casing(subject: Subject) -> Iterator[Hit]:
    """Global ARGs are not looked at, as BuildKit has it."""
    found: list[tuple[From | Instruction, str]] = []
    for stage in subject.stages:
        found += [(one, one.text.split(maxsplit=1)[0]) for one in (stage.origin, *stage.instructions)]
    lower = sum(word.islower() for _, word in found)
    upper = sum(word.isupper() for _, word in found)
    is_lower = lower > upper
    for one, word in found:
        wanted = word.lower() if is_lower else word.upper()
        if word != wanted:
            casing = "lowercase" if is_lower else "uppercase"
            message = f"Command '{word}' should match the case of the command majority ({casing})"
            yield Hit(one.span, message, _replaced(subject, one, 0, len(word), wanted))


@rule("ExposeProtoCasing", "warning", "Protocol in EXPOSE instruction should be lowercase")
def expose_proto_casing(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Expose):
            for port in one.ports:
                protocol = port.partition("/")[2]
                if "$" not in protocol and protocol != protocol.lower():
                    edits = subject.edit(one.span, port, port.lower()) if "$" not in port else ()
                    yield Hit(one.span, f"Defined protocol '{port}' in EXPOSE instruction should be lowercase", edits)
