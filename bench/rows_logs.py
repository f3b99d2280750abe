"""What a container that talks a lot costs: until all of it is logged, the CPU of whoever logs it, and its memory."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.engines import Engine
from bench.rows import Pair, Row, Setup, alternate

__all__ = ["ROWS"]

_BYTES = 256 << 20
_FLOOD = f"yes 'a line as a service may log it, with some seventy characters in it' | head -c {_BYTES}"
# Both rotate: an endless file would measure the disk
_OPTIONS = ("--network", "none", "--log-opt", "max-size=10m", "--log-opt", "max-file=3")
_TICKS = os.sysconf("SC_CLK_TCK")


def flood(setup: Setup) -> Pair:
    """`run -d` until `wait` returns: the last line is logged before a container counts as ended."""

    def one(engine: Engine, number: int) -> float:
        name = f"flood-{number + 1}"
        start = time.perf_counter()
        engine.run("run", "-d", "--name", name, *_OPTIONS, setup.base, "sh", "-c", _FLOOD)
        engine.run("wait", name)
        took = time.perf_counter() - start
        engine.run("rm", "-f", name)
        return took

    return alternate(setup, 3, one, warm=False)


def attached(setup: Setup) -> Pair:
    """The same with a client that reads it all."""
    argv = ("run", "--rm", *_OPTIONS, setup.base, "sh", "-c", _FLOOD)
    return alternate(setup, 3, lambda engine, _: engine.run(*argv), warm=False)


def _stat(pid: int) -> tuple[float, float]:
    """(CPU seconds, MB at most) of a process so far; zeros when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()
    except OSError:
        return 0.0, 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(peak[0]) / 1024 if peak else 0.0


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Watch:
    """What the engine's own processes use while something runs: not the container, and not the commands."""

    def __init__(self, setup: Setup, engine: Engine) -> None:
        self._setup, self._engine = setup, engine
        self._seen: dict[int, tuple[float, float]] = {}
        self._before = {pid: _stat(pid)[0] for pid in self._pids()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _pids(self) -> list[int]:
        if self._engine.name == "wherry":
            records = (self._setup.wherry.folder / "root" / "containers").glob("*/monitor.json")
            found = [json.loads(record.read_bytes())["pid"] for record in records]
            # Not what a monitor becomes at its end: a command that cleans up
            return [pid for pid in found if b"wherry.runtime.monitor" in _command(pid)]
        found, mine = list(self._setup.docker.pids), str(self._setup.docker.folder).encode()
        for folder in Path("/proc").glob("[0-9]*"):
            line = _command(int(folder.name))
            if b"containerd-shim" in line and mine in line:
                found.append(int(folder.name))
        return found

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for pid in self._pids():
                cpu, peak = _stat(pid)
                before = self._seen.get(pid, (0.0, 0.0))
                self._seen[pid] = max(cpu, before[0]), max(peak, before[1])

    def end(self) -> tuple[float, float]:
        self._over.set()
        self._thread.join()
        cpu = sum(one[0] - self._before.get(pid, 0.0) for pid, one in self._seen.items())
        return cpu, sum(one[1] for one in self._seen.values())


def weighed(which: int, unit: str) -> Callable[[Setup], Pair]:
    def measure(setup: Setup) -> Pair:
        def one(engine: Engine, _: int) -> float:
            watch = Watch(setup, engine)
            engine.run("run", "-d", "--name", "weighed", *_OPTIONS, setup.base, "sh", "-c", _FLOOD)
            engine.run("wait", "weighed")
            found = watch.end()
            engine.run("rm", "-f", "weighed")
            return found[which]

        pair = alternate(setup, 2, one, warm=False)
        return pair._replace(unit=unit)

    return measure


ROWS = (
    Row("logs", "log 256 MB of lines, detached", flood, 1.0),
    Row("logs-attached", "... and read by `run`", attached, 1.0),
    Row("logs-cpu", "CPU of monitor (of dockerd and shim) for it", weighed(0, "s"), 1.0),
    Row("logs-memory", "their memory at most", weighed(1, "MB"), 16.0),
)
