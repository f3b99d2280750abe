"""HTTP/1.1 over pooled connections: requests out, answers in, redirects followed with care.

Knows nothing of registries. `http.client` parses the answers; sockets, time and bodies are ours, for speed and bounds.
"""

from __future__ import annotations

import http.client
import io
import stat

from wherry._version import __version__
from wherry.errors import RegistryError, Unreachable
from wherry.registry.proxies import Proxies
from wherry.registry.retry import Retry
from wherry.registry.tls import TlsSettings, Trust
from wherry.registry.transport_connect import connect
from wherry.registry.transport_pool import Pool, Route
from wherry.registry.transport_redirect import next_request
from wherry.registry.transport_response import Broken, Parsed, Response, reason
from wherry.registry.transport_url import Url
from wherry.registry.transport_wire import ClosedEarly, Timeouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NamedTuple, Protocol, Self

    from wherry.cancel import Cancel
    from wherry.registry.transport_wire import Wire
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["Body", "Reader", "Request", "Transport"]

_PIECE = 1 << 20
_ONE_PACKET = 64 << 10
_MOST_REDIRECTS = 10


class Reader(Protocol):
    """Where a body comes from. A plain file (`open(path, "rb")`) is sent by the kernel over plain http."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def close(self) -> None: ...


class Body(NamedTuple):
    """A body of exactly `length` bytes; `open` gives a fresh reader each time that it is sent, closed when done."""

    open: Callable[[], Reader]
    length: int
    progress: Callable[[int], None] | None = None
    """Told how many bytes are sent so far."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(lambda: io.BytesIO(data), len(data))


class Request(NamedTuple):
    """`headers` without Host, Content-Length and User-Agent, which the transport writes."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: Body | None = None
    trust: Trust = Trust()


class Transport:
    """All connections of a command. Thread-safe; `close` at the end."""

    def __init__(
        self,
        tls: TlsSettings | None = None,
        proxies: Proxies | None = None,
        retry: Retry | None = None,
        *,
        timeouts: Timeouts | None = None,
        user_agent: str = f"wherry/{__version__}",
    ) -> None:
        self.retry = retry or Retry()
        self._tls = tls or TlsSettings()
        self._proxies = proxies or Proxies()
        self._timeouts = timeouts or Timeouts()
        self._user_agent = user_agent
        self._pool = Pool(self._timeouts.idle_s)

    def close(self) -> None:
        """Close what is idle; what is in use closes when it is done. Idempotent."""
        self._pool.close()

    def fetch(self, request: Request, cancel: Cancel | None = None) -> Response:
        """As `open`; a GET or HEAD is followed where it is redirected to. Raises: RegistryError for a bad redirect."""
        seen = {str(request.url)}
        while True:
            response = self.open(request, cancel)
            if response.status not in {301, 302, 303, 307, 308} or request.method not in {"GET", "HEAD"}:
                return response
            location = response.header("Location")
            if location is None:
                return response
            response.drop()
            request = next_request(request, location)
            if str(request.url) in seen or len(seen) > _MOST_REDIRECTS:
                raise RegistryError(f"{request.url.shown}: redirected in a loop, or too often", status=response.status)
            seen.add(str(request.url))

    def open(self, request: Request, cancel: Cancel | None = None) -> Response:
        """One exchange; whatever the status, the answer is the caller's to close.

        A pooled connection that turns out to be dead is replaced, once, and nobody notices.
        Raises: Unreachable, UntrustedCertificate, Broken (worth another try), Cancelled, InputError.
        """
        url = request.url
        proxy = self._proxies.for_url(url)
        route = Route(url.scheme, url.host, url.port, request.trust if url.scheme == "https" else Trust(), proxy)
        if wire := self._pool.take(route):
            try:
                return self._exchange(wire, route, request, cancel)
            except Broken:
                # Part of a large body may have arrived, and would arrive twice: whoever sends it knows how to go on
                if wire.has_answered or (request.body and request.body.length > _ONE_PACKET):
                    raise
        wire = connect(route, url, self._tls, self._timeouts, self._pool.session(route), cancel)
        return self._exchange(wire, route, request, cancel)

    def _exchange(self, wire: Wire, route: Route, request: Request, cancel: Cancel | None) -> Response:
        try:
            wire.begin(cancel, request.body.length if request.body else 0)
            whole = _send(wire, self._head(route, request), request.body)
            raw = Parsed(wire, method=request.method)  # type: ignore[arg-type]
            raw.begin()
            wire.headers_done()
        except TimeoutError as fault:
            wire.close()
            raise Broken(f"{request.url.shown}: {fault}", retryable=True) from None
        except (OSError, http.client.HTTPException) as fault:
            wire.close()
            raise Broken(f"{request.url.shown}: the connection broke: {reason(fault)}", retryable=True) from None
        except BaseException:
            wire.close()
            raise

        def release(is_reusable: bool) -> None:
            if is_reusable and whole:
                self._pool.put(route, wire)
            else:
                wire.close()

        return Response(raw, request.url, wire, release)

    def _head(self, route: Route, request: Request) -> bytes:
        """The request's line and headers."""
        url = request.url
        target = str(url) if route.proxy and url.scheme == "http" else url.target
        lines = [f"{request.method} {target} HTTP/1.1", f"Host: {url.authority}", f"User-Agent: {self._user_agent}"]
        if route.proxy and url.scheme == "http" and route.proxy.authorization:
            lines.append(f"Proxy-Authorization: {route.proxy.authorization}")
        for name, value in request.headers.items():
            if "\r" in value or "\n" in value:
                raise Unreachable(f"{url.shown}: a value for {name} has a line break in it")
            lines.append(f"{name}: {value}")
        if request.body is not None or request.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Length: {request.body.length if request.body else 0}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _send(wire: Wire, head: bytes, body: Body | None) -> bool:
    """Send a request. False when the other end answered before it had all: the connection is of no use afterwards."""
    if body is None or not body.length:
        wire.send_all(head)
        return True
    try:
        if body.length <= _ONE_PACKET:
            # One packet for both
            wire.send_all(head + _small(body))
            if body.progress:
                body.progress(body.length)
            return True
        wire.send_all(head)
        _send_body(wire, body)
    except ClosedEarly:
        return False
    except OSError:
        # A server that hangs up in the middle has often said why
        if wire.has_early_answer():
            return False
        raise
    return True


