"""Health probes: docker's HEALTHCHECK, run by the monitor through the runtime's exec. Loaded only when there is one.

The interval counts from the end of the last probe; failures within the start period do not count while "starting".
The plan: argv (the runtime's exec), pid_file, interval_s, timeout_s, start_period_s, start_interval_s, retries,
freezer (files that say whether the container is paused).
"""

from __future__ import annotations

import os
import time

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_streams import GONE, IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.monitor import Monitor

_KEPT, _OUTPUT_MAX = 5, 4096


class Health:
    """Probes of one run of a container; its record is BUNDLE/health.json in docker's shape."""

    def __init__(self, monitor: Monitor, plan: dict[str, Any]) -> None:
        self._monitor, self._plan = monitor, plan
        self._status, self._streak = "starting", 0
        self._results: list[dict[str, Any]] = []
        self._began = time.monotonic()
        self._pid, self._pipe, self._round = 0, -1, 0
        self._output, self._start_ns = b"", 0
        self._stopped = False
        self._save()
        self._later()

    def _in_start_period(self) -> bool:
        return self._status == "starting" and time.monotonic() - self._began < float(self._plan["start_period_s"])

    def _later(self) -> None:
        name = "start_interval_s" if self._in_start_period() else "interval_s"
        self._monitor.loop.at(float(self._plan[name]), self._probe)

    def _is_paused(self) -> bool:
        for path in self._plan["freezer"]:
            try:
                with open(path, encoding="ascii") as file:
                    return file.read().strip() in ("FROZEN", "FREEZING", "1")
            except OSError:
                continue
        return False

    def _probe(self) -> None:
        if self._stopped:
            return
        if self._is_paused():
            self._later()
            return
        self._round += 1
        self._output, self._start_ns = b"", time.time_ns()
        self._pipe, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writes, True)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._pid = self._monitor.spawn(self._plan["argv"], [null, writes, writes])
        except OSError as fault:
            self._end(-1, fault.strerror or "")
            return
        finally:
            os.close(writes)
            os.close(null)
        self._monitor.loop.watch(self._pipe, IN, self._collect)
        this = self._round
        self._monitor.loop.at(float(self._plan["timeout_s"]), lambda: self._time_out(this))

    def _collect(self, events: int) -> None:
        try:
            data = os.read(self._pipe, 4096) if events & (IN | GONE) else b""
        except BlockingIOError:
            return
        if not data:
            self._monitor.loop.forget(self._pipe)
        elif len(self._output) <= _OUTPUT_MAX:
            self._output += data

    def _time_out(self, this: int) -> None:
        if self._stopped or this != self._round or not self._pid:
            return
        self._kill()
        self._pid = 0
        self._end(-1, f"Health check exceeded timeout ({float(self._plan['timeout_s']):g}s)")

    def _kill(self) -> None:
        """The runtime's process, and the probe itself: it lives in the container, and would outlive the former."""
        try:
            with open(self._plan["pid_file"], encoding="ascii") as file:
                inner = int(file.read())
        except (OSError, ValueError):
            inner = 0
        for pid in (inner, self._pid):
            try:
                if pid > 0:
                    os.kill(pid, kernel.signal.SIGKILL)
            except ProcessLookupError:
                continue

    def reaped(self, pid: int, code: int) -> None:
        """The monitor's word that a child ended."""
        if pid != self._pid:
            return
        self._pid = 0
        self._collect(IN)
        self._end(code if code >= 0 else 128 - code, "")

    def _end(self, code: int, note: str) -> None:
        if self._pipe >= 0:
            self._monitor.loop.forget(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
        if self._stopped:
            return
        output = note or self._output[:_OUTPUT_MAX].decode("utf-8", "replace")
        self._results.append(
            {"Start": _stamp(self._start_ns), "End": _stamp(time.time_ns()), "ExitCode": code, "Output": output}
        )
        del self._results[:-_KEPT]
        if code == 0:
            self._streak, self._status = 0, "healthy"
        elif not self._in_start_period():
            self._streak += 1
            if self._streak >= int(self._plan["retries"]):
                self._status = "unhealthy"
        self._save()
        self._later()

    def _save(self) -> None:
        record = {"Status": self._status, "FailingStreak": self._streak, "Log": self._results}
        try:
            kernel.replace(f"{self._monitor.bundle}/health.json", record)
        except OSError:
            return  # a full disk: the next probe tries again

    def stop(self) -> None:
        """The container is over, or starts anew with probes of its own."""
        self._stopped = True
        if self._pid:
            self._kill()
        if self._pipe >= 0:
            self._monitor.loop.forget(self._pipe)
            os.close(self._pipe)
            self._pipe = -1


def _stamp(ns: int) -> str:
    second, rest = divmod(ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{rest:09d}Z"
