"""A log driver that may take its time, with a thread of its own: `--log-opt mode=non-blocking`, and all that is sent.

What the container wrote waits in memory, at most `max_bytes` of it. When that is full, the container waits (`waits`),
or what it writes is dropped and counted.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from errno import EINVAL

from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.runtime.monitor_streams import Loop

_CLONE_FS = 0x200
_READABLE = 1
_LAST_WORDS_S = 5.0


class Ring:
    """Between a container and the driver that `make` gives, in the host's network. Raises what `make` raises."""

    def __init__(
        self, make: Callable[[], Any], max_bytes: int, loop: Loop, host_netns: int, *, waits: bool, strict: bool = True
    ) -> None:
        self._make, self._max_bytes, self._netns, self._waits = make, max_bytes, host_netns, waits
        self._items: list[tuple[str, bytes]] = []
        self._size = 0
        self._fault: OSError | None = None
        self._guard, self._more, self._begun, self._ended = (allocate_lock() for _ in range(4))
        self._is_idle = self._is_over = self._is_held = self._runs = False
        self._driver: Any = None
        self._lost = self._turn = 0
        self.on_room: Callable[[], None] = lambda: None
        self._ear, self._mouth = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        loop.watch(self._ear, _READABLE, self._on_room)
        self._start(strict=strict)

    def _start(self, *, strict: bool) -> None:
        """`strict`: wait until the driver has begun, and raise when it can't. Else it goes on trying by itself."""
        self._is_over, self._runs = False, True
        for lock in (self._more, self._begun, self._ended):
            lock.acquire(False)
        start_new_thread(self._work, (strict, self._turn))
        if strict:
            self._begun.acquire()
            if self._fault:
                self._runs = False
                raise self._fault

    def is_full(self) -> bool:
        # Under the guard: room that is made in between would be told to nobody
        with self._guard:
            self._is_held = self._waits and self._size >= self._max_bytes
            return self._is_held

    def _on_room(self, _: int) -> None:
        os.read(self._ear, 64)
        self.on_room()

    def add(self, stream: str, data: bytes) -> None:
        if not self._runs:
            self._start(strict=False)
        with self._guard:
            if not self._waits and self._size and self._size + len(data) > self._max_bytes:
                self._lost += data.count(b"\n") or 1
                return
            self._items.append((stream, data))
            self._size += len(data)
            self._wake()

    def _wake(self) -> None:
        if self._is_idle:
            self._is_idle = False
            self._more.release()

    def flush(self) -> None:
        """The container ended: all is delivered, or after five seconds given up."""
        if not self._runs:
            return
        with self._guard:
            self._is_over = True
            self._wake()
        if not self._ended.acquire(timeout=_LAST_WORDS_S):
            # The thread ends when its driver lets it go; another run of the container gets another one of both
            with self._guard:
                self._turn += 1
                self._lost += sum(data.count(b"\n") or 1 for _, data in self._items)
                self._items, self._size = [], 0
            if self._driver:
                self._driver.give_up(self._lost)
            self._driver, self._lost = None, 0
        self._runs = False

    def _work(self, strict: bool, turn: int) -> None:
        """The thread. Its file system context is its own: else the monitor could not change its mount namespace."""
        driver = self._driver = self._driver or self._make()
        try:
            kernel.unshare(_CLONE_FS)
            if self._netns >= 0:
                kernel.setns(self._netns, kernel.CLONE_NEWNET)
            driver.begin()
        except Exception as fault:  # whatever it is, somebody waits to hear of it
            if strict:
                self._fault = fault if isinstance(fault, OSError) else OSError(EINVAL, str(fault))
                self._begun.release()
                return
        self._begun.release()
        while (items := self._next(turn)) is not None:
            for stream, data in items:
                driver.add(stream, data)
                if not self._is_done(len(data), turn):
                    return
        self._pass_on_losses()
        driver.flush()
        with self._guard:
            if turn == self._turn:
                self._ended.release()

    def _is_done(self, count: int, turn: int) -> bool:
        """False when this thread was given up meanwhile: what is in the ring by now is another one's."""
        with self._guard:
            if turn != self._turn:
                return False
            self._size -= count
            has_room = self._is_held and self._size <= self._max_bytes // 2
            self._is_held = self._is_held and not has_room
        if has_room:
            os.write(self._mouth, b".")
        return True

    def _pass_on_losses(self) -> None:
        with self._guard:
            lost, self._lost = self._lost, 0
        if lost:
            self._driver.lost(lost)

    def _next(self, turn: int) -> list[tuple[str, bytes]] | None:
        self._pass_on_losses()
        while True:
            with self._guard:
                if turn != self._turn:
                    return None
                if self._items:
                    items, self._items = self._items, []
                    return items
                if self._is_over:
                    return None
                self._is_idle = True
            self._more.acquire()
