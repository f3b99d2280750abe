"""The checker's parent: hands seeds to worker processes, and adds up what they say in the order of the seeds."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.soundness.judge import Fault
from tests.soundness.report import Totals, first_of_each, told
from tests.soundness.shrink import picture, shrink
from tests.soundness.worker import Settings, Worker, verdict_from
from tests.soundness.world import World

__all__ = ["Plan", "check", "shrunk"]

HANG_S = 900.0
_PROJECT = Path(__file__).parents[2]


class Plan(NamedTuple):
    """`cases` to reach, from the world `seed` on; `seconds` ends it earlier (0: never)."""

    cases: int
    seed: int
    settings: Settings
    workers: int = 2
    seconds: float = 0


class _Hand:
    """One worker process. A world that takes longer than HANG_S is a hang: the process is ended, another one begins."""

    def __init__(self, settings: Settings) -> None:
        flags = ["--edits", str(settings.edits)]
        flags += [] if settings.tools else ["--no-tools"]
        flags += [] if settings.traced else ["--no-traced-cache"]
        self._argv = [sys.executable, "-m", "tests.soundness", "--worker", *flags]
        self._is_over = False
        self._process = self._start()

    def stop(self) -> None:
        """From another thread: nobody needs what it works at. It cleans up."""
        self._is_over = True
        self._process.terminate()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_PROJECT)

    def ask(self, seed: int) -> dict[str, object]:
        assert self._process.stdin
        assert self._process.stdout
        guard = threading.Timer(HANG_S, self._process.kill)
        guard.start()
        try:
            print(seed, file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            guard.cancel()
        if line:
            found: dict[str, object] = json.loads(line)
            return found
        if not self._is_over:
            self.close()
            self._process = self._start()
        return {"crash": f"the worker died or hung for {HANG_S:.0f} s"}

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()


def check(plan: Plan, say: Callable[[str], None]) -> Totals:
    """Worlds from the first seed on until there are enough cases. What is wrong is said at once."""
    answers: queue.Queue[tuple[int, dict[str, object]]] = queue.Queue()
    ended = threading.Event()
    seeds = iter(range(plan.seed, sys.maxsize))
    lock = threading.Lock()

    hands = [_Hand(plan.settings) for _ in range(plan.workers)]

    def work(hand: _Hand) -> None:
        while not ended.is_set():
            with lock:
                seed = next(seeds)
            answers.put((seed, hand.ask(seed)))
        hand.close()

    threads = [threading.Thread(target=work, args=(hand,)) for hand in hands]
    for thread in threads:
        thread.start()
    try:
        return _collect(plan, answers, say)
    finally:
        ended.set()
        for hand in hands:
            hand.stop()
        for thread in threads:
            thread.join()


def _collect(plan: Plan, answers: queue.Queue[tuple[int, dict[str, object]]], say: Callable[[str], None]) -> Totals:
    totals, waiting = Totals(), dict[int, dict[str, object]]()
    began = told_s = time.monotonic()
    seed = plan.seed
    while totals.cases < plan.cases and not (plan.seconds and time.monotonic() - began > plan.seconds):
        while seed not in waiting:
            number, answer = answers.get()
            waiting[number] = answer
        answer = waiting.pop(seed)
        if "crash" in answer:
            totals.crashes.append((seed, str(answer["crash"])))
            say(f"CRASH of world {seed}\n{answer['crash']}")
        else:
            verdict = verdict_from(answer)
            totals.add(seed, verdict)
            for fault in first_of_each(verdict.faults):
                say("\n".join(told(seed, fault)))
        seed += 1
        if time.monotonic() - told_s > 30:
            told_s = time.monotonic()
            say(f"{totals.cases} cases, {totals.hits} hits, {len(totals.faults)} faults, {told_s - began:.0f} s")
    return totals


def shrunk(seed: int, fault: Fault, settings: Settings, seconds: float = 120) -> str:
    """The fault's world made small, as text."""
    worker = Worker(settings)

    def is_wrong(world: World) -> bool:
        verdict = worker.judge(world)
        return any(one.kind == fault.kind and one.target == fault.target for one in verdict.faults)

    try:
        return "\n".join(picture(shrink(settings.world(seed), fault, is_wrong, seconds)))
    finally:
        worker.close()
