"""What to wait for before a container is used: a condition is a function that looks once, and says whether it holds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from wherry.api.container import Container
from wherry.errors import WherryError

__all__ = ["Condition", "NotReady", "answers", "exits", "is_healthy", "listens", "says", "wait_for"]

Condition = Callable[[Container], bool]

_STEP_S = 0.02
_LISTEN = "0A"
_LOG_LINES = 40


class NotReady(WherryError):
    """A container did not become ready in time, or ended before. The message has its last lines."""

    code = "not-ready"


def listens(port: int) -> Condition:
    """Something in the container listens on this TCP port. Nothing connects to it: the kernel's table is read."""

    def look(container: Container) -> bool:
        pid = container.inspect()["State"]["Pid"]
        return bool(pid) and any(
            port == one for name in ("tcp", "tcp6") for one in _listening(f"/proc/{pid}/net/{name}")
        )

    return _named(look, f"something listens on port {port}")


def _listening(path: str) -> list[int]:
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
    except OSError:
        return []
    return [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN]


def says(pattern: str) -> Condition:
    """A line of its output matches this regular expression (somewhere in the line)."""
    wanted = re.compile(pattern)

    def look(container: Container) -> bool:
        return any(wanted.search(line.decode("utf-8", "replace")) for _, line in container.lines())

    return _named(look, f"a line matches {pattern!r}")


def answers(port: int, path: str = "/", *, status: int = 200) -> Condition:
    """A GET of this path on the published port is answered with this status."""

    def look(container: Container) -> bool:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", container.port(port), timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return _named(look, f"GET {path} on port {port} is answered with {status}")


def is_healthy() -> Condition:
    """Its health check says so."""

    def look(container: Container) -> bool:
        return container.health == "healthy"

    return _named(look, "it is healthy")


def exits(code: int = 0) -> Condition:
    """It has ended with this code: for containers that prepare something."""

    def look(container: Container) -> bool:
        state = container.inspect()["State"]
        return bool(state["Status"] == "exited" and state["ExitCode"] == code)

    return _named(look, f"it ends with code {code}")


def _named(look: Condition, name: str) -> Condition:
    look.__name__ = name
    return look


def wait_for(container: Container, condition: Condition, timeout_s: float) -> None:
    """Until `condition` holds. Raises: NotReady after `timeout_s`, or as soon as the container can't become ready."""
    what = getattr(condition, "__name__", "it is ready")
    deadline = time.monotonic() + timeout_s
    while True:
        # Asked first: what it did in its last moment counts
        has_ended = not container.is_running
        try:
            if condition(container):
                return
        except WherryError:
            # Of an ended one some questions have no answer: its ports are gone
            if not has_ended and container.is_running:
                raise
            has_ended = True
        if has_ended:
            code = container.inspect()["State"]["ExitCode"]
            raise _not_ready(container, f"it ended with code {code} before {what}")
        if time.monotonic() > deadline:
            raise _not_ready(container, f"waited {timeout_s:g} s in vain until {what}")
        time.sleep(_STEP_S)


def _not_ready(container: Container, why: str) -> NotReady:
    try:
        log = container.logs(tail=_LOG_LINES).rstrip()
    except WherryError as fault:  # --log-driver none
        return NotReady(f"container {container.name} is not ready: {why}; {fault.message}")
    said = f"; its last lines:\n{log}" if log else "; it wrote nothing"
    return NotReady(f"container {container.name} is not ready: {why}{said}")
