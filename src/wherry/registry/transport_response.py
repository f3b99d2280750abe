"""An answer: status, headers, and a body that is read in large pieces and never without a bound."""

from __future__ import annotations

import http.client

from wherry.errors import RegistryError, Unreachable
from wherry.registry.transport_url import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from wherry.registry.transport_url import Url
    from wherry.registry.transport_wire import Wire

__all__ = ["Broken", "Parsed", "Response", "reason"]

_DRAIN_BYTES = 64 << 10


class Broken(Unreachable):
    """A connection that failed while it was used: the same request may work on another one."""


class Parsed(http.client.HTTPResponse):
    """The standard library's, which bounds everything but the trailers of a chunked body."""

    def _read_and_discard_trailer(self) -> None:
        for _ in range(100):
            line = self.fp.readline(_DRAIN_BYTES)
            if line in {b"\r\n", b"\n", b""}:
                return
        raise http.client.HTTPException("trailers without end")


class Response:
    """A context manager; who leaves before the end of the body closes the connection. One thread at a time."""

    def __init__(self, raw: http.client.HTTPResponse, url: Url, wire: Wire, release: Callable[[bool], None]) -> None:
        self.status = raw.status
        self.url = url
        """Where it came from, after redirects."""
        self._raw = raw
        self._wire = wire
        self._release: Callable[[bool], None] | None = release
        self._left = None if raw.chunked else raw.length
        if self._left == 0 or raw.isclosed():
            self._left = 0
            self._finish()

    def header(self, name: str) -> str | None:
        """The first of that name, as the other end sent it: not cleaned."""
        return self._raw.headers.get(name)

    def headers(self, name: str) -> list[str]:
        return self._raw.headers.get_all(name) or []

    @property
    def header_names(self) -> list[str]:
        """As they were sent; one that came twice is in it twice."""
        return self._raw.headers.keys()

    @property
    def length(self) -> int | None:
        """What Content-Length says, of a HEAD too; None when it says nothing."""
        text = self.header("Content-Length") or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    def readinto(self, buffer: memoryview) -> int:
        """One piece, at least a byte; 0 at the end of the body. Raises: Broken when it ends too early, Cancelled."""
        if self._release is None or not buffer:
            return 0
        try:
            raw = self._raw
            count = raw.readinto(buffer) if self._left is None else raw.fp.readinto1(buffer[: self._left])
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self.close()
            raise Broken(f"{self.url.shown}: the connection broke: {reason(fault)}", retryable=True) from None
        except BaseException:
            self.close()
            raise
        if self._left is not None:
            self._left -= count
            if not count:
                self.close()
                raise Broken(f"{self.url.shown}: the answer ended too early", retryable=True)
        if not count or self._left == 0:
            self._finish()
        return count

    def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises: RegistryError when it is longer than the limit, Broken."""
        parts: list[bytes] = []
        left = limit_bytes + 1
        buffer = memoryview(bytearray(min(left, 64 << 10)))
        while count := self.readinto(buffer[: max(left, 0)]):
            parts.append(bytes(buffer[:count]))
            left -= count
        if left <= 0:
            self.close()
            raise RegistryError(f"{self.url.shown}: the answer is longer than {limit_bytes} bytes", status=self.status)
        return b"".join(parts)

    def read_some(self, limit_bytes: int) -> bytes:
        """The head of a body that only an error message needs: what could be had of it."""
        buffer = memoryview(bytearray(limit_bytes))
        got = 0
        try:
            while count := self.readinto(buffer[got:]):
                got += count
        except Unreachable:
            pass
        self.close()
        return bytes(buffer[:got])

    def drop(self) -> None:
        """Done with it, whatever is left: a short rest is read so that the connection can be used again."""
        if self._left is not None and self._left <= _DRAIN_BYTES:
            self.read_some(_DRAIN_BYTES)
        self.close()

    def _finish(self) -> None:
        if self._release:
            release, self._release = self._release, None
            reusable = not self._raw.will_close
            self._raw.close()
            release(reusable)

    def close(self) -> None:
        """Idempotent."""
        if self._release:
            release, self._release = self._release, None
            self._raw.close()
            release(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reason(fault: BaseException) -> str:
    """Short words for what went wrong on a connection."""
    if isinstance(fault, http.client.LineTooLong | http.client.BadStatusLine | http.client.HTTPException):
        return clean(f"bad HTTP: {str(fault) or type(fault).__name__}", 120)
    return clean(getattr(fault, "strerror", None) or str(fault) or type(fault).__name__, 200)
