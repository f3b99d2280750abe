"""One flag that stops an operation: an Event with an optional deadline, passed to every blocking call."""

from __future__ import annotations

import time

from wherry.errors import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Event

__all__ = ["Cancel", "Within"]


class Cancel:
    """Set once, by Ctrl-C, by the first failure, or by the deadline (`timeout_s` from now)."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self._is_set = False
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.reason = "cancelled"

    def set(self, reason: str = "cancelled") -> None:
        """Idempotent: the first reason stays."""
        if not self._is_set:
            self.reason, self._is_set = reason, True
            if event := self.__dict__.get("_event"):
                event.set()

    def is_set(self) -> bool:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.set("deadline exceeded")
        return self._is_set

    def check(self) -> None:
        """Raises: Cancelled when it is set."""
        if self.is_set():
            raise Cancelled(self.reason)

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, less when cancelled. True when it is set."""
        if self._deadline is not None:
            timeout_s = min(timeout_s, max(0.0, self._deadline - time.monotonic()))
        if not self._is_set:
            self._waking().wait(timeout_s)
        return self.is_set()

    def _waking(self) -> Event:
        """What wakes those that wait; made by the first of them, since most commands end without one."""
        from threading import Event

        event: Event = self.__dict__.setdefault("_event", Event())
        # `set` looks for the event after it has set the flag: one of both sees the other
        if self._is_set:
            event.set()
        return event


class Within(Cancel):
    """Ends with `outer`, and alone when it is set or its own deadline (None: it has none) is over."""

    def __init__(self, outer: Cancel, timeout_s: float | None = None) -> None:
        super().__init__(timeout_s)
        self._outer = outer

    def is_set(self) -> bool:
        if self._outer.is_set():
            self.set(self._outer.reason)
        return super().is_set()

    def wait(self, timeout_s: float) -> bool:
        # In slices: the outer one wakes nobody who waits here
        while timeout_s > 0 and not self.is_set():
            super().wait(min(timeout_s, 0.2))
            timeout_s -= 0.2
        return self.is_set()
