"""One connection: finds the heads of requests in what arrives, and never holds a thread while nothing does."""

from __future__ import annotations

import time

from wherry.web.head import Head, parse_head
from wherry.web.limits import BadRequest, Limits, PeerGone
from wherry.web.wire import TlsWire, Wire

__all__ = ["Connection"]

_END = b"\r\n\r\n"
_FIRST = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\r")


class Connection:
    """`deadline` is when it has to have sent the (rest of the) next head; `rest` what came and was not used yet."""

    __slots__ = ("deadline", "is_served", "is_shaken", "limits", "remote", "rest", "wire")

    def __init__(self, wire: Wire, remote: str, limits: Limits) -> None:
        self.wire, self.remote, self.limits = wire, remote, limits
        self.rest = b""
        self.is_shaken = not isinstance(wire, TlsWire)
        self.is_served = False
        self.deadline = time.monotonic() + limits.head_s

    def shake(self) -> None:
        """The TLS handshake, once. Raises: PeerGone."""
        if not self.is_shaken and isinstance(self.wire, TlsWire):
            self.wire.handshake(self.limits.head_s)
            self.is_shaken = True

    def next_head(self, *, linger: bool) -> Head | None:
        """None when it is not here yet: park the connection. Raises: BadRequest, PeerGone (closed)."""
        wait = linger and not self.rest
        while True:
            head = self._head()
            if head is not None:
                return head
            data = self.wire.poll(65536, wait=wait)
            if data is None:
                if self.wire.has_more():
                    continue
                return None
            if not data:
                raise PeerGone("closed")
            if not self.rest:
                # From the first byte on the head has its own deadline, whoever trickles
                self.deadline = time.monotonic() + self.limits.head_s
            self.rest += data
            wait = False

    def rests(self) -> None:
        """An answer is sent: what comes next may take its time."""
        self.is_served = True
        self.deadline = time.monotonic() + (self.limits.head_s if self.rest else self.limits.idle_s)

    def _head(self) -> Head | None:
        if self.rest.startswith(b"\r\n"):
            self.rest = self.rest[2:]  # RFC 9112 section 2.2: at least one empty line before a request is ignored
        if self.rest and self.rest[0] not in _FIRST:
            # A TLS client on a plain port, say: it waits for an answer, and goes on to plain HTTP when it gets one
            raise BadRequest(400, "malformed request line")
        end = self.rest.find(_END)
        if end < 0:
            if len(self.rest) > self.limits.head_bytes:
                raise BadRequest(431, "the headers are too large")
            return None
        if end > self.limits.head_bytes:
            raise BadRequest(431, "the headers are too large")
        head = parse_head(self.rest[: end + 4], self.limits)
        self.rest = self.rest[end + 4 :]
        return head
