"""A program that was started by `exec`, and is given up."""

from __future__ import annotations

import signal
from contextlib import contextmanager

from wherry.cancel import Cancel
from wherry.lean import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.engine import Engine

__all__ = ["ended_by"]

_LOOK_S, _GRACE_S = 0.1, 1.0


@contextmanager
def ended_by(engine: Engine, pid: int, cancel: Cancel) -> Iterator[None]:
    """As long as it lasts, `cancel` ends process `pid`: SIGTERM, and when that is not heeded SIGKILL."""
    start, over = engine.host.start_time(pid), Cancel()

    def watch() -> None:
        while not cancel.is_set():
            if over.wait(_LOOK_S):
                return
        for signo in (signal.SIGTERM, signal.SIGKILL):
            if start is not None and not over.is_set():
                engine.host.signal(pid, start, signo)
                over.wait(_GRACE_S)

    join = in_thread(watch)
    try:
        yield
    finally:
        over.set()
        join()
