"""The server: one thread accepts and watches the idle, others serve what has something to say.

server = HttpServer(handler, ("127.0.0.1", 5000))
server.bind()
server.serve()          # until stop() from another thread or a signal handler
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from wherry.errors import Conflict, HostError, UsageError
from wherry.web.body import Body
from wherry.web.connection import Connection
from wherry.web.exchange import Exchange, Request, Responder, Sent
from wherry.web.head import Head
from wherry.web.limits import BadRequest, Limits, PeerGone
from wherry.web.wire import Pace, PlainWire, TlsWire
from wherry.web.workers import Workers

__all__ = ["BadRequest", "Exchange", "HttpServer", "Limits", "PeerGone", "Request", "Responder", "Sent"]

_DRAIN_BYTES = 256 << 10
_ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


class HttpServer:
    """`handler(request, responder)` runs in a thread of its own and answers by `responder.send`, once.

    What it raises is answered with 500 and given to `on_fault`; BadRequest with its own status. `on_done` is told of
    each exchange when it is over. `tls` is a server-side context, or None for plain HTTP.
    """

    def __init__(
        self,
        handler: Callable[[Request, Responder], None],
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        on_done: Callable[[Exchange], None] | None = None,
        on_fault: Callable[[Exception], None] | None = None,
    ) -> None:
        self.address = address
        """Where it listens; after `bind` with the port that it got."""
        self.limits = limits or Limits()
        self._handler, self._tls = handler, tls
        self._on_done, self._on_fault = on_done, on_fault
        self._listener: socket.socket | None = None
        self._workers = Workers(self._work, most=self.limits.threads)
        self._parked: dict[int, Connection] = {}
        self._open: set[Connection] = set()
        self._busy = 0
        self._lock = threading.Lock()
        self._stopping = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()

    def bind(self) -> None:
        """Raises: Conflict (port taken), UsageError (no such address), HostError."""
        host, port = self.address
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as fault:
            raise UsageError(f"cannot listen on {host}:{port}: {fault.strerror}", hint="--addr HOST:PORT") from None
        family, kind, number, _, where = found[0]
        listener = socket.socket(family, kind, number)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(1024)
        except OSError as fault:
            listener.close()
            raise _cannot_listen(fault, host, port) from None
        listener.setblocking(False)
        self._listener = listener
        self.address = listener.getsockname()[:2]

    def serve(self) -> None:
        """Blocks until `stop`. `bind` comes first. Afterwards `wait_idle` tells whether all were answered."""
        assert self._listener, "bind first"
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        swept = time.monotonic()
        while not self._stopping:
            for fd, _ in self._epoll.poll(self.limits.sweep_s):
                if fd == self._listener.fileno():
                    self._accept()
                elif (connection := self._parked.pop(fd, None)) is not None:
                    self._workers.submit(connection)
            if time.monotonic() - swept >= self.limits.sweep_s:
                swept = time.monotonic()
                self._sweep(swept)
        self._listener.close()
        for fd in list(self._parked):
            if (connection := self._parked.pop(fd, None)) is not None:
                self._drop(connection)

    def stop(self) -> None:
        """Accept nothing more; what is in flight is answered with `Connection: close`. Safe in a signal handler."""
        self._stopping = True
        with suppress(OSError):
            os.eventfd_write(self._wake_fd, 1)

    def wait_idle(self, timeout_s: float) -> bool:
        """After `stop`: whether all that was in flight ended in time. Then closes what is left."""
        deadline = time.monotonic() + timeout_s
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        is_clean = not self._busy
        for connection in list(self._open):
            self._drop(connection)
        self._epoll.close()
        with suppress(OSError):
            os.close(self._wake_fd)
        return is_clean

    @property
    def connections(self) -> int:
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._busy

    # -- the front

    def _accept(self) -> None:
        assert self._listener
        for _ in range(64):
            try:
                sock, where = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as fault:
                if fault.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._shed(16)
                return
            if len(self._open) >= self.limits.connections:
                self._shed(16)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                tick_s = self.limits.tick_s
                wire = TlsWire(sock, self._tls, tick_s) if self._tls else PlainWire(sock, tick_s)
            except OSError:
                sock.close()
                continue
            connection = Connection(wire, str(where[0]), self.limits)
            self._open.add(connection)
            self._park(connection, is_new=True)

    def _park(self, connection: Connection, *, is_new: bool = False) -> None:
        fd = connection.wire.fileno()
        self._parked[fd] = connection
        try:
            if is_new:
                self._epoll.register(fd, _ONCE)
            else:
                self._epoll.modify(fd, _ONCE)
        except (OSError, ValueError):
            if self._parked.pop(fd, None) is connection:
                self._drop(connection)

    def _sweep(self, now: float) -> None:
        for fd, connection in list(self._parked.items()):
            if connection.deadline < now and self._parked.pop(fd, None) is connection:
                self._drop(connection)

    def _shed(self, count: int) -> None:
        """Too many: those that have been silent longest go."""
        oldest = sorted(self._parked.items(), key=lambda item: item[1].deadline)
        for fd, connection in oldest[:count]:
            if self._parked.pop(fd, None) is connection:
                self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.wire.close()

    # -- a worker

    def _window_s(self) -> float:
        return self.limits.hurried_window_s if self._workers.is_short else self.limits.window_s

    def _pace(self) -> Pace:
        return Pace(self._window_s, self.limits.window_bytes)

    def _work(self, item: object) -> None:
        assert isinstance(item, Connection)
        connection = item
        try:
            connection.shake()
            while self._serve_one(connection):
                pass
            return
        except BadRequest as fault:
            self._refuse(connection, fault)
        except (PeerGone, OSError, ValueError):
            pass  # a wire that is closed under us raises any of these
        except Exception as fault:
            self._tell(fault)
        self._drop(connection)

    def _serve_one(self, connection: Connection) -> bool:
        """Whether to go on with this connection at once; it was parked or dropped when not."""
        linger = connection.is_served and not self._workers.has_waiting and not self._stopping
        head = connection.next_head(linger=linger)
        if head is None:
            if self._stopping:
                self._drop(connection)
            else:
                self._park(connection)
            return False
        with self._lock:
            self._busy += 1
        try:
            goes_on = self._exchange(connection, head)
        finally:
            with self._lock:
                self._busy -= 1
        if not goes_on:
            self._drop(connection)
            return False
        connection.rests()
        return True

    def _exchange(self, connection: Connection, head: Head) -> bool:
        """One request and its answer; whether the connection can go on."""
        wire = connection.wire
        started = time.monotonic()
        body = Body(wire, connection.rest, head.length, self._pace)
        body.expects = not head.old and not connection.rest and head.fields.get("expect", "").lower() == "100-continue"
        request = Request(head, body, connection.remote, is_tls=wire.is_tls)
        responder = Responder(wire, head, self._pace(), is_stopping=lambda: self._stopping)
        try:
            self._answer(request, responder)
            if responder.status:
                goes_on = not responder.close and body.skip(_DRAIN_BYTES)
                if not goes_on and not body.ended:
                    _linger_close(connection)
                connection.rest = body.rest
                return goes_on and not self._stopping
            return False
        finally:
            if self._on_done:
                self._on_done(Exchange(request, responder.status, responder.sent, time.monotonic() - started))

    def _answer(self, request: Request, responder: Responder) -> None:
        """Raises: PeerGone."""
        try:
            if "expect" in request.headers and request.headers["expect"].lower() != "100-continue":
                raise BadRequest(417, "the only expectation known here is 100-continue")
            self._handler(request, responder)
        except PeerGone as gone:
            # A body that stopped in the middle: say so, whether or not anybody listens
            if gone.stalled and not responder.status:
                responder.close = True
                responder.send(408, (), b"")
            raise
        except BadRequest as fault:
            if not responder.status:
                responder.close = True
                responder.send(fault.status, (("Content-Type", "text/plain"),), f"{fault}\n".encode())
        except Exception as fault:
            self._tell(fault)
            # What was sent may be half of an answer
            responder.close = True
            if not responder.status:
                responder.send(500, (("Content-Type", "text/plain"),), b"internal error\n")
        if not responder.status:
            responder.send(500, (), b"")

    def _refuse(self, connection: Connection, fault: BadRequest) -> None:
        """What can't be read as a request: an answer, then the end."""
        text = f"{fault}\n".encode()
        reply = (
            f"HTTP/1.1 {fault.status} Bad Request\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        ).encode()
        with suppress(PeerGone, OSError, ValueError):
            connection.wire.send(reply + text, self._pace())
            _linger_close(connection)

    def _tell(self, fault: Exception) -> None:
        if self._on_fault:
            self._on_fault(fault)


def _linger_close(connection: Connection) -> None:
    """Closing while the peer still sends would reset the connection, and could take our answer with it."""
    connection.wire.finish()
    deadline = time.monotonic() + 2.0
    left = 64 << 20
    with suppress(PeerGone, OSError, ValueError):
        while left > 0 and time.monotonic() < deadline:
            data = connection.wire.poll(65536, wait=True)
            if data == b"":
                return
            left -= len(data or b"")


def _cannot_listen(fault: OSError, host: str, port: int) -> Conflict | HostError:
    if fault.errno == errno.EADDRINUSE:
        return Conflict(
            f"cannot listen on {host}:{port}: another program does", hint="choose another port: --addr HOST:PORT"
        )
    return HostError(
        f"cannot listen on {host}:{port}: {fault.strerror}", hint="choose another address: --addr HOST:PORT"
    )
