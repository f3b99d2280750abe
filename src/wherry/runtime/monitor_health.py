"""Health probes: docker's HEALTHCHECK, run by the monitor through the runtime's exec. Loaded only when there is one.

The plan: args (the probe's words, for events), argv (the runtime's exec), pid_file, runtime_log, interval_s, timeout_s,
start_period_s, start_interval_s (as text: the monitor's JSON has no fractions), retries, freezer (files that say
whether the container is paused).
"""

from __future__ import annotations

import os
import time

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_streams import GONE, IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Owner(Protocol):
        """What probes need of their monitor."""

        bundle: str
        loop: Any
        events: Any

        def spawn(self, argv: list[str], fds: list[int]) -> int: ...


_KEPT, _OUTPUT_MAX = 5, 4096
_NEVER = float("inf")


class Verdict:
    """What the probes of one run say: docker's rules, without a clock or a process. Times are s of one clock."""

    def __init__(self, plan: dict[str, Any], before: dict[str, Any], began: float, *, go_on: bool) -> None:
        """`before` is the record of the last run, or of this one when another monitor goes on with it."""
        self._retries = int(plan["retries"])
        self._interval_s, self._start_interval_s = float(plan["interval_s"]), float(plan["start_interval_s"])
        self._start_period_s, self._began = float(plan["start_period_s"]), began
        self.status, self.streak = "starting", 0
        if go_on and before:
            self.status, self.streak = str(before["Status"]), int(before["FailingStreak"])
        # As docker: a restart resets the status, and keeps what the probes said
        self.results: list[dict[str, Any]] = list(before.get("Log", []))[-_KEPT:]

    def wait_s(self, now: float) -> float:
        """From the end of a probe, or from the start, to the next one."""
        is_starting = self.status == "starting" and now - self._began < self._start_period_s
        return self._start_interval_s if is_starting else self._interval_s

    def hear(self, result: dict[str, Any], asked: float) -> bool:
        """A probe that began at `asked` ended so. Whether that changes the status."""
        before = self.status
        self.results.append(result)
        del self.results[:-_KEPT]
        if result["ExitCode"] == 0:
            self.status, self.streak = "healthy", 0
        elif self.status != "starting" or asked - self._began >= self._start_period_s:
            self.streak += 1
            if self.streak >= self._retries:
                self.status = "unhealthy"
        return self.status != before

    def record(self) -> dict[str, Any]:
        """docker's State.Health."""
        return {"Status": self.status, "FailingStreak": self.streak, "Log": self.results}


class Alarm:
    """Calls `ring` once, when it is time; set anew it forgets what it was set to. One timer of the loop's at a time: a
    probe each second with an hour to answer must not leave 3600 of them."""

    def __init__(self, loop: Any, clock: Callable[[], float], ring: Callable[[], None]) -> None:
        self._loop, self._clock, self._ring = loop, clock, ring
        self._due = self._armed = _NEVER

    def set(self, delay_s: float) -> None:
        self._due = self._clock() + delay_s
        if self._due < self._armed:
            self._arm()

    def clear(self) -> None:
        self._due = _NEVER

    def _arm(self) -> None:
        self._armed = self._due
        self._loop.at(self._due - self._clock(), self._wake)

    def _wake(self) -> None:
        self._armed = _NEVER
        if self._due <= self._clock():
            self._due = _NEVER
            self._ring()
        elif self._due != _NEVER:
            self._arm()


