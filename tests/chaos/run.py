"""Kills, looks, and says what is wrong with the seed that shows it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.chaos.acts import draw
from tests.chaos.judge import faults_in, images_are_whole, settled
from tests.chaos.ledger import Ledger
from tests.integration.container_lab import Wherry, add_busybox, eventually, traces

__all__ = ["Outcome", "World", "chaos"]

_HANGS_S = 90.0
_KILLED = 0.6
_BYSTANDER = 0.3
DOCKERFILE = "FROM busybox\nARG W\nRUN echo $W > /w; sleep 0.1\nCOPY f /f\nRUN cat /f\n"


class Outcome(NamedTuple):
    """`acts` were done, of which `killed` did not come to an end; `bystanders` are monitors and the like."""

    acts: int
    killed: int
    bystanders: int
    words: int
    faults: tuple[str, ...]


def chaos(folder: Path, count: int, seed: int, say: Callable[[str], object], every: int = 5) -> Outcome:
    """`every` so many acts are followed by a look at everything; the first fault ends it. Needs root."""
    wherry = Wherry(folder / "root")
    world = World(wherry, folder, random.Random(seed), say)
    faults: list[str] = []
    done = 0
    try:
        world.prepare()
        while done < count and not faults:
            done += 1
            faults = world.act(done)
            if done % every == 0 and not faults:
                faults = settled(wherry, world.ledger)
            if done % 100 == 0:
                say(
                    f"{done} of {count}: {world.killed} killed, {world.bystanders} bystanders, {world.words} words kept"
                )
        faults = faults or settled(wherry, world.ledger) or images_are_whole(wherry) or world.finish()
    finally:
        world.clean()
    text = [f"act {done} of seed {seed}: {fault}" for fault in faults]
    return Outcome(done, world.killed, world.bystanders, world.words, tuple(text))


class World:
    """A root with an image, a build context, and random kills; `clean` leaves the machine as it was."""

    def __init__(self, wherry: Wherry, folder: Path, random_: random.Random, say: Callable[[str], object]) -> None:
        self.wherry, self._folder, self._random, self._say = wherry, folder, random_, say
        self.ledger = Ledger(Path(wherry.paths.volumes))
        self.killed = self.bystanders = self.words = 0
        self.history: list[str] = []
        self._took_s: dict[str, float] = {}

    def prepare(self) -> None:
        add_busybox(self.wherry)
        context = self._folder / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE)
        (context / "f").write_text("f")
        self.wherry("save", "-o", str(self._folder / "image.tar"), "busybox")

    def act(self, serial: int) -> list[str]:
        """One act, killed at some moment or not, or a bystander killed meanwhile; what it should not have said."""
        act = draw(self._random, serial)
        words = [word.replace("CONTEXT", str(self._folder / "context")).replace("SCRATCH", str(self._folder))
                 for word in act.argv]  # fmt: skip
        is_killed = self._random.random() < _KILLED
        # Within what such a command took lately, on this machine: later, it is over
        delay_s = self._random.random() * self._took_s.get(act.argv[0], act.patience_s)
        strikes = self._random.random() < _BYSTANDER
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.wherry.spawn(*words, stdout=out, stderr=err)
            began = time.monotonic()
            fate = self._end(process, delay_s if is_killed else None, strikes=strikes)
            if fate.startswith("code"):
                self._took_s[act.argv[0]] = time.monotonic() - began
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
        self.history.append(f"{' '.join(act.argv)} -> {fate}")
        self.words += bool(act.writes and act.writes in stdout.split())
        self.ledger.note(act, stdout)
        hang = ["it hangs: " + " ".join(words)] if fate == "hangs" else []
        return hang + faults_in(stderr)

    def _end(self, process: subprocess.Popen[bytes], delay_s: float | None, *, strikes: bool) -> str:
        try:
            if strikes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(self._random.random() * 0.2)
                self._strike(process.pid)
            return f"code {process.wait(_HANGS_S if delay_s is None else delay_s)}"
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if delay_s is None:
                return "hangs"
            self.killed += 1
            return f"killed after {delay_s * 1000:.0f} ms"

    def _strike(self, but: int) -> None:
        """Kill one of the processes that work for this root: a monitor, a cleaner, a runtime, a container's own."""
        others = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
        mine = sorted(pid for pid in others if pid not in {but, os.getpid()} and self._is_mine(pid))
        if mine:
            self.bystanders += 1
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(mine), signal.SIGKILL)

    def _is_mine(self, pid: int) -> bool:
        root = self.wherry.paths.root
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            return root in words or f"{root}/containers" in Path(f"/proc/{pid}/mountinfo").read_text()
        except OSError:
            return False

    def finish(self) -> list[str]:
        """Remove all by the front door: nothing of this root may be left on the machine."""
        self.wherry.remove_all()
        self.wherry("network", "prune", "-f")
        self.wherry("system", "prune", "-af")
        try:
            eventually(lambda: not traces(self.wherry.paths), "nothing is left", 20)
        except AssertionError:
            return [f"left: {one}" for one in traces(self.wherry.paths)]
        left = os.listdir(self.wherry.paths.tmp)
        return [f"left in tmp: {one}" for one in left]

    def clean(self) -> None:
        """Whatever was found: leave the machine as it was."""
        self.wherry.remove_all()
        self.wherry("network", "prune", "-f", code=None)
        subprocess.run(["rm", "-rf", self.wherry.paths.root, self.wherry.paths.run], check=True)
