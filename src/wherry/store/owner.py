"""Which process owns a piece of work: told apart from a later process with the same pid, and from another boot."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.host import Host
else:
    from wherry.lean import NamedTuple

__all__ = ["Owner"]


class Owner(NamedTuple):
    """`start_time` is in clock ticks since boot."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def current(cls, host: Host) -> Owner:
        """This very process."""
        pid = os.getpid()
        return cls(pid, host.start_time(pid) or 0, host.boot_id())

    def is_alive(self, host: Host) -> bool:
        if self.boot_id != host.boot_id():
            return False
        # A host that knows no start times gives 0 in `current`; a process asks about itself with the same answer
        start = host.start_time(self.pid)
        return (start or 0) == self.start_time if self.pid == os.getpid() else start == self.start_time

    def __str__(self) -> str:
        """As a row keeps it: PID:START:BOOT."""
        return f"{self.pid}:{self.start_time}:{self.boot_id}"

    @classmethod
    def parse(cls, text: str) -> Owner:
        """Of what `str` gave."""
        pid, start, boot = text.split(":")
        return cls(int(pid), int(start), boot)

    @property
    def tag(self) -> str:
        """As it stands in the names of temporary files: PID-START-BOOT."""
        return f"{self.pid}-{self.start_time}-{self.boot_id[:8]}"
