"""Running the rules over a subject, and repairing what they found."""

from __future__ import annotations

from bisect import bisect_left, insort
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
    """By line, and on one line in the order of `rules`. Where two rules mean the same, the one is told that `same_as`
    names, and none when a comment or a setting silences either of them there."""
    pragmas = _pragmas(subject, choice)
    told: list[tuple[Finding, int]] = []
    silent: set[tuple[str, int]] = set()
    for rule in rules:
        if not choice.looks_for(rule):
            continue
        for hit in rule.check(subject):
            line = hit.twin or hit.span.first
            if choice.wants(rule) and _is_told(rule, hit, choice, pragmas):
                found = Finding(rule, choice.level(rule), hit.message or rule.description, hit.span, hit.edits)
                told.append((found, line))
            else:
                silent |= {(rule.name, line), (rule.same_as, line)}
    places = {(one.rule.name, line) for one, line in told}
    kept = [
        one
        for one, line in told
        if (one.rule.name, line) not in silent
        and not (one.rule.same_as and {(one.rule.same_as, line)} & (places | silent))
    ]
    return tuple(sorted(kept, key=lambda finding: finding.span.first))


def _pragmas(subject: Subject, choice: Choice) -> Pragmas:
    if not choice.obeys_pragmas or not any("#" in line for line in subject.file.lines):
        return Pragmas({}, {})
    spans = [stage.span for stage in subject.stages]
    spans += [one.span for _, one in subject.instructions()]
    spans += [arg.span for arg in subject.file.global_args]
    return Pragmas.read(subject.file.lines, spans)


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
        if finding.edits and not any(_overlaps(one, taken) for one in finding.edits):
            for one in finding.edits:
                insort(taken, one)
            done.append(finding)
    parts, at = [], 0
    for edit in taken:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]]), tuple(done)


def _overlaps(one: Edit, taken: Sequence[Edit]) -> bool:
    """`taken` is sorted and has no overlaps, so its neighbours decide. Insertions at the same place count: which comes
    first would be chance."""
    place = bisect_left(taken, one.start, key=lambda edit: edit.start)
    near = taken[max(0, place - 1) : place + 1]
    return any(one.start == other.start or (one.start < other.end and other.start < one.end) for other in near)
