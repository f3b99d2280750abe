"""Verdicts added up, and as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.soundness.judge import Case, Fault, Verdict

__all__ = ["Totals", "first_of_each", "told"]

_FATAL = ("wrong hit", "other failure", "other configuration")


class Totals:
    """Of all worlds so far, in the order of their seeds."""

    def __init__(self) -> None:
        self.cases = 0
        self.hits = 0
        self.ideal = 0
        self.false_misses = 0
        self.worlds = 0
        self.faults: list[tuple[int, Fault]] = []
        self.crashes: list[tuple[int, str]] = []
        self.by_template: dict[str, Counter[str]] = {}
        self.kinds: Counter[str] = Counter()
        self.missed: list[tuple[int, Case]] = []

    def add(self, seed: int, verdict: Verdict) -> None:
        self.worlds += 1
        self.cases += len(verdict.cases)
        self.faults += [(seed, fault) for fault in verdict.faults]
        for case in verdict.cases:
            self._count(case)
            if case.ideal and not case.is_hit:
                self.missed.append((seed, case))

    def _count(self, case: Case) -> None:
        missed = bool(case.ideal) and not case.is_hit
        self.hits += case.is_hit
        self.kinds[case.kind] += 1
        self.ideal += bool(case.ideal)
        self.false_misses += missed
        counts = self.by_template.setdefault(case.name.partition("; ")[0], Counter())
        counts.update({"cases": 1, "hits": case.is_hit, "ideal": bool(case.ideal), "false misses": missed})

    def of_kind(self, kind: str) -> list[tuple[int, Fault]]:
        return [(seed, fault) for seed, fault in self.faults if fault.kind == kind]

    @property
    def is_sound(self) -> bool:
        return not self.crashes and not any(fault.kind in _FATAL for _, fault in self.faults)

    def text(self, seconds: float, first: int) -> Iterator[str]:
        """The lines of the summary. `first` is the first world's seed."""
        for seed in dict.fromkeys(seed for seed, _ in self.faults):
            for fault in first_of_each([fault for number, fault in self.faults if number == seed]):
                yield from told(seed, fault)
        for seed, trace in self.crashes:
            yield f"CRASH of world {seed}: make soundness N=1 SEED={seed}\n{trace}"
        wrong = [fault for kind in _FATAL for _, fault in self.of_kind(kind)]
        share = 100 * self.false_misses / self.ideal if self.ideal else 0.0
        last = first + self.worlds - 1
        yield f"cases:        {self.cases} in {self.worlds} worlds (seeds {first} to {last})"
        yield "              a case is one RUN step after one edit: its result with the warm cache was compared, file"
        yield "              by file, with its result made anew without cache"
        yield f"wrong hits:   {len(wrong)}"
        yield f"false misses: {self.false_misses} of {self.ideal} cases where an ideal cache would hit ({share:.1f} %)"
        yield f"hits:         {self.hits} of {self.cases} cases ({100 * self.hits / max(1, self.cases):.0f} %)"
        by_key = f"{self.kinds['traced']} by what the step read, {self.kinds['ordinary']} by the ordinary key"
        yield f"              {by_key}"
        yield f"set apart:    {len(self.of_kind('other layers'))} with the same tree in other layers, "
        yield f"              {len(self.of_kind('unsteady'))} where two builds without cache differ"
        yield f"              {len(self.of_kind('other when traced'))} where a step does something else when traced"
        yield f"crashes:      {len(self.crashes)}"
        yield f"seconds:      {seconds:.0f}"

    def table(self) -> Iterator[str]:
        """Per template: how often it was a case, hit, should have hit, and missed in vain. Then each false miss."""
        for seed, case in self.missed:
            yield f"false miss of world {seed}: {case.text}\n   {case.reason}"
        yield f"{'template':32} {'cases':>6} {'hits':>6} {'ideal':>6} {'missed':>6}"
        for name, counts in sorted(self.by_template.items(), key=lambda item: (-item[1]["false misses"], item[0])):
            yield (
                f"{name[:32]:32} {counts['cases']:6} {counts['hits']:6} {counts['ideal']:6} {counts['false misses']:6}"
            )


def first_of_each(faults: Sequence[Fault]) -> list[Fault]:
    """Of one world: a step that went wrong in one state often does so in the next."""
    return list({(one.kind, one.target, one.made_by): one for one in reversed(faults)}.values())[::-1]


def told(seed: int, fault: Fault) -> Iterator[str]:
    yield f"{fault.kind.upper()}: world {seed}, state {fault.state}, stage {fault.target}"
    if fault.made_by:
        yield f"   step:  {fault.made_by}"
    yield f"   path:  /{fault.path}" if fault.path or fault.kind == "wrong hit" else "   "
    yield f"   what:  {fault.what}"
    yield f"   again: make soundness N=1 SEED={seed}"
