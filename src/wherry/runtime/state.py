"""What a container does, derived each time from records and the kernel: no status is stored, so none can lie."""

from __future__ import annotations

import os

from wherry.runtime import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from wherry.host import Host
else:
    from wherry.lean import NamedTuple

__all__ = ["ContainerState", "observe"]

_BOOT_LOST = "the machine was restarted while the container ran"
_MONITOR_LOST = "its monitor was killed, and the exit code with it"
UNKNOWN_CODE = 255


class ContainerState(NamedTuple):
    """`status` is docker's: created, running, paused, restarting, exited (dead and removing are the row's business).

    `pid` is 0 unless it runs. Times are ns since the epoch, 0 when there was none. `orphan` says that it runs with no
    monitor (adopt it); `unrecorded` that it ended and no exit record says so (write one: `error` says what is known).
    """

    status: str
    pid: int = 0
    start: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    restarts: int = 0
    orphan: bool = False
    unrecorded: bool = False
    health: dict[str, Any] | None = None

    @property
    def is_running(self) -> bool:
        """docker's State.Running: true while paused or waiting to be restarted, too."""
        return self.status in {"running", "paused", "restarting"}


def observe(bundle: str, host: Host) -> ContainerState:
    """The truth about the container in `bundle`, at the cost of two or three small files and /proc/PID/stat."""
    run = records.read_run(bundle)
    if run is None:
        return _never_ran(bundle)
    boot, end = host.boot_id(), records.read_exit(bundle)
    alive = run.process.boot == boot and host.start_time(run.process.pid) == run.process.start
    if not _belongs(end, run) and not alive:
        # The monitor writes the record after the death that was just seen: look again before believing in none
        end = records.read_exit(bundle)
    if end is not None and _belongs(end, run):
        return _ended(bundle, run, end, host, boot)
    watched = _is_alive(records.read_monitor(bundle), host, boot)
    if alive or watched:
        # A watched container that is dead already: its monitor is just draining the last output
        status = "paused" if alive and _is_frozen(run.process.pid) else "running"
        return ContainerState(
            status, run.process.pid, run.process.start, started_ns=run.started_ns, restarts=run.restarts,
            orphan=not watched, health=records.read(bundle, "health.json"),
        )  # fmt: skip
    error = _MONITOR_LOST if run.process.boot == boot else _BOOT_LOST
    return ContainerState(
        "exited", exit_code=UNKNOWN_CODE, error=error, started_ns=run.started_ns, restarts=run.restarts, unrecorded=True
    )


def _belongs(end: records.ExitRecord | None, run: records.RunRecord) -> bool:
    return end is not None and end.started_ns == run.started_ns


def _is_alive(process: records.Process | None, host: Host, boot: str) -> bool:
    return process is not None and process.boot == boot and host.start_time(process.pid) == process.start


def _never_ran(bundle: str) -> ContainerState:
    failed = records.read(bundle, "failed.json")
    if failed is None:
        return ContainerState("created")
    return ContainerState("created", exit_code=int(failed.get("code", 125)), error=str(failed.get("error", "")))


def _ended(
    bundle: str, run: records.RunRecord, end: records.ExitRecord, host: Host, boot: str
) -> ContainerState:  # fmt: skip
    waiting = end.again_ns > 0 and _is_alive(records.read_monitor(bundle), host, boot)
    failed = records.read(bundle, "failed.json")
    code, error = end.code, end.error
    if failed and int(failed.get("at_ns", 0)) > end.finished_ns:
        code, error = int(failed.get("code", 125)), str(failed.get("error", ""))
    return ContainerState(
        "restarting" if waiting else "exited", exit_code=code, error=error, oom_killed=end.oom,
        started_ns=end.started_ns, finished_ns=end.finished_ns, restarts=run.restarts,
        health=records.read(bundle, "health.json"),
    )  # fmt: skip


def _is_frozen(pid: int) -> bool:
    """Asked of the kernel's freezer, of either cgroup version."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return False
    for _, controllers, path in groups:
        if "freezer" in controllers.split(","):
            return _says(f"/sys/fs/cgroup/freezer{path}/freezer.state", ("FROZEN", "FREEZING"))
    for _, controllers, path in groups:
        if not controllers:
            return _says(f"/sys/fs/cgroup{path}/cgroup.freeze", ("1",))
    return False


def _says(path: str, words: tuple[str, ...]) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(fd, 64).decode().strip() in words
    finally:
        os.close(fd)
