"""What verify found, as JSON and as JUnit XML.

JUnit: https://github.com/jenkinsci/xunit-plugin/blob/xunit-3.1.5/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wherry.contract.beside import Beside
from wherry.contract.compare import Drift
from wherry.contract.judge import Times
from wherry.contract.run import Result

__all__ = ["ARTIFACT_TYPE", "FAILED", "PASSED", "WARNED", "Check", "document", "is_kept", "junit"]

ARTIFACT_TYPE = "application/vnd.wherry.verification.v1+json"
PASSED, WARNED, FAILED = "passed", "warned", "failed"


@dataclass(frozen=True)
class Check:
    """One thing that the cloud does, and what the container made of it. `state` is passed, warned or failed."""

    name: str
    state: str
    message: str = ""


def document(
    facts: dict[str, Any], results: Sequence[Result], checks: Sequence[Check], pairs: Sequence[Beside] = ()
) -> dict[str, Any]:
    """`facts` stand first: what was verified, when, by what. No NaN in it: strict readers take it."""
    is_good = is_kept(results, checks, pairs)
    found = {
        "version": 1,
        "passed": is_good,
        **facts,
        "requests": [
            {"name": one.name, "method": one.request.method, "path": one.request.path, "status": one.status,
             "passed": one.is_good, "faults": [str(fault) for fault in one.faults], "drift": _drift(one.drift),
             "latency": _times(one.times)}
            for one in results
        ],
        "checks": [{"name": one.name, "state": one.state, "message": one.message} for one in checks],
    }  # fmt: skip
    if pairs:
        found["against"] = [
            {"name": one.name, "passed": one.is_good, "faults": [str(fault) for fault in one.faults],
             "drift": _drift(one.drift), "latency": [_times(one.first), _times(one.second)]}
            for one in pairs
        ]  # fmt: skip
    return found


def is_kept(results: Sequence[Result], checks: Sequence[Check], pairs: Sequence[Beside] = ()) -> bool:
    answers = all(one.is_good for one in results) and all(one.is_good for one in pairs)
    return answers and all(one.state != FAILED for one in checks)


def _drift(drift: Drift) -> dict[str, Any]:
    return {"absolute": _finite(drift.absolute), "relative": _finite(drift.relative), "path": drift.path,
            "numbers": drift.numbers}  # fmt: skip


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else "Infinity"


def _times(times: Times) -> dict[str, float]:
    return {"count": times.count, "p50_ms": round(times.p50_s * 1e3, 3), "p95_ms": round(times.p95_s * 1e3, 3),
            "max_ms": round(times.max_s * 1e3, 3)}  # fmt: skip


def junit(
    target: str, results: Sequence[Result], checks: Sequence[Check], pairs: Sequence[Beside], when: str, took_s: float
) -> str:
    """`when` is ISO 8601 without a zone, as the schema has it."""
    cases = [
        _case("contract", one.name, one.times.p50_s * one.times.count, [str(fault) for fault in one.faults])
        for one in results
    ]
    cases += [_case("against", one.name, 0.0, [str(fault) for fault in one.faults]) for one in pairs]
    cases += [
        _case("cloud", one.name, 0.0, [one.message] if one.state == FAILED else [],
              one.message if one.state == WARNED else "")
        for one in checks
    ]  # fmt: skip
    failures = sum("<failure " in one for one in cases)
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0"'
    name = _escaped(f"wherry verify {target}")
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="{name}" {counts} time="{took_s:.3f}">',
        f'  <testsuite name="{name}" {counts} skipped="0" timestamp="{when}" hostname="localhost" time="{took_s:.3f}">',
        *cases,
        "  </testsuite>",
        "</testsuites>",
        "",
    ])  # fmt: skip


def _case(group: str, name: str, took_s: float, faults: Sequence[str], remark: str = "") -> str:
    head = f'    <testcase classname="wherry.{group}" name="{_escaped(name)}" time="{took_s:.6f}"'
    if faults:
        text = _escaped("\n".join(faults))
        return (
            f'{head}>\n      <failure message="{_escaped(faults[0])}" type="{group}">{text}</failure>\n    </testcase>'
        )
    if remark:
        return f"{head}>\n      <system-out>{_escaped(remark)}</system-out>\n    </testcase>"
    return f"{head}/>"


def _escaped(text: str) -> str:
    """For an attribute or a text; what XML 1.0 can't hold becomes a replacement character."""
    allowed = "".join(
        c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
        for c in text
    )
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#10;")):
        allowed = allowed.replace(char, name)
    return allowed
