"""An answer's JSON beside the expected one: what differs, where, and how far numbers have drifted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from wherry.contract.model import Expect, Tolerance
from wherry.contract.paths import Path, shown
from wherry.contract.values import Anything, Json, Matches, OfType, distance, is_number, type_of

__all__ = ["Comparison", "Drift", "Fault", "compare"]

_SHOWN = 80
_MOST_FAULTS = 50
_MOST_PAIRED = 300
_DEFAULT = Tolerance()


@dataclass(frozen=True)
class Fault:
    """One way in which an answer breaks the contract. `path` is "" when it is not about a place in JSON."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True)
class Drift:
    """The largest distances of all numbers compared, and where each was. Numbers that are ignored do not count."""

    absolute: float = 0.0
    relative: float = 0.0
    path: str = ""
    numbers: int = 0


@dataclass(frozen=True)
class Comparison:
    faults: tuple[Fault, ...]
    drift: Drift


def compare(expected: Json, actual: Json, expect: Expect, default: Tolerance = _DEFAULT) -> Comparison:
    """`expect` has the rules; its own `json` is not looked at. At most 50 faults are told."""
    walk = _Walk(expect, default)
    walk.value((), expected, actual)
    return Comparison(tuple(walk.faults), Drift(walk.absolute, walk.relative, walk.path, walk.numbers))


@dataclass
class _Walk:
    expect: Expect
    default: Tolerance
    faults: list[Fault] = field(default_factory=list)
    absolute: float = 0.0
    relative: float = 0.0
    path: str = ""
    numbers: int = 0

    def fault(self, path: Path, message: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(shown(path), message))

    def value(self, path: Path, expected: Json, actual: Json) -> None:
        if any(one.fits(path) for one in self.expect.ignore):
            return
        if isinstance(expected, Anything):
            return
        if isinstance(expected, OfType | Matches):
            self._placeholder(path, expected, actual)
        elif is_number(expected) and is_number(actual):
            self._number(path, expected, actual)
        elif isinstance(expected, dict) and isinstance(actual, dict):
            self._object(path, expected, actual)
        elif isinstance(expected, list) and isinstance(actual, list):
            self._array(path, expected, actual)
        elif type(expected) is not type(actual):
            self.fault(path, f"expected {_a(expected)}, got {_a(actual)}")
        elif expected != actual:
            self.fault(path, f"expected {_text(expected)}, got {_text(actual)}")

    def _placeholder(self, path: Path, expected: OfType | Matches, actual: Json) -> None:
        if isinstance(expected, Matches):
            good = isinstance(actual, str) and expected.fits(actual)
        else:
            kind = type_of(actual)
            good = kind == expected.name or (expected.name == "number" and kind == "integer")
        if not good:
            self.fault(path, f"expected {expected}, got {_a(actual)}")

    def _number(self, path: Path, expected: float, actual: float) -> None:
        absolute, relative = distance(expected, actual)
        self.numbers += 1
        if (relative, absolute) > (self.relative, self.absolute) or not self.path:
            self.path = shown(path)
        self.absolute, self.relative = max(self.absolute, absolute), max(self.relative, relative)
        allowed = self._tolerance(path)
        both_whole = isinstance(expected, int) and isinstance(actual, int)
        if both_whole and allowed.exact_integers:
            good = expected == actual
        else:
            good = absolute <= allowed.absolute or relative <= allowed.relative
        if not good:
            off = f"{absolute:.3g} off, {relative:.3g} of it"
            kind = "exactly" if both_whole and allowed.exact_integers else (
                f"within {allowed.absolute:g} or {allowed.relative:g} of it")  # fmt: skip
            self.fault(path, f"expected {_text(expected)} {kind}, got {_text(actual)} ({off})")

    def _tolerance(self, path: Path) -> Tolerance:
        return next((how for where, how in reversed(self.expect.tolerances) if where.covers(path)), self.default)

    def _object(self, path: Path, expected: dict[str, Json], actual: dict[str, Json]) -> None:
        for name, value in expected.items():
            if name in actual:
                self.value((*path, name), value, actual[name])
            elif not any(one.fits((*path, name)) for one in self.expect.ignore):
                self.fault((*path, name), "missing")
        if self.expect.additional:
            return
        for name, value in actual.items():
            if name not in expected and not any(one.fits((*path, name)) for one in self.expect.ignore):
                self.fault((*path, name), f"not in the contract: {_text(value)}")

    def _array(self, path: Path, expected: list[Json], actual: list[Json]) -> None:
        if len(expected) != len(actual):
            self.fault(path, f"expected {len(expected)} elements, got {len(actual)}")
            return
        if any(one.fits(path) for one in self.expect.unordered):
            actual = self._paired(path, expected, actual)
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            self.value((*path, index), one, other)

    def _paired(self, path: Path, expected: list[Json], actual: list[Json]) -> list[Json]:
        """The elements in the order that fits best: each expected one beside one that it accepts, if there is."""
        if len(expected) > _MOST_PAIRED:
            # Too many for a try of all with all; sorted alike they stand beside each other unless numbers drifted
            return [actual[at] for at in _ranked_like(expected, actual)]
        fits = [[at for at, one in enumerate(actual) if self._accepts((*path, number), wish, one)]
                for number, wish in enumerate(expected)]  # fmt: skip
        owner: dict[int, int] = {}
        for number in range(len(expected)):
            _augment(number, fits, owner, set())
        found = {number: at for at, number in owner.items()}
        rest = iter([at for at in range(len(actual)) if at not in owner])
        return [actual[found[number] if number in found else next(rest)] for number in range(len(expected))]

    def _accepts(self, path: Path, expected: Json, actual: Json) -> bool:
        trial = _Walk(self.expect, self.default)
        trial.value(path, expected, actual)
        return not trial.faults


def _augment(number: int, fits: list[list[int]], owner: dict[int, int], seen: set[int]) -> bool:
    """One path of the matching of a bipartite graph (Kuhn's method)."""
    for at in fits[number]:
        if at not in seen:
            seen.add(at)
            if at not in owner or _augment(owner[at], fits, owner, seen):
                owner[at] = number
                return True
    return False


def _ranked_like(expected: list[Json], actual: list[Json]) -> list[int]:
    def key(value: Json) -> str:
        return json.dumps(value, sort_keys=True, default=str)

    ranks = sorted(range(len(expected)), key=lambda at: key(expected[at]))
    order = sorted(range(len(actual)), key=lambda at: key(actual[at]))
    return [at for _, at in sorted(zip(ranks, order, strict=True))]


def _a(value: Json) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'an array'} {_text(value)}"
    return f"{type_of(value)} {_text(value)}" if value is not None else "null"


def _text(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, int) else _digits(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _digits(value: int) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    # Python refuses to write numbers of more than 4300 digits
    return str(value) if value.bit_length() < 4000 else f"a number of {value.bit_length()} bits"
