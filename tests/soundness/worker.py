"""A worker process: one world after the other, a seed a line on stdin, a verdict as JSON a line on stdout."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sys
import tempfile
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.soundness.judge import Case, Fault, Judge, Verdict
from tests.soundness.lab import Root, available_tools
from tests.soundness.world import World, make_world

__all__ = ["Settings", "Worker", "serve", "verdict_from", "verdict_to"]


class Settings(NamedTuple):
    """`edits` is the number of states after the first; `tools` False: no world needs more than busybox."""

    edits: int = 7
    tools: bool = True
    traced: bool = True

    def world(self, seed: int) -> World:
        return make_world(seed, available_tools() if self.tools else frozenset(), self.edits)


class Worker:
    """The pair of roots with the large image is kept: what is in it is set apart by each world's salt."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._large: tuple[Root, Root] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="soundness-"))

    def close(self) -> None:
        for root in self._large or ():
            root.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def judge(self, world: World) -> Verdict:
        with ExitStack() as stack:
            if world.image == "busybox":
                pair = self._pair(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)), with_tools=False)
                for root in pair:
                    stack.callback(root.close)
            else:
                self._large = self._large or self._pair(str(self._folder), with_tools=True)
                pair = self._large
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
            numbers = itertools.count()

            def move() -> Root:
                found = Root(place / str(next(numbers)), with_tools=False, luggage=place / "luggage")
                stack.callback(found.close)
                return found

            first, anew = pair
            if world.travels:
                first = move()
            return Judge(first, anew, place / "context", traced=self._settings.traced, move=move).world(world)

    def _pair(self, folder: str, *, with_tools: bool) -> tuple[Root, Root]:
        made = [Path(folder) / name for name in ("cached", "anew")]
        for path in made:
            path.mkdir()
        return Root(made[0], with_tools=with_tools), Root(made[1], with_tools=with_tools)


def verdict_to(verdict: Verdict) -> dict[str, Any]:
    return {"cases": [list(one) for one in verdict.cases], "faults": [list(one) for one in verdict.faults]}


def verdict_from(data: dict[str, Any]) -> Verdict:
    return Verdict(tuple(Case(*one) for one in data["cases"]), tuple(Fault(*one) for one in data["faults"]))


def serve(settings: Settings) -> int:
    """Until stdin ends, or SIGTERM comes: then it cleans up and ends, whatever it was at."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    worker = Worker(settings)
    try:
        for line in sys.stdin:
            seed = int(line)
            try:
                answer = verdict_to(worker.judge(settings.world(seed)))
            except Exception:  # whatever it is, it belongs to this seed, and the others go on
                answer = {"crash": traceback.format_exc()}
            print(json.dumps({"seed": seed, **answer}), flush=True)
    finally:
        worker.close()
    return 0
