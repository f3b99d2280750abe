"""The same requests in two places: whether the same model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from wherry.contract.call import Answer
from wherry.contract.compare import Drift, Fault
from wherry.contract.judge import Times, judge
from wherry.contract.model import Expect
from wherry.contract.run import Result
from wherry.contract.values import parse_json
from wherry.errors import InputError

__all__ = ["Beside", "beside", "expected_of"]


@dataclass(frozen=True)
class Beside:
    """One request: how the second place differs from the first. `times` of both."""

    name: str
    faults: tuple[Fault, ...]
    drift: Drift
    first: Times
    second: Times

    @property
    def is_good(self) -> bool:
        return not self.faults


def beside(first: Sequence[Result], second: Sequence[Result]) -> list[Beside]:
    """Both are of one contract. The tolerances and ignored places are the contract's; its expected values are not
    looked at, those of the first place stand in for them.
    """
    return [_one(one, other) for one, other in zip(first, second, strict=True)]


def _one(one: Result, other: Result) -> Beside:
    if one.answer is None or other.answer is None:
        missing = [place for place, result in (("first", one), ("second", other)) if result.answer is None]
        fault = Fault("", f"no answer in the {' and the '.join(missing)} place")
        return Beside(one.name, (fault,), Drift(), one.times, other.times)
    verdict = judge(other.answer, expected_of(one.answer, one.request.expect))
    return Beside(one.name, verdict.faults, verdict.drift, one.times, other.times)


def expected_of(answer: Answer, rules: Expect) -> Expect:
    """What an answer like this one would be, under the tolerances of `rules`."""
    base = replace(rules, statuses=(answer.status,), headers={}, json=None, has_json=False, text=None, digest="")
    if not answer.body:
        return replace(base, digest=f"sha256:{sha256(b'').hexdigest()}")
    try:
        if answer.is_json:
            return replace(base, json=parse_json(answer.body), has_json=True)
        return replace(base, text=answer.body.decode())
    except (InputError, UnicodeDecodeError):
        return replace(base, digest=f"sha256:{sha256(answer.body).hexdigest()}")
