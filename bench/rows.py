"""The workloads: each measures both engines, in turn, on files of their own that are the same."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.engines import PROJECT, Docker, Engine, Wherry
from bench.machine import processes, pss_kib

__all__ = ["ROWS", "Pair", "Row", "Setup"]

WEIGHTS_BYTES = 1 << 30
FILES = 20_000


class Setup(NamedTuple):
    """`base` is the image that both have; `folder` is on the file system of both stores."""

    wherry: Wherry
    docker: Docker
    base: str
    folder: Path

    @property
    def engines(self) -> tuple[Engine, Engine]:
        return self.wherry, self.docker


class Pair(NamedTuple):
    """All samples, in the order in which they were taken. `unit` is "s", "MB", "s over" (above a common floor) or
    "s within"."""

    wherry: list[float]
    docker: list[float]
    unit: str = "s"

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.wherry), statistics.median(self.docker)


class Row(NamedTuple):
    """`target` is the ratio that the row is to reach; for memory the MB of wherry, for "s over" and "s within" its
    seconds."""

    key: str
    title: str
    measure: Callable[[Setup], Pair]
    target: float | None
    note: str = ""


def alternate(setup: Setup, rounds: int, one: Callable[[Engine, int], float], *, warm: bool = True) -> Pair:
    """`one(engine, round)` for both in turn, the first one changing each round; a first round is thrown away."""
    samples: dict[str, list[float]] = {"wherry": [], "docker": []}
    for number in range(-1 if warm else 0, rounds):
        engines = setup.engines if number % 2 else setup.engines[::-1]
        for engine in engines:
            # What the other one wrote must be on the disk: its dirty pages would slow this one's writes
            os.sync()
            took = one(engine, number)
            if number >= 0:
                samples[engine.name].append(took)
    return Pair(samples["wherry"], samples["docker"])


def run_with(network: str) -> Callable[[Setup], Pair]:
    def measure(setup: Setup) -> Pair:
        argv = ["run", "--rm", *(["--network", network] if network else []), setup.base, "true"]
        return alternate(setup, 15, lambda engine, _: engine.run(*argv))

    return measure


def lesson(setup: Setup, engine: Engine, name: str) -> Path:
    """The lesson's project, a copy for each engine; FROM is the base that both have."""
    folder = setup.folder / f"{name}-{engine.name}"
    if not folder.exists():
        shutil.copytree(PROJECT / "examples" / "iris", folder)
        text = (folder / "Dockerfile").read_text()
        lines = [f"FROM {setup.base}" if line.startswith("FROM ") else line for line in text.splitlines()]
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def cold(setup: Setup) -> Pair:
    # wherry's shared download cache off: both download everything
    def one(engine: Engine, _: int) -> float:
        own = ["--no-ambient-cache"] if engine.name == "wherry" else []
        return engine.build(lesson(setup, engine, "lesson"), "--no-cache", *own)

    return alternate(setup, 3, one, warm=False)


def noop(setup: Setup) -> Pair:
    for engine in setup.engines:
        engine.build(lesson(setup, engine, "lesson"))
    return alternate(setup, 9, lambda engine, _: engine.build(lesson(setup, engine, "lesson")))


def after_edit(file: str, line: str) -> Callable[[Setup], Pair]:
    def measure(setup: Setup) -> Pair:
        for engine in setup.engines:
            engine.build(lesson(setup, engine, "lesson"))

        def one(engine: Engine, number: int) -> float:
            folder = lesson(setup, engine, "lesson")
            before = (folder / file).read_text()
            (folder / file).write_text(before + line.format(number=number))
            try:
                return engine.build(folder)
            finally:
                (folder / file).write_text(before)

        return alternate(setup, 3, one, warm=False)

    return measure


def traced(setup: Setup) -> Pair:
    """The lesson with and without watching what its pip reads: first column traced, second not. No docker in it."""
    folder = lesson(setup, setup.wherry, "lesson")
    flags = {"wherry": ("--no-cache",), "docker": ("--no-cache", "--no-traced-cache")}
    return alternate(setup, 5, lambda engine, _: setup.wherry.build(folder, *flags[engine.name]))


def context(setup: Setup) -> Pair:
    """COPY of 20,000 files of 1 to 4 KB in 400 folders, of which one has another content each time."""
    for engine in setup.engines:
        folder = setup.folder / f"context-{engine.name}"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM {setup.base}\nCOPY . /app\n")
        for number in range(FILES):
            path = folder / f"part{number % 20:02d}" / f"group{number // 20 % 20:02d}" / f"file{number:05d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number:05d}\n" * (170 + number % 500))
        engine.build(folder, tag="context")

    def one(engine: Engine, number: int) -> float:
        (setup.folder / f"context-{engine.name}" / "part07" / "changed.txt").write_text(f"{number}\n")
        return engine.build(setup.folder / f"context-{engine.name}", tag="context")

    return alternate(setup, 5, one)


def copy_weights(setup: Setup) -> Pair:
    def one(engine: Engine, number: int) -> float:
        folder = setup.folder / f"weights-{engine.name}"
        path = folder / "model.safetensors"
        if not folder.exists():
            folder.mkdir()
            (folder / "Dockerfile").write_text(f"FROM {setup.base}\nCOPY model.safetensors /models/\n")
            with open(path, "wb") as file:
                for _ in range(WEIGHTS_BYTES >> 20):
                    file.write(os.urandom(1 << 20))
                os.fsync(file.fileno())
        with open(path, "r+b") as file:  # another content each time, or both would answer from their caches
            file.write(f"{number:016d}".encode())
            os.fsync(file.fileno())
        return engine.build(folder, tag="weights")

    return alternate(setup, 3, one, warm=False)


def idle_memory(setup: Setup) -> Pair:
    mine = [pid for pid, line in processes().items() if str(setup.wherry.folder) in line]
    return Pair([sum(map(pss_kib, mine)) / 1024], [sum(map(pss_kib, setup.docker.pids)) / 1024], "MB")


def container_memory(setup: Setup) -> Pair:
    """What runs because a container runs, beside the container's own processes: PSS, mean of four containers."""
    count, weights = 4, {}
    for engine in setup.engines:
        before = processes()
        names = [f"bench-{number}" for number in range(count)]
        for name in names:
            engine.run("run", "-d", "-p", "127.0.0.1::8000", "--name", name, setup.base, "sleep", "600")
        time.sleep(1)
        new = {pid: line for pid, line in processes().items() if pid not in before and line != "sleep 600"}
        weights[engine.name] = sum(map(pss_kib, new)) / 1024 / count
        engine.run("rm", "-f", *names)
    return Pair([weights["wherry"]], [weights["docker"]], "MB")


ROWS = (
    Row("run", "run --rm IMAGE true, bridge network", run_with(""), 0.33),
    Row("none", "the same, --network none", run_with("none"), 0.33),
    Row("cold", "build the lesson cold", cold, 0.60, "no download cache on either side"),
    Row("noop", "build the lesson, nothing changed", noop, 0.40),
    Row("edit", "... after one more line in main.py", after_edit("main.py", "# edit {number}\n"), 0.05),
    Row("requirement", "... after one more requirement", after_edit("requirements.txt", "six!=1.{number}.99\n"), 0.30),
    Row("traced", "build the lesson traced (beside untraced)", traced, 1.10, "warm download caches"),
    Row("context", "COPY 20,000 files, one of them changed", context, 0.20),
    Row("copy", "COPY 1 GB of weights", copy_weights, 0.25),
    Row("idle", "memory with nothing running", idle_memory, 0.0),
    Row("container", "memory for each running container", container_memory, 12.0),
)