class Health:
    """Probes of one run of a container; their record is BUNDLE/health.json."""

    def __init__(
        self, owner: Owner, plan: dict[str, Any], began: float, *, go_on: bool = False,
        clock: Callable[[], float] = time.monotonic, kill: Callable[[int, str], None] | None = None,
    ) -> None:  # fmt: skip
        """`began` is when the container did, by `clock`; `go_on` takes over from a monitor that was killed."""
        self._owner, self._plan, self._clock, self._end_it = owner, plan, clock, kill or kill_probe
        self._path = f"{owner.bundle}/health.json"
        self._verdict = Verdict(plan, _read(self._path), began, go_on=go_on)
        self._pid, self._pipe = 0, -1
        self._next, self._limit = Alarm(owner.loop, clock, self._probe), Alarm(owner.loop, clock, self._time_out)
        self._output, self._asked, self._start_ns = b"", 0.0, 0
        self._sessions: dict[int, str] = {}
        self._stopped = False
        self._save()
        self._later()

    def _later(self) -> None:
        self._next.set(self._verdict.wait_s(self._clock()))

    def look(self) -> None:
        """The container was paused or goes on: it is not asked while it can't answer, and counts as docker's does."""
        if not self._stopped:
            self._cancel()
            if _is_paused(self._plan["freezer"]):
                self._verdict.status = "unhealthy"
                self._save()
            self._later()

    def _probe(self) -> None:
        if self._stopped:
            return
        if _is_paused(self._plan["freezer"]):
            self.look()
            return
        self._output, self._start_ns, self._asked = b"", time.time_ns(), self._clock()
        for name in ("pid_file", "runtime_log"):
            # What an earlier probe left must not be taken for this one's
            kernel.unlink(self._plan[name])
        self._pipe, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writes, True)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        session = self._say_begun()
        try:
            self._pid = self._owner.spawn(self._plan["argv"], [null, writes, writes])
        except OSError as fault:
            self._end(-1, fault.strerror or "")
            return
        finally:
            os.close(writes)
            os.close(null)
        self._sessions[self._pid] = session
        self._owner.loop.watch(self._pipe, IN, self._collect)
        self._limit.set(float(self._plan["timeout_s"]))

    def _say_begun(self) -> str:
        """As docker, for which a probe is an exec like any other. The session's id."""
        session = os.urandom(32).hex()
        program, *rest = self._plan["args"]
        for action in ("exec_create", "exec_start"):
            self._owner.events.say(f"{action}: {program} {' '.join(rest)}", execID=session)
        return session

    def _collect(self, events: int) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._pipe, 4096) if events & (IN | GONE) else b""
        except BlockingIOError:
            return False
        if not data:
            self._owner.loop.forget(self._pipe)
        elif len(self._output) <= _OUTPUT_MAX:
            self._output += data
        return bool(data) and len(self._output) <= _OUTPUT_MAX

    def _time_out(self) -> None:
        if not self._stopped and self._pid:
            self._kill()
            self._end(-1, f"Health check exceeded timeout ({go_duration(float(self._plan['timeout_s']))})")

    def _kill(self) -> None:
        self._end_it(self._pid, self._plan["pid_file"])
        self._pid = 0

    def reaped(self, pid: int, code: int) -> None:
        """The monitor's word that a child ended."""
        session, code = self._sessions.pop(pid, ""), code if code >= 0 else 128 - code
        complaint = self._complaint() if code and pid == self._pid else ""
        if session and not complaint:
            self._owner.events.say("exec_die", execID=session, exitCode=str(code))
        if pid != self._pid:
            return
        self._pid = 0
        while self._collect(IN):
            pass
        self._end(-1 if complaint else code, complaint)

    def _complaint(self) -> str:
        """Why the runtime could not start the probe, in docker's words; "" when it did."""
        try:
            with open(self._plan["runtime_log"], "rb") as file:
                lines = file.read(1 << 16).splitlines()
            said = [doc["msg"] for doc in map(kernel.decode, lines) if doc.get("level") in ("error", "fatal")]
        except (OSError, ValueError, KeyError, StopIteration):
            return ""
        return f"OCI runtime exec failed: {said[-1]}: unknown" if said else ""

    def _close(self) -> None:
        self._limit.clear()
        if self._pipe >= 0:
            self._owner.loop.forget(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _end(self, code: int, note: str) -> None:
        self._close()
        output = note or self._output[:_OUTPUT_MAX].decode("utf-8", "replace")
        if not note and len(self._output) > _OUTPUT_MAX:
            output += "..."
        result = {"Start": stamp(self._start_ns), "End": stamp(time.time_ns()), "ExitCode": code, "Output": output}
        is_news = self._verdict.hear(result, self._asked)
        self._save()
        if is_news:
            self._owner.events.say(f"health_status: {self._verdict.status}")
        self._later()

    def _save(self) -> None:
        try:
            kernel.replace(self._path, self._verdict.record())
        except OSError:
            return  # a full disk: the next probe tries again

    def _cancel(self) -> None:
        if self._pid:
            self._kill()
        self._close()

    def stop(self) -> None:
        """The container is over; docker calls that unhealthy."""
        self._stopped = True
        self._cancel()
        self._verdict.status = "unhealthy"
        self._save()


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return kernel.decode(file.read(1 << 20))
    except (OSError, ValueError, StopIteration):
        return {}


def _is_paused(freezer: list[str]) -> bool:
    for path in freezer:
        try:
            with open(path, encoding="ascii") as file:
                return file.read().strip() in ("FROZEN", "FREEZING", "1")
        except OSError:
            continue
    return False


def kill_probe(pid: int, pid_file: str) -> None:
    """The runtime's process `pid`, and the probe itself: it lives in the container, and would outlive the former."""
    try:
        with open(pid_file, encoding="ascii") as file:
            _kill_child(int(file.read()), pid)
    except (OSError, ValueError):
        pass  # it is not there yet, and dies with the runtime
    try:
        os.kill(pid, kernel.signal.SIGKILL)
    except ProcessLookupError:
        pass


def _kill_child(pid: int, parent: int) -> None:
    """Only while it is that process's child: the number may be another's by now. Raises: OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                kernel.signal.pidfd_send_signal(pidfd, kernel.signal.SIGKILL)
    finally:
        os.close(pidfd)


def stamp(ns: int) -> str:
    second, rest = divmod(ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{rest:09d}Z"


def go_duration(seconds: float) -> str:
    """As Go prints one: 1.5s, 1m30s, 500ms, 1h0m0s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{text}{round(rest, 9):g}s"
