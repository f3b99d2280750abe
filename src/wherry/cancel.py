"""One flag that stops an operation: an Event with an optional deadline, passed to every blocking call."""

from __future__ import annotations

import threading
import time

from wherry.errors import Cancelled

__all__ = ["Cancel"]


class Cancel:
    """Set once, by Ctrl-C, by the first failure, or by the deadline (`timeout_s` from now)."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self._event = threading.Event()
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.reason = "cancelled"

    def set(self, reason: str = "cancelled") -> None:
        """Idempotent: the first reason stays."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.set("deadline exceeded")
        return self._event.is_set()

    def check(self) -> None:
        """Raises: Cancelled when it is set."""
        if self.is_set():
            raise Cancelled(self.reason)

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, less when cancelled. True when it is set."""
        if self._deadline is not None:
            timeout_s = min(timeout_s, max(0.0, self._deadline - time.monotonic()))
        self._event.wait(timeout_s)
        return self.is_set()
