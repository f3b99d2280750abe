"""Threads that grow with the work and shrink when there is none."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["Workers"]

_IDLE_S = 20.0


class Workers:
    """Calls of `work(item)`, in the order of `submit`, by up to `most` threads; `keep` of them stay when idle."""

    def __init__(self, work: Callable[[object], None], *, most: int, keep: int = 4) -> None:
        self._work, self._most, self._keep = work, most, keep
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._count = 0
        self._waiting = 0

    @property
    def is_short(self) -> bool:
        """Whether somebody waits for a thread and none can be added."""
        return self._waiting > 0 and self._count >= self._most

    @property
    def has_waiting(self) -> bool:
        return self._waiting > 0

    def submit(self, item: object) -> None:
        with self._lock:
            self._waiting += 1
            grow = self._waiting > self._idle and self._count < self._most
            if grow:
                self._count += 1
        self._queue.put(item)
        if grow:
            try:
                threading.Thread(target=self._run, name="http", daemon=True).start()
            except RuntimeError:  # no more threads: those that are there do it
                with self._lock:
                    self._count -= 1

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                item = self._queue.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    self._idle -= 1
                    if self._count > self._keep and not self._waiting:
                        self._count -= 1
                        return
                continue
            with self._lock:
                self._idle -= 1
                self._waiting -= 1
            self._work(item)
