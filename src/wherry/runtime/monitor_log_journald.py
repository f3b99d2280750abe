"""The log driver `journald`: systemd's native protocol, one datagram a line, with docker's field names.

The plan's `remote` has, besides: socket (the journal's), fields [[name, text], ...].
"""

from __future__ import annotations

import time

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_log_remote import CANT_BEGIN, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_AGAIN_S = 1.0


def field(name: str, value: bytes) -> bytes:
    """https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: with its length when it has a line feed or is no text."""
    if b"\n" in value or b"\0" in value:
        return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
    return b"%s=%s\n" % (name.encode(), value)


class Journald(Sender):
    """This machine's journal."""

    def __init__(self, remote: dict[str, Any]) -> None:
        super().__init__()
        self._path = remote["socket"]
        self._fixed = b"".join(field(name, text.encode("utf-8", "surrogateescape")) for name, text in remote["fields"])
        self._sock: kernel.Socket | None = None
        self._failed_at, self._shut = 0.0, False
        self._epoch, self._part, self._ordinal = remote["epoch"], 0, 0
        self._parts = {"stdout": 0, "stderr": 0}

    def begin(self) -> None:
        if self._sock is None:
            try:
                self._sock = self._connect()
            except OSError as fault:
                raise OSError(fault.errno, "journald is not enabled on this host", CANT_BEGIN) from None

    def _connect(self) -> kernel.Socket:
        sock = kernel.Socket(kernel.socket.AF_UNIX, kernel.socket.SOCK_DGRAM | kernel.socket.SOCK_CLOEXEC, 0)
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        return sock

    def send(self, stream: str, line: bytes, *, is_part: bool) -> bool:
        self._ordinal += 1
        message = field("MESSAGE", line) + field("PRIORITY", b"3" if stream == "stderr" else b"6") + self._fixed
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:09d}Z"
        message += field("SYSLOG_TIMESTAMP", stamp.encode()) + field("CONTAINER_LOG_ORDINAL", b"%d" % self._ordinal)
        message += self._partial(stream, is_part=is_part)
        for _ in range(2):
            if self._shut or not self._is_connected():
                return False
            try:
                self._sock.send(message)  # type: ignore[union-attr]
            except OSError:
                self.close()
            else:
                return True
        return False

    def _partial(self, stream: str, *, is_part: bool) -> bytes:
        """The pieces of one long line have one id, and are counted."""
        if not is_part and not self._parts[stream]:
            return b""
        if not self._parts[stream]:
            self._part += 1
        self._parts[stream] += 1
        found = field("CONTAINER_PARTIAL_ID", f"{self._epoch}-{stream}-{self._part}".encode())
        found += field("CONTAINER_PARTIAL_ORDINAL", b"%d" % self._parts[stream])
        found += field("CONTAINER_PARTIAL_LAST", b"false" if is_part else b"true")
        if is_part:
            return found + field("CONTAINER_PARTIAL_MESSAGE", b"true")
        self._parts[stream] = 0
        return found

    def _is_connected(self) -> bool:
        if self._sock is None and time.monotonic() - self._failed_at >= _AGAIN_S:
            try:
                self._sock = self._connect()
            except OSError:
                self._failed_at = time.monotonic()
        return self._sock is not None

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def give_up(self, lines: int) -> None:
        self._shut = True
        super().give_up(lines)
