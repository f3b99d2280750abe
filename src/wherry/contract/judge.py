"""One answer beside what the contract says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from wherry.contract.call import Answer
from wherry.contract.compare import Drift, Fault, compare
from wherry.contract.model import Expect, Latency
from wherry.contract.values import Matches, parse_json
from wherry.errors import InputError

__all__ = ["Times", "Verdict", "judge", "judge_times"]

_SHOWN = 160


@dataclass(frozen=True)
class Verdict:
    faults: tuple[Fault, ...]
    drift: Drift = field(default_factory=Drift)


@dataclass(frozen=True)
class Times:
    """In seconds, of the measured requests; percentiles by the nearest rank."""

    count: int
    p50_s: float
    p95_s: float
    max_s: float

    @classmethod
    def of(cls, samples: list[float]) -> Times:
        ordered = sorted(samples) or [0.0]

        def rank(share: int) -> float:
            return ordered[max(0, -(-share * len(ordered) // 100) - 1)]

        return cls(len(samples), rank(50), rank(95), ordered[-1])


def judge(answer: Answer, expect: Expect) -> Verdict:
    """Status first: what an error page says is told, and not compared with the expected body."""
    if not _status_fits(answer.status, expect):
        return Verdict((Fault("", _wrong_status(answer, expect)),))
    faults = [*_headers(answer, expect)]
    drift = Drift()
    if expect.has_json:
        try:
            actual = parse_json(answer.body)
        except InputError as fault:
            kind = answer.content_type or "nothing said of its type"
            faults.append(Fault("", f"the answer is no JSON ({kind}): {fault.message}; it begins {_begin(answer)}"))
        else:
            found = compare(expect.json, actual, expect)
            faults += found.faults
            drift = found.drift
    elif expect.text is not None:
        faults += _text(answer, expect.text)
    elif expect.digest and (got := f"sha256:{sha256(answer.body).hexdigest()}") != expect.digest:
        faults.append(Fault("", f"expected the bytes {expect.digest[:19]}, got {got[:19]} ({len(answer.body)} bytes)"))
    return Verdict(tuple(faults), drift)


def judge_times(times: Times, bounds: Latency) -> list[Fault]:
    found = []
    pairs = (("p50", times.p50_s, bounds.p50_s), ("p95", times.p95_s, bounds.p95_s), ("max", times.max_s, bounds.max_s))
    for name, took, bound in pairs:
        if bound is not None and took > bound:
            found.append(Fault("", f"{name} latency {milliseconds(took)} is over {milliseconds(bound)}"
                                   f" ({times.count} measured)"))  # fmt: skip
    return found


def milliseconds(value: float) -> str:
    """1.2ms, 35ms, 1250ms."""
    return f"{value * 1000:.3g}ms" if value < 1 else f"{value * 1000:.0f}ms"


def _status_fits(status: int, expect: Expect) -> bool:
    return status in expect.statuses if expect.statuses else 200 <= status <= 299


def _wrong_status(answer: Answer, expect: Expect) -> str:
    wanted = " or ".join(map(str, expect.statuses)) or "2xx"
    said = f"expected status {wanted}, got {answer.status}"
    if 300 <= answer.status <= 399 and (where := answer.headers.get("location")):
        return f"{said}, to {where[:_SHOWN]} (redirects are not followed)"
    return f"{said}; it says {_begin(answer)}" if answer.body else said


def _begin(answer: Answer) -> str:
    if b"\0" in answer.body[:_SHOWN]:
        return f"{len(answer.body)} bytes that are no text"
    text = " ".join(answer.body[: _SHOWN * 4].decode("utf-8", "replace").split())
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def _headers(answer: Answer, expect: Expect) -> list[Fault]:
    found = []
    for name, wanted in expect.headers.items():
        actual = answer.headers.get(name)
        if actual is None:
            found.append(Fault("", f"header {name} is missing"))
        elif isinstance(wanted, Matches):
            if not wanted.fits(actual):
                found.append(Fault("", f"header {name}: expected {wanted}, got {actual[:_SHOWN]!r}"))
        elif actual != wanted:
            found.append(Fault("", f"header {name}: expected {wanted!r}, got {actual[:_SHOWN]!r}"))
    return found


def _text(answer: Answer, wanted: str | Matches) -> list[Fault]:
    try:
        actual = answer.body.decode()
    except UnicodeDecodeError:
        return [Fault("", f"the answer is no UTF-8 text: {len(answer.body)} bytes")]
    if wanted.fits(actual) if isinstance(wanted, Matches) else actual == wanted:
        return []
    shown = str(wanted) if isinstance(wanted, Matches) else f"the text {wanted[:_SHOWN]!r}"
    return [Fault("", f"expected {shown}, got {_begin(answer)}")]
