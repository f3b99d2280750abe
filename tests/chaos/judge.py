"""What wherry says beside what the kernel and the disk show: a list of where they disagree."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.integration.container_lab import Wherry
from wherry.engine import Engine, containers_repair, containers_rows
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import WherryError

__all__ = ["disagreements", "faults_in", "images_are_whole", "settled"]

_WRONG_WORDS = ("fault of wherry's", "Traceback", "database is locked", "is busy for", "malformed", "disk I/O error")


def faults_in(stderr: str) -> list[str]:
    """Words that no command may say, whatever was killed before it."""
    return [line for line in stderr.splitlines() if any(word in line for word in _WRONG_WORDS)]


def settled(wherry: Wherry, ledger: Ledger, timeout_s: float = 15) -> list[str]:
    """The disagreements that stay: cleaners of what ended just now need a moment, and each look repairs."""
    deadline = time.monotonic() + timeout_s
    while found := disagreements(wherry, ledger):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.1)
    return []


def disagreements(wherry: Wherry, ledger: Ledger) -> list[str]:
    """After a look by each of the listing commands, which put right what they meet."""
    found: list[str] = []
    for argv in (("ps", "-a", "--no-trunc"), ("images", "-a"), ("volume", "ls"), ("network", "ls"), ("system", "df")):
        done = wherry(*argv, code=None, timeout_s=60)
        found += faults_in(done.stderr)
        if done.returncode:
            found.append(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}")
    with wherry.engine() as engine:
        rows = {one.row.id: one.state for one in engine.containers.list(all=True)}
        found += [f"{row.id[:12]} is {row.phase}, and ps does not show it: {_why(engine, row)}"
                  for row in containers_rows.every(engine.db) if row.id not in rows]  # fmt: skip
    running = {id for id, state in rows.items() if state.is_running}
    found += _of_processes(wherry, running)
    found += _of_folders(wherry, set(rows), running)
    found += [f"mount {line}" for line in _lines("/proc/self/mountinfo") if wherry.paths.root in line]
    return found + ledger.lost()


def _why(engine: Engine, row: ContainerRow) -> str:
    """What stands in the way of putting it right."""
    try:
        return str(containers_repair.repair(engine, row))
    except (WherryError, OSError) as fault:
        return f"{type(fault).__name__}: {fault}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(errors="replace").splitlines()


def _of_processes(wherry: Wherry, running: set[str]) -> list[str]:
    """A process in a container's cgroup is a running container's; nobody else works on this root."""
    prefix = f"wherry-{sha256(wherry.paths.root.encode()).hexdigest()[:6]}-"
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            groups = (folder / "cgroup").read_text()
        except OSError:
            continue
        if prefix in groups:
            id = groups.partition(prefix)[2][:64]
            if id not in running:
                found.append(f"process {folder.name} is in the cgroup of {id[:12]}, which does not run")
    return found


def _of_folders(wherry: Wherry, known: set[str], running: set[str]) -> list[str]:
    found = []
    containers = Path(wherry.paths.containers)
    there = set(os.listdir(containers)) if containers.exists() else set()
    for id in there - known:
        inside = [path.relative_to(containers).as_posix() for path in (containers / id).rglob("*")]
        found.append(f"folder of {id[:12]}, which is no container: {sorted(inside)[:20]}")
    found += [f"{id[:12]} has no folder" for id in known - there]
    sockets = Path(wherry.paths.run, "c")
    short = {id[:32] for id in running}
    if sockets.exists():
        found += [f"sockets of {name[:12]}, which does not run" for name in os.listdir(sockets) if name not in short]
    return found


def images_are_whole(wherry: Wherry) -> list[str]:
    """Every image can be written out, which checks each layer against its digest."""
    found = []
    for line in wherry("images", "-a", "--no-trunc", "--format", "json").stdout.splitlines():
        id = json.loads(line)["ID"]
        done = wherry("save", "-o", "/dev/null", id, code=None)
        if done.returncode:
            found.append(f"image {id} is broken: {done.stderr.strip()}")
    return found
