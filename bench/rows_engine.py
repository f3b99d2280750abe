"""Containers that run: starting, asking, copying, stopping, and what they weigh."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from bench.engines import Engine
from bench.machine import processes, pss_kib
from bench.rows import WEIGHTS_BYTES, Pair, Row, Setup, alternate

__all__ = ["ROWS"]

MANY = 50
SLEEP = ("sleep", "1000")
OBEYS = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done")


def detached(setup: Setup) -> Pair:
    def one(engine: Engine, number: int) -> float:
        name = f"bench-d{number}"
        return engine.run("run", "-d", "--name", name, setup.base, *SLEEP) + engine.run("rm", "-f", name)

    return alternate(setup, 9, one)


def execute(setup: Setup) -> Pair:
    for engine in setup.engines:
        engine.run("run", "-d", "--name", "bench-exec", setup.base, *SLEEP)
    try:
        return alternate(setup, 15, lambda engine, _: engine.run("exec", "bench-exec", "true"))
    finally:
        for engine in setup.engines:
            engine.run("rm", "-f", "bench-exec")


def listing(setup: Setup) -> Pair:
    """`ps -a` of 200, of which 50 run."""
    names = [f"bench-ps{number}" for number in range(4 * MANY)]
    for engine in setup.engines:
        for number, name in enumerate(names):
            verb = ("run", "-d") if number < MANY else ("create",)
            engine.run(*verb, "--network", "none", "--name", name, setup.base, *SLEEP)
    try:
        return alternate(setup, 9, lambda engine, _: engine.run("ps", "-a"))
    finally:
        for engine in setup.engines:
            engine.run("rm", "-f", *names)


def many(setup: Setup) -> Pair:
    names = [f"bench-m{number}" for number in range(MANY)]

    def one(engine: Engine, _: int) -> float:
        with ThreadPoolExecutor(8) as pool:
            began = time.perf_counter()
            list(pool.map(lambda name: engine.run("run", "-d", "--name", name, setup.base, *SLEEP), names))
            took = time.perf_counter() - began
        engine.run("rm", "-f", *names)
        return took

    return alternate(setup, 3, one, warm=False)


def weight_of_many(setup: Setup) -> Pair:
    """As the row for one container, at 50 of them."""
    weights = {}
    for engine in setup.engines:
        before = processes()
        names = [f"bench-w{number}" for number in range(MANY)]
        for name in names:
            engine.run("run", "-d", "--network", "none", "--name", name, setup.base, *SLEEP)
        time.sleep(1)
        new = [pid for pid, line in processes().items() if pid not in before and line != " ".join(SLEEP)]
        weights[engine.name] = sum(map(pss_kib, new)) / 1024 / MANY
        engine.run("rm", "-f", *names)
    return Pair([weights["wherry"]], [weights["docker"]], "MB")


def stop(setup: Setup) -> Pair:
    """Seconds above what the bare runtime takes to signal the same process, see it end and forget it."""
    raw = _bare(setup, 9)

    def one(engine: Engine, number: int) -> float:
        name = f"bench-s{number}"
        engine.run("run", "-d", "--network", "none", "--name", name, setup.base, *OBEYS)
        time.sleep(0.3)
        took = engine.run("stop", name)
        engine.run("rm", name)
        return took - raw

    found = alternate(setup, 9, one)
    return Pair(found.wherry, found.docker, "s over")


def _bare(setup: Setup, rounds: int) -> float:
    """The median of runc kill, waiting for the end, and runc delete, over a folder of our own."""
    import json
    import statistics

    bundle = setup.folder / "bare"
    rootfs = bundle / "rootfs" / "bin"
    rootfs.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", rootfs / "busybox")
    for applet in ("sh", "sleep"):
        if not (rootfs / applet).is_symlink():
            (rootfs / applet).symlink_to("busybox")
    subprocess.run(["runc", "spec"], cwd=bundle, check=False, capture_output=True)
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"] |= {"terminal": False, "args": ["/bin/sh", *OBEYS[1:]]}
    (bundle / "config.json").write_text(json.dumps(spec))
    root, times = ["--root", str(setup.folder / "bare-state")], []
    for number in range(rounds):
        name, pid_file = f"bare{number}", bundle / "pid"
        argv = ["runc", *root, "run", "-d", "--bundle", str(bundle), "--pid-file", str(pid_file), name]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        pidfd = os.pidfd_open(int(pid_file.read_text()))
        began = time.perf_counter()
        subprocess.run(["runc", *root, "kill", name, "TERM"], check=True)
        _ended(pidfd)
        subprocess.run(["runc", *root, "delete", name], check=True)
        times.append(time.perf_counter() - began)
        os.close(pidfd)
    return statistics.median(times)


def _ended(pidfd: int) -> None:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(20_000)


def copied(setup: Setup) -> Pair:
    """1 GB into a container and out again."""
    weights, back = setup.folder / "weights.bin", setup.folder / "back.bin"
    with weights.open("wb") as file:
        for _ in range(WEIGHTS_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    for engine in setup.engines:
        engine.run("run", "-d", "--network", "none", "--name", "bench-cp", setup.base, *SLEEP)

    def one(engine: Engine, _: int) -> float:
        took = engine.run("cp", str(weights), "bench-cp:/weights.bin")
        took += engine.run("cp", "bench-cp:/weights.bin", str(back))
        engine.run("exec", "bench-cp", "rm", "/weights.bin")
        back.unlink()
        return took

    try:
        return alternate(setup, 3, one, warm=False)
    finally:
        weights.unlink()
        for engine in setup.engines:
            engine.run("rm", "-f", "bench-cp")


ROWS = (
    Row("detach", "run -d and rm -f", detached, 0.40),
    Row("exec", "exec true", execute, 0.40),
    Row("ps", "ps -a of 200 containers, 50 of them running", listing, 1.00),
    Row("many", "start 50 containers, 8 at a time", many, 0.50),
    Row("weight", "memory for each of 50 containers", weight_of_many, 12.0),
    Row("stop", "stop of what obeys, above the bare runtime", stop, 0.06),
    Row("cp", "cp of 1 GB into a container and out", copied, 0.70),
)
