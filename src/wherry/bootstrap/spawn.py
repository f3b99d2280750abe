"""A long command with its output turned into steps: cancellable, its last lines kept for the error."""

from __future__ import annotations

import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from wherry.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.host import Command, Host

__all__ = ["Runner", "follow"]


class Runner(Protocol):
    """Runs a command to its end. Raises: HostError, Cancelled."""

    def __call__(self, command: Command, title: str) -> None: ...


def follow(host: Host, cancel: Cancel, say: Callable[[str], None], step_of: Callable[[str], str | None]) -> Runner:
    """A Runner that tells `say` "TITLE: STEP" when `step_of` finds a step in a line of output."""

    def run(command: Command, title: str) -> None:
        tail: deque[str] = deque(maxlen=60)
        reading, writing = os.pipe()
        try:
            pid = host.spawn(command, stdout=writing, stderr=writing, session=True)
        finally:
            os.close(writing)
        try:
            for line in _lines(reading, cancel, pid):
                tail.append(line)
                if step := step_of(line):
                    say(f"{title}: {step}")
        finally:
            os.close(reading)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        cancel.check()
        if status:
            said = "\n".join(tail)
            raise HostError(f"{title}: {_program(command)} failed with status {status}:\n{said}",
                            hint="the package mirror or its signatures may be out of reach; try again")  # fmt: skip

    return run


def _program(command: Command) -> str:
    return "mmdebstrap" if "mmdebstrap" in command.argv else command.argv[0]


def _lines(fd: int, cancel: Cancel, pid: int) -> Iterator[str]:
    """Whole lines until every writer has closed. Cancelled, it ends the process, and with it its pid namespace."""
    rest = b""
    asked = False
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            if cancel.is_set() and not asked:
                os.kill(pid, signal.SIGKILL)
                asked = True
            if not selector.select(0.2):
                continue
            chunk = os.read(fd, 65_536)
            if not chunk:
                break
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
