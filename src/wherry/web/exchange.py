"""One request and its answer, as a handler sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl

from wherry.web.body import Body
from wherry.web.head import Head
from wherry.web.limits import BadRequest
from wherry.web.wire import Pace, Sent, Wire

__all__ = ["Exchange", "Request", "Responder", "Sent"]

Fields = Sequence[tuple[str, str]]
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})


class Request:
    """`path` and `query` are as they were sent: not decoded. Header names in `headers` are lower-case."""

    __slots__ = ("_pairs", "body", "head", "headers", "is_tls", "method", "path", "query", "remote", "target", "user")

    def __init__(self, head: Head, body: Body, remote: str, *, is_tls: bool = False) -> None:
        self.head, self.body, self.remote, self.is_tls = head, body, remote, is_tls
        self.method: str = head.method
        self.target: str = head.target
        self.headers: Mapping[str, str] = head.fields
        self.path, _, self.query = head.target.partition("?")
        self.user = ""
        """Who it is, once somebody has found out; goes to the log."""
        self._pairs: list[tuple[str, str]] | None = None

    def params(self, name: str) -> list[str]:
        """Each value of the query's parameter, decoded, in order. Raises: BadRequest."""
        if not self.query:
            return []
        if self._pairs is None:
            try:
                self._pairs = parse_qsl(
                    self.query, keep_blank_values=True, max_num_fields=200, encoding="utf-8", errors="strict"
                )
            except ValueError:
                raise BadRequest(400, "malformed query") from None
        return [value for key, value in self._pairs if key == name]

    def param(self, name: str, default: str = "") -> str:
        """The first value of the parameter."""
        return next(iter(self.params(name)), default)


class Responder:
    """Sends one answer. `status` is 0 until then."""

    def __init__(self, wire: Wire, head: Head, pace: Pace, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.status = 0
        self.sent = 0
        """Bytes of the body."""
        self.close = not head.keep_alive
        """Set it before `send` to end the connection after this answer."""
        self._wire, self._pace, self._is_stopping = wire, pace, is_stopping
        self._is_head, self._is_old = head.method == "HEAD", head.old

    def send(self, status: int, headers: Fields = (), body: bytes | Sent | Iterable[bytes] = b"") -> None:
        """Content-Length, Connection and Date are added. With an iterable, give Content-Length when it is known.

        For HEAD give what GET would get; nothing of the body is sent. Raises: PeerGone, OSError (file too short).
        """
        assert not self.status, "one answer to a request"
        self.close = self.close or self._is_stopping()
        fields = list(headers)
        chunked = False
        if isinstance(body, bytes):
            if status not in _NO_BODY and not (self._is_head and _has_length(fields)):
                fields.append(("Content-Length", str(len(body))))
        elif isinstance(body, Sent):
            fields.append(("Content-Length", str(body.size)))
        elif not _has_length(fields):
            # HTTP/1.0 knows no chunks: the end of the connection is the end of the body
            self.close = self.close or self._is_old
            chunked = not self._is_old
            if chunked:
                fields.append(("Transfer-Encoding", "chunked"))
        fields.append(("Connection", "close") if self.close else ("Connection", "keep-alive"))
        head = _head(status, fields)
        self.status = status
        if self._is_head or status in _NO_BODY:
            self._wire.send(head, self._pace)
        elif isinstance(body, bytes):
            self.sent = len(body)
            self._wire.send(head + body, self._pace)
        elif isinstance(body, Sent):
            self._send_file(head, body)
        else:
            self._stream(head, body, chunked=chunked)

    def _send_file(self, head: bytes, body: Sent) -> None:
        self._wire.send(head, self._pace, more=body.size > 0)
        try:
            self._wire.send_file(body, self._pace)
        except BaseException:
            self.close = True
            raise
        self.sent = body.size

    def _stream(self, head: bytes, body: Iterable[bytes], *, chunked: bool) -> None:
        """A failure in the middle closes the connection, so that the peer sees that it is not whole."""
        self._wire.send(head, self._pace, more=True)
        try:
            for piece in body:
                if not piece:
                    continue
                self.sent += len(piece)
                self._wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece, self._pace)
            if chunked:
                self._wire.send(b"0\r\n\r\n", self._pace)
        except BaseException:
            self.close = True
            raise


class Exchange(NamedTuple):
    """What a log line says. `status` is 0 when the peer left before there was an answer."""

    request: Request
    status: int
    sent: int
    duration_s: float


def _has_length(fields: Fields) -> bool:
    return any(name == "Content-Length" for name, _ in fields)


_date = (0, "")


def _now() -> str:
    global _date  # noqa: PLW0603 - one text a second, shared by all threads
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


def _head(status: int, fields: Fields) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}", f"Date: {_now()}"]
    lines += [f"{name}: {value}" for name, value in fields]
    text = "\r\n".join(lines)
    # A name from outside in a header must not become a second header
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ValueError("a header of an answer holds a control character")
    return f"{text}\r\n\r\n".encode("latin-1", "replace")
