"""The body of a request: read into the caller's buffer, by length or by chunks (RFC 9112 section 7.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

from wherry.web.limits import BadRequest, PeerGone
from wherry.web.wire import Pace, Wire

__all__ = ["Body"]

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]{0,256})?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
_LINE_BYTES = 4096


class Body:
    """`length` is None for a chunked one. Reads nothing before it is asked; the first read answers `Expect`.

    `rest` is what had been received behind the head; what of it is not this body's is left in `rest` at the end.
    """

    def __init__(self, wire: Wire, rest: bytes, length: int | None, pace: Callable[[], Pace]) -> None:
        self.length = length
        self.rest = rest
        self.received = 0
        self.ended = length == 0
        self.expects = False
        """The peer waits for `100 Continue` and has sent nothing of it."""
        self._wire, self._make_pace, self._pace = wire, pace, None if length == 0 else pace()
        self._left = length if length is not None else 0
        self._is_first = True

    def wait(self) -> None:
        """Until there is something to read, or the end: so that no buffer is held meanwhile. Raises: PeerGone,
        BadRequest.
        """
        if self.ended or (self.length is None and self._left == 0 and not self._next_chunk()):
            return
        if not self.rest and self._pace:
            self._continue()
            self.rest = self._wire.wait(self._pace)

    def is_ready(self) -> bool:
        """Whether `readinto` would give bytes without waiting."""
        return not self.ended and self._left > 0 and (bool(self.rest) or self._wire.is_ready())

    def readinto(self, view: memoryview) -> int:
        """Up to len(view) bytes, at least one; 0 at the end. Raises: BadRequest, PeerGone (also for a short body)."""
        if self.ended or not view:
            return 0
        if self.length is None and self._left == 0 and not self._next_chunk():
            return 0
        count = self._take(view[: min(len(view), self._left)])
        self._left -= count
        self.received += count
        if self.length is not None:
            self.ended = self._left == 0
        return count

    def read(self, limit: int) -> bytes:
        """All of it. Raises: BadRequest(413) when it is more than `limit` bytes."""
        if self.length is not None and self.length > limit:
            raise BadRequest(413, f"the body is over {limit} bytes")
        data = bytearray()
        buffer = memoryview(bytearray(min(self.length or 65536, 65536)))
        while count := self.readinto(buffer):
            data += buffer[:count]
            if len(data) > limit:
                raise BadRequest(413, f"the body is over {limit} bytes")
        return bytes(data)

    def skip(self, limit: int) -> bool:
        """Read away a small rest, so that the connection can go on. False when it is more, or not worth it."""
        if self.ended:
            return True
        if self.expects or (self.length is not None and self._left > limit):
            return False
        buffer = memoryview(bytearray(16384))
        while count := self.readinto(buffer):
            limit -= count
            if limit < 0:
                return False
        return True

    def _continue(self) -> None:
        if self.expects and self._pace:
            self.expects = False
            self._wire.send(b"HTTP/1.1 100 Continue\r\n\r\n", self._pace)

    def _take(self, view: memoryview) -> int:
        if self.rest:
            count = min(len(view), len(self.rest))
            view[:count] = self.rest[:count]
            self.rest = self.rest[count:]
            return count
        assert self._pace
        self._continue()
        count = self._wire.recv_into(view, self._pace)
        if not count:
            raise PeerGone("the body ended early")
        return count

    def _next_chunk(self) -> bool:
        """Whether there is another one. Raises: BadRequest, PeerGone."""
        if not self._is_first and self._line() != b"":
            raise BadRequest(400, "malformed chunk")
        self._is_first = False
        found = _SIZE.fullmatch(self._line())
        if found is None:
            raise BadRequest(400, "malformed chunk size")
        self._left = int(found[1], 16)
        if self._left:
            return True
        for _ in range(32):
            line = self._line()
            if not line:
                self.ended = True
                return False
            if not _TRAILER.fullmatch(line):
                break
        raise BadRequest(400, "malformed trailers")

    def _line(self) -> bytes:
        while (end := self.rest.find(b"\r\n")) < 0:
            if len(self.rest) > _LINE_BYTES:
                raise BadRequest(400, "malformed chunk")
            assert self._pace
            self._continue()
            buffer = memoryview(bytearray(16384))
            count = self._wire.recv_into(buffer, self._pace)
            if not count:
                raise PeerGone("the body ended early")
            self.rest += bytes(buffer[:count])
        line, self.rest = self.rest[:end], self.rest[end + 2 :]
        if len(line) > _LINE_BYTES:
            raise BadRequest(400, "malformed chunk")
        return line
