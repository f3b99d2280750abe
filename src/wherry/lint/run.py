"""Running the rules over a subject, and repairing what they found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wherry.dockerfile.span import Span
from wherry.lint.choice import Choice, Pragmas
from wherry.lint.rule import Edit, Hit, Level, Rule
from wherry.lint.subject import Subject

__all__ = ["Finding", "fix", "run"]


class Finding(NamedTuple):
    """A rule's hit as it is told."""

    rule: Rule
    level: Level
    message: str
    span: Span
    edits: tuple[Edit, ...] = ()


def run(subject: Subject, rules: Iterable[Rule], choice: Choice) -> tuple[Finding, ...]:
    """By line, and on one line in the order of `rules`. Where two rules mean the same, the one is told that is wanted
    most: that which `same_as` names."""
    spans = [stage.span for stage in subject.stages]
    spans += [one.span for _, one in subject.instructions()]
    spans += [arg.span for arg in subject.file.global_args]
    pragmas = Pragmas({}, {})
    if choice.obeys_pragmas and any("#" in line for line in subject.file.lines):
        pragmas = Pragmas.read(subject.file.lines, spans)
    found: list[Finding] = []
    for rule in rules:
        if choice.wants(rule):
            found += [
                Finding(rule, choice.level(rule), hit.message or rule.description, hit.span, hit.edits)
                for hit in rule.check(subject)
                if _is_told(rule, hit, choice, pragmas)
            ]
    told = {(finding.rule.name, finding.span.first) for finding in found}
    kept = [one for one in found if not one.rule.same_as or (one.rule.same_as, one.span.first) not in told]
    return tuple(sorted(kept, key=lambda finding: finding.span.first))


def _is_told(rule: Rule, hit: Hit, choice: Choice, pragmas: Pragmas) -> bool:
    if not pragmas.allows(rule, hit.span.first):
        return False
    if not rule.is_experimental:
        return True
    return rule.name in choice.only or choice.checks.allows(rule) or pragmas.enables(rule, hit.span.first)


def fix(text: str, findings: Sequence[Finding]) -> tuple[str, tuple[Finding, ...]]:
    """The text with the edits of the findings that have some, and those findings.

    Of two findings whose edits overlap the first is repaired; running the rules again finds the other.
    """
    taken: list[Edit] = []
    done: list[Finding] = []
    for finding in findings:
        if finding.edits and not any(_overlap(one, other) for one in finding.edits for other in taken):
            taken += finding.edits
            done.append(finding)
    for edit in sorted(taken, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text, tuple(done)


def _overlap(one: Edit, other: Edit) -> bool:
    """Insertions at the same place count: which comes first would be chance."""
    return one.start == other.start or (one.start < other.end and other.start < one.end)
