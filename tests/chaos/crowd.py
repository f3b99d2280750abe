"""Many clients at once on one root: no lock that is not got, no wait without end, nothing lost, left or leaked."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.chaos.acts import Act, draw
from tests.chaos.judge import faults_in, images_are_whole, settled
from tests.chaos.ledger import Ledger
from tests.chaos.run import World
from tests.integration.container_lab import Wherry, eventually

__all__ = ["Crowd", "crowd"]

_HANGS_S = 180.0
_KEPT = "kept"
STEADY = "steady"
# On the one container that lives all the time: what its monitor opened for them, it must close
_AT_STEADY = (
    "exec STEADY true", "exec STEADY sh -c 'exit 3'", "exec -i STEADY cat", "exec -d STEADY true", "exec STEADY nosuch",
    "logs STEADY", "logs --tail 2 STEADY", "top STEADY", "stats --no-stream STEADY", "inspect STEADY", "port STEADY",
    "diff STEADY", "cp STEADY:/bin/busybox -", "cp /etc/hostname STEADY:/h", "update --pids-limit 200 STEADY",
    "pause STEADY", "unpause STEADY", "network connect net0 STEADY", "network disconnect net0 STEADY",
    "network connect net1 STEADY", "network disconnect net1 STEADY", "kill -s USR1 STEADY",
)  # fmt: skip


class Crowd(NamedTuple):
    """`commands` came to an end, `longest_s` took the longest of them, `longest`; `words` are in the volume."""

    commands: int
    longest_s: float
    longest: str
    words: int
    faults: tuple[str, ...]


def crowd(
    folder: Path, clients: int, seed: int, go_on: Callable[[int, float], bool], say: Callable[[str], object]
) -> Crowd:
    """Each client draws commands while `go_on(its count, seconds since the begin)` is true. Needs root."""
    wherry = Wherry(folder / "root")
    world = World(wherry, folder, random.Random(seed), say)
    try:
        world.prepare()
        run = _Run(wherry, folder, seed)
        wherry("run", "-d", "--name", STEADY, "busybox", "sh", "-c", "trap : USR1; while :; do echo on; sleep 1; done")
        # The first network of a user's makes it listen for names, from then on
        for argv in (("network", "create", "net0"), ("network", "connect", "net0", STEADY)):
            wherry(*argv)
        eventually(lambda: len(os.listdir(f"/proc/{wherry.monitor_pid(STEADY)}/fd")) >= 14, "its monitor listens")
        before = _held(wherry.monitor_pid(STEADY))
        run.all(clients, go_on)
        faults = run.faults or settled(wherry, run.ledger, 60) or images_are_whole(wherry)
        faults = faults or _leaks(before, wherry) or world.finish()
    finally:
        world.clean()
    text = [f"seed {seed}: {fault}" for fault in faults]
    return Crowd(run.commands, *run.longest, run.words, tuple(text))


def _held(pid: int) -> dict[str, int]:
    """How many file descriptors, threads and children a monitor has."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        "file descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "children": len(children),
    }


def _leaks(before: dict[str, int], wherry: Wherry, timeout_s: float = 20) -> list[str]:
    """What the monitor of the steady container still holds of all that was asked of it."""
    wherry("unpause", STEADY, code=None)
    pid = wherry.monitor_pid(STEADY)
    deadline = time.monotonic() + timeout_s
    while True:
        after = _held(pid)
        if all(count <= before[what] for what, count in after.items()):
            return []
        if time.monotonic() > deadline:
            links = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
            return [f"the monitor had {before}, and has {after}: {links}"]
        time.sleep(0.1)


class _Run:
    """What the clients share; `faults` ends it for all."""

    def __init__(self, wherry: Wherry, folder: Path, seed: int) -> None:
        self._wherry, self._folder, self._seed = wherry, folder, seed
        self._lock = threading.Lock()
        self.ledger = Ledger(Path(wherry.paths.volumes))
        self.faults: list[str] = []
        self.commands = self.words = 0
        self.longest = 0.0, ""

    def all(self, clients: int, go_on: Callable[[int, float], bool]) -> None:
        began = time.monotonic()
        threads = [threading.Thread(target=self._client, args=(number, began, go_on)) for number in range(clients)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(2)
            # What was begun in a container that is paused goes on when it is: as with docker, that may be never
            paused = self._wherry("ps", "-q", "--filter", "status=paused").stdout.split()
            if paused:
                self._wherry("unpause", *paused, code=None)
            time.sleep(1)

    def _client(self, number: int, began: float, go_on: Callable[[int, float], bool]) -> None:
        import shlex

        random_ = random.Random(f"{self._seed} {number}")
        scratch = self._folder / f"client{number}"
        scratch.mkdir()
        (scratch / "image.tar").symlink_to(self._folder / "image.tar")
        count = 0
        while go_on(count, time.monotonic() - began) and not self.faults:
            count += 1
            if random_.random() < 0.3:
                act = Act(tuple(shlex.split(random_.choice(_AT_STEADY).replace("STEADY", STEADY))))
            else:
                # Others may remove the volumes of `acts` while it writes: what must last has one of its own
                act = draw(random_, number * 1_000_000 + count)
                if act.writes:
                    argv = tuple(word.replace(f"{act.volume}:/v", f"{_KEPT}:/v") for word in act.argv)
                    act = Act(argv, _KEPT, act.writes)
            self._one(act, scratch)

    def _one(self, act: Act, scratch: Path) -> None:
        context = str(self._folder / "context")
        words = [word.replace("CONTEXT", context).replace("SCRATCH", str(scratch)) for word in act.argv]
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self._wherry.spawn(*words, stdout=out, stderr=err)
            hang = ""
            try:
                process.wait(_HANGS_S)
            except subprocess.TimeoutExpired:
                hang = f"it hangs: {' '.join(words)}: {_where(process.pid)}"
                process.kill()
                process.wait()
            took = time.monotonic() - began
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
        found = [hang] if hang else [f"{' '.join(words)}: {stderr}"] if faults_in(stderr) else []
        with self._lock:
            self.commands += 1
            self.longest = max(self.longest, (took, " ".join(words)))
            self.words += bool(act.writes and act.writes in stdout.split())
            self.ledger.note(act, stdout)
            self.faults += found


def _where(pid: int) -> str:
    """What a process that does not end waits for."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text() + " " + Path(f"/proc/{pid}/syscall").read_text().strip()
    except OSError:
        return "gone"
