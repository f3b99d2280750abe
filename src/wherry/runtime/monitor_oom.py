"""OOM kills of a container, told when they happen: it may well go on without the process that died.

cgroup v2 wakes who polls memory.events; v1 has an eventfd for it.
"""

from __future__ import annotations

import os
import select

from wherry.runtime.monitor_streams import IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.runtime.monitor_streams import Loop


class Oom:
    """OOM kills of each run of one container: `say` is called when there is one, at once.

    `paths` count them, one for each cgroup version; those that are not there don't matter.
    """

    def __init__(self, loop: Loop, paths: list[str], say: Callable[[], None]) -> None:
        self._loop, self._paths, self._say = loop, paths, say
        self._fds: list[int] = []
        self._before, self._seen, self._told = 0, 0, False

    def begin(self, before: int | None = None) -> None:
        """A run has begun; its cgroup is there. `before` is what `count` gave before, None: what it gives now."""
        self._close()
        self._before, self._told = self.count() if before is None else before, False
        for path in self._paths:
            try:
                if path.endswith("memory.oom_control"):
                    self._watch_v1(path)
                else:
                    self._watch_v2(path)
            except OSError:
                continue

    def catch_up(self) -> None:
        """Say what happened before anybody watched: a program may ask for too much as the first thing it does."""
        if self.happened():
            self._seen = self.count()
            for fd in self._fds:
                try:
                    os.read(fd, 8)  # an eventfd may have been woken for the very same
                except OSError:
                    continue

    def happened(self) -> bool:
        """Whether there was one in this run, which is over. Says so when nobody has yet."""
        has = self.count() > self._before
        if has and not self._told:
            self._tell()
        return has

    def _tell(self) -> None:
        self._told = True
        self._say()

    def count(self) -> int:
        """How many there were in the cgroup; 0 when there is none."""
        for path in self._paths:
            try:
                with open(path, "rb") as file:
                    return kills(file.read(4096))
            except OSError:
                continue
        return 0

    def _watch_v1(self, path: str) -> None:
        """The kernel writes to the eventfd at each OOM, and once when the cgroup goes."""
        # Before there is anything to close: most often the other version's file is not there
        control = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fds.append(event)
        try:
            orders = os.open(f"{os.path.dirname(path)}/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(orders, f"{event} {control}".encode())
            finally:
                os.close(orders)
        finally:
            os.close(control)

        def woken(_: int) -> None:
            try:
                os.read(event, 8)
            except BlockingIOError:
                return
            if os.path.exists(path):
                self._tell()

        self._loop.watch(event, IN, woken)

    def _watch_v2(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._fds.append(fd)
        self._seen = kills(os.read(fd, 4096))

        def woken(_: int) -> None:
            try:
                now = kills(os.pread(fd, 4096, 0))
            except OSError:  # the cgroup is gone
                self._loop.forget(fd)
                return
            if now > self._seen:
                self._tell()
            self._seen = now

        self._loop.watch(fd, select.POLLPRI, woken)

    def _close(self) -> None:
        while self._fds:
            fd = self._fds.pop()
            self._loop.forget(fd)
            os.close(fd)


def kills(text: bytes) -> int:
    """What memory.events or memory.oom_control counts."""
    for line in text.splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill":
            return int(count)
    return 0
