"""Log drivers that send: syslog and journald, each line as one message, and a copy of it all that `logs` can read.

The plan's `remote`: driver, tag, attrs, waits (the container waits for a server that is slow), ring_bytes, and what the
driver's own module says.
"""

from __future__ import annotations

from wherry.runtime.monitor_log import LINE_MAX, tell_dropped
from wherry.runtime.monitor_log_ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.runtime.monitor_streams import Loop

CANT_BEGIN = "failed to initialize logging driver"


class Sender:
    """What both have in common: lines, and what becomes of those that can't be sent. Used by one thread."""

    def __init__(self) -> None:
        self._rest = {"stdout": b"", "stderr": b""}
        self._in_part = {"stdout": False, "stderr": False}
        self.dropped = 0

    def begin(self) -> None:
        """Connect. Raises: OSError."""

    def send(self, stream: str, line: bytes, *, is_part: bool) -> bool:
        """One line, or (`is_part`) a piece of a very long one that does not end it. Whether it went out."""
        raise NotImplementedError

    def add(self, stream: str, data: bytes) -> None:
        data = self._rest[stream] + data
        at = 0
        while True:
            end = data.find(b"\n", at, at + LINE_MAX)
            if end >= 0:
                self._one(stream, data[at:end], is_part=False)
                at = end + 1
            elif len(data) - at >= LINE_MAX:
                self._one(stream, data[at : at + LINE_MAX], is_part=True)
                at += LINE_MAX
            else:
                break
        self._rest[stream] = data[at:]

    def _one(self, stream: str, line: bytes, *, is_part: bool) -> None:
        # docker sends no empty lines, but for the end of one that was sent in parts
        if (line or self._in_part[stream]) and not self.send(stream, line, is_part=is_part):
            self.dropped += 1
        self._in_part[stream] = is_part

    def flush(self) -> None:
        for stream, rest in self._rest.items():
            self._rest[stream] = b""
            if rest:
                self._one(stream, rest, is_part=False)
        self.close()

    def lost(self, lines: int) -> None:
        self.dropped += lines

    def give_up(self, lines: int) -> None:
        """From another thread: whatever waits in here must end."""
        self.dropped += lines
        self.close()

    def close(self) -> None:
        """Idempotent."""


class Remote:
    """See above."""

    def __init__(self, plan: dict[str, Any], loop: Loop, host_netns: int, *, strict: bool) -> None:
        from wherry.runtime.monitor_log import open_file

        remote = plan["remote"]
        self._path, self._driver, self._told = plan["path"], plan["driver"], 0
        self._cache = open_file({**plan, "driver": "local"}, loop) if plan["cache"] else None
        self._senders: list[Sender] = []
        self._ring = Ring(
            lambda: self._make(remote), remote["ring_bytes"], loop, host_netns, waits=remote["waits"], strict=strict
        )

    def _make(self, remote: dict[str, Any]) -> Sender:
        sender: Sender
        if remote["driver"] == "syslog":
            from wherry.runtime.monitor_log_syslog import Syslog

            sender = Syslog(remote)
        else:
            from wherry.runtime.monitor_log_journald import Journald

            sender = Journald(remote)
        self._senders.append(sender)
        return sender

    @property
    def on_room(self) -> Callable[[], None]:
        """Called when the container need not wait any more."""
        return self._ring.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None]) -> None:
        self._ring.on_room = call

    @property
    def dropped(self) -> int:
        """Lines that were not sent; the copy has them."""
        return sum(sender.dropped for sender in self._senders)

    def is_full(self) -> bool:
        return self._ring.is_full()

    def add(self, stream: str, data: bytes) -> None:
        if self._cache:
            self._cache.add(stream, data)
        self._ring.add(stream, data)

    def flush(self) -> None:
        self._ring.flush()
        fresh, self._told = self.dropped - self._told, self.dropped
        if self._cache:
            self._cache.flush()
            if fresh:
                note = f"[wherry: {fresh} lines were not sent to {self._driver}]\n"
                self._cache.add("stderr", note.encode())
        if fresh:
            tell_dropped(self._path, self.dropped)
