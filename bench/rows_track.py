"""Tracking: what it costs a program that trains. No docker in it: the second column is the program without it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.engines import PROJECT, Engine
from bench.rows import Pair, Row, Setup, alternate

POINTS = 10_000
_LOOP = """
import time
from math import exp
{begin}
began = time.perf_counter()
for step in range({points}):
    loss = exp(-step / 1000)
    {log}
took = time.perf_counter() - began
{end}
print(took)
"""


def total(setup: Setup) -> Pair:
    """A whole program: start, import, a run with 10,000 points, its end on the disk."""
    return _within(alternate(setup, 9, lambda engine, _: _loop(setup, engine)[0]))


def calls(setup: Setup) -> Pair:
    """The loop alone. 10,000 calls at 20 \u00b5s are 0.2 s."""
    return _within(alternate(setup, 9, lambda engine, _: _loop(setup, engine)[1]))


def importing(setup: Setup) -> Pair:
    """`import wherry.track` over bare Python, whose start is taken from each sample of the first column."""

    def one(engine: Engine, _: int) -> float:
        return _python(setup, "import wherry.track" if engine.name == "wherry" else "pass")[0]

    found = alternate(setup, 21, one)
    _, bare = found.medians
    return Pair([max(0.0, took - bare) for took in found.wherry], found.docker, "s over")


def _within(pair: Pair) -> Pair:
    return pair._replace(unit="s within")


def _loop(setup: Setup, engine: Engine) -> tuple[float, float]:
    """(seconds of the program, seconds of its loop)"""
    begin, log, end = "", "pass", ""
    if engine.name == "wherry":
        begin, log, end = (
            "import wherry.track as track; run = track.run()",
            "run.log(loss=loss, step=step)",
            "run.finish()",
        )
    took, said = _python(setup, _LOOP.format(points=POINTS, begin=begin, log=log, end=end))
    return took, float(said)


def _python(setup: Setup, text: str) -> tuple[float, str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "src"), "WHERRY_RUNS": str(setup.folder / "runs")}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", text], env=env, cwd=setup.folder, check=True, capture_output=True,
                          text=True)  # fmt: skip
    return time.monotonic() - began, done.stdout


ROWS = (
    Row("track", "a program that logs 10,000 points (and without)", total, 1.00),
    Row("track-calls", "... its loop alone", calls, 0.20),
    Row("track-import", "import wherry.track (and bare Python)", importing, 0.03),
)