def _small(body: Body) -> bytes:
    reader = body.open()
    try:
        data = bytearray(body.length)
        got = 0
        while got < body.length and (count := reader.readinto(memoryview(data)[got:])):
            got += count
    finally:
        reader.close()
    if got < body.length:
        raise ShortBody(f"the source ended after {got} of {body.length} bytes")
    return bytes(data)


class ShortBody(RegistryError):
    """What was to be sent is shorter than was said. Not the registry's fault."""


def _send_body(wire: Wire, body: Body) -> None:
    reader = body.open()
    try:
        fd = -1 if wire.is_tls else _plain_file(reader)
        if fd >= 0 and isinstance(reader, io.BufferedReader | io.FileIO):
            _send_file(wire, body, fd, reader.tell())
            return
        buffer = memoryview(bytearray(min(_PIECE, body.length)))
        sent = 0
        while sent < body.length:
            count = reader.readinto(buffer[: body.length - sent])
            if not count:
                raise ShortBody(f"the source ended after {sent} of {body.length} bytes")
            if wire.has_early_answer():
                raise ClosedEarly(f"{wire.name} answered before all was sent")
            wire.send_all(buffer[:count])
            sent += count
            if body.progress:
                body.progress(sent)
    finally:
        reader.close()


def _plain_file(reader: Reader) -> int:
    """The descriptor to send from, or -1. Only the very types: what wraps a file has its descriptor, not its bytes."""
    import os

    if type(reader) is io.BufferedReader:
        raw = reader.raw
    elif type(reader) is io.FileIO:
        raw = reader
    else:
        return -1
    if type(raw) is not io.FileIO or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return -1
    return raw.fileno()


def _send_file(wire: Wire, body: Body, fd: int, start: int) -> None:
    sent = 0
    while sent < body.length:
        if wire.has_early_answer():
            raise ClosedEarly(f"{wire.name} answered before all was sent")
        count = wire.send_file(fd, start + sent, min(body.length - sent, 4 * _PIECE))
        if not count:
            raise ShortBody(f"the source ended after {sent} of {body.length} bytes")
        sent += count
        if body.progress:
            body.progress(sent)
