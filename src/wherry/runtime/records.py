"""The files that say what a container did, in its folder `ROOT/containers/<id>`: who writes them, and what they hold.

`monitor.json`  the monitor, when it starts: {"boot", "pid", "start"}. It names the process that owns the container.
`run.json`      the monitor, when the runtime has started the container:
                {"boot", "pid", "start", "started_ns", "restarts"}. `start` is in clock ticks since boot.
`exit.json`     the monitor (or whoever repairs after its death), durable, before any clean-up:
                {"started_ns", "finished_ns", "code", "oom", "error", "again_ns"}. It belongs to the run with the same
                `started_ns`, and to no other; `again_ns` is when the restart policy starts it again, 0 for never.
`failed.json`   `launch`, when a start did not succeed: {"code", "error", "at_ns"}. Removed by the next start.
`health.json`   the monitor: {"Status", "FailingStreak", "Log": [...]} in docker's shape.
`stopped`       `stop` and `kill` (empty), or `boot stop` ("shutdown"): no restart policy applies until the next start.
`restart.json`  `update --restart`: {"name", "max"}, the policy of the run that goes on. Removed by the next start.
`name`          `rename`: the new name, for the events of a run that goes on. Removed by the next start.

All are replaced whole. A pid means nothing without its start time and boot: see `wherry.runtime.state`.
"""

from __future__ import annotations

import os

from wherry import lean_json as json
from wherry.fs.atomic import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "BY_HAND",
    "SHUTDOWN",
    "ExitRecord",
    "Process",
    "RunRecord",
    "read",
    "read_exit",
    "read_monitor",
    "read_run",
    "read_stopped",
    "write",
]

BY_HAND, SHUTDOWN = "by hand", "shutdown"


class Process(NamedTuple):
    """One process beyond doubt: `start` in clock ticks since the boot named `boot`."""

    boot: str
    pid: int
    start: int


class RunRecord(NamedTuple):
    """One start of a container. `restarts` counts those that its policy made since the last `start`."""

    process: Process
    started_ns: int
    restarts: int = 0


class ExitRecord(NamedTuple):
    """How the run that began at `started_ns` ended. `again_ns` is when it is to be restarted, 0 for never."""

    started_ns: int
    finished_ns: int
    code: int
    oom: bool = False
    error: str = ""
    again_ns: int = 0


def read(bundle: str, name: str) -> dict[str, Any] | None:
    """The record, or None when it is not there (or is not whole, which only a foreign hand can bring about)."""
    try:
        fd = os.open(f"{bundle}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        doc = json.loads(os.read(fd, 1 << 20))
    except ValueError:
        return None
    finally:
        os.close(fd)
    return doc if isinstance(doc, dict) else None


def write(bundle: str, name: str, doc: dict[str, Any], *, durable: bool = True) -> None:
    """Raises: OSError."""
    replace_file(f"{bundle}/{name}", json.dumps(doc, separators=(",", ":")).encode(), durable=durable)


def _process(doc: dict[str, Any]) -> Process:
    return Process(str(doc.get("boot", "")), int(doc.get("pid", 0)), int(doc.get("start", 0)))


def read_monitor(bundle: str) -> Process | None:
    doc = read(bundle, "monitor.json")
    return _process(doc) if doc else None


def read_run(bundle: str) -> RunRecord | None:
    doc = read(bundle, "run.json")
    if not doc:
        return None
    return RunRecord(_process(doc), int(doc.get("started_ns", 0)), int(doc.get("restarts", 0)))


def read_stopped(bundle: str) -> str:
    """BY_HAND, SHUTDOWN, or "" when nobody stopped it."""
    try:
        with open(f"{bundle}/stopped", "rb") as file:
            return SHUTDOWN if file.read(64) == SHUTDOWN.encode() else BY_HAND
    except OSError:
        return ""


def read_exit(bundle: str) -> ExitRecord | None:
    doc = read(bundle, "exit.json")
    if not doc:
        return None
    return ExitRecord(
        int(doc.get("started_ns", 0)),
        int(doc.get("finished_ns", 0)),
        int(doc.get("code", 255)),
        bool(doc.get("oom", False)),
        str(doc.get("error", "")),
        int(doc.get("again_ns", 0)),
    )
