"""What `wherry verify` prints: a table of requests, one of checks, and the faults in full below."""

from __future__ import annotations

from wherry.contract.judge import milliseconds
from wherry.contract.report import FAILED, WARNED
from wherry.engine.verify import is_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.render import Output
    from wherry.contract.compare import Drift
    from wherry.engine import Engine
    from wherry.engine.verify import Verified

__all__ = ["tables"]


def tables(engine: Engine, verified: Verified, out: Output) -> None:
    if out.err_is_terminal:
        out.status("")
    if verified.results:
        rows = [
            (one.name, str(one.status or "-"), "ok" if one.is_good else "BROKEN", _drift(one.drift),
             milliseconds(one.times.p50_s) if one.times.count else "-")
            for one in verified.results
        ]  # fmt: skip
        out.table(["REQUEST", "STATUS", "RESULT", "DRIFT", "LATENCY"], rows)
        out.line()
    if verified.checks:
        words = {FAILED: "BROKEN", WARNED: "warning"}
        out.table(["CHECK", "RESULT", "WHAT"], [(one.name, words.get(one.state, "ok"), _first(one.message))
                                                for one in verified.checks])  # fmt: skip
        out.line()
    _faults(verified, out)
    if verified.pairs:
        _pairs(engine, verified, out)
    out.line(verified.summary)


def _faults(verified: Verified, out: Output) -> None:
    from wherry.cli.render import clean

    broken = [(one.name, [str(fault) for fault in one.faults]) for one in verified.results if not one.is_good]
    broken += [(one.name, [one.message]) for one in verified.checks if one.state == FAILED]
    for name, faults in broken:
        out.line(clean(name))
        for fault in faults:
            for line in fault.splitlines():
                out.line(f"  {clean(line)}")
        out.line()


def _pairs(engine: Engine, verified: Verified, out: Output) -> None:
    from wherry.cli.render import clean

    out.line(f"Compared with {clean(verified.against)}:")
    rows = [
        (one.name, "same" if one.is_good else "DIFFERS", _number(one.drift.absolute), _number(one.drift.relative),
         f"{milliseconds(one.second.p50_s)} (was {milliseconds(one.first.p50_s)})")
        for one in verified.pairs
    ]  # fmt: skip
    out.table(["REQUEST", "RESULT", "MAX ABS", "MAX REL", "LATENCY"], rows)
    out.line()
    for one in verified.pairs:
        for fault in one.faults:
            out.line(f"{clean(one.name)}: {clean(str(fault))}")
    if any(one.faults for one in verified.pairs):
        out.line()
    if not is_url(verified.target) and not is_url(verified.against):
        _images(engine, verified, out)


def _images(engine: Engine, verified: Verified, out: Output) -> None:
    """Sizes and packages of the two images."""
    from wherry.cli.render import human_size
    from wherry.engine.image_diff import diff

    before, after = (engine.images.resolve(name) for name in (verified.against, verified.target))
    out.line(f"size: {human_size(after.size)} (was {human_size(before.size)})")
    packages = diff(engine, before, after).packages
    if packages:
        rows = [(one.name, one.change, one.from_version or "-", one.to_version or "-") for one in packages]
        out.table(["PACKAGE", "CHANGE", "FROM", "TO"], rows)
    out.line()


def _drift(drift: Drift) -> str:
    return _number(drift.relative) if drift.numbers else "-"


def _number(value: float) -> str:
    return f"{value:.2g}" if value else "0"


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""
