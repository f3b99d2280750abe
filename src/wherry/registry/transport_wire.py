"""A socket with a sense of time: every wait can be cancelled, and has an end when nothing, or too little, arrives."""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import ssl
import time

from wherry.errors import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from wherry.cancel import Cancel
else:
    from wherry.lean import NamedTuple

__all__ = ["ClosedEarly", "Timeouts", "Wire", "dial", "shake_hands"]

_SLICE_S = 0.25
"""How soon a cancelled operation notices."""
_HEADER_BYTES = 256 << 10
_READ_AHEAD = 64 << 10
"""What a reader of headers asks for; who asks for more is reading a body, and knows that there is so much."""
_FILL = 256 << 10
_DIGESTED_BYTES_PER_S = 20e6


class Timeouts(NamedTuple):
    """In seconds. A slow link is fine, a dead or malicious one is not."""

    connect_s: float = 15.0
    answer_s: float = 120.0
    """From the end of a request to the first byte of its answer: a registry may hash 10 GB in between."""
    stall_s: float = 60.0
    """Without a byte in either direction."""
    window_s: float = 60.0
    window_bytes: int = 8 << 10
    """At least so much within each `window_s` of waiting: 1 byte a minute is an attack on our patience."""
    idle_s: float = 50.0
    """How long a connection may rest in the pool: servers close theirs after 60 s and more."""


class ClosedEarly(ConnectionError):
    """The other end closed the connection before the answer was whole."""


class Wire:
    """What `http.client.HTTPResponse` reads from; one thread at a time.

    Raises, everywhere: Cancelled; TimeoutError with the reason; OSError.
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts, name: str) -> None:
        self.name = name
        self._sock = sock
        self._timeouts = timeouts
        self._early = b""
        self._ended = False
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._cancel: Cancel | None = None
        self._answer_s = timeouts.answer_s
        self._first = False
        self._waited_s = 0.0
        self._window_got = 0
        self._header_left = _HEADER_BYTES
        sock.settimeout(_SLICE_S)

    @property
    def sock(self) -> socket.socket:
        return self._sock

    def begin(self, cancel: Cancel | None, body_bytes: int = 0) -> None:
        """A new exchange. Who gets a large body may take its time to hash and move it before it answers."""
        self._answer_s = self._timeouts.answer_s + body_bytes / _DIGESTED_BYTES_PER_S
        self._cancel = cancel
        self._first = True
        self._waited_s = 0.0
        self._window_got = 0
        self._header_left = _HEADER_BYTES

    def headers_done(self) -> None:
        self._header_left = -1

    @property
    def has_answered(self) -> bool:
        """Whether a byte of the answer has come."""
        return not self._first

    # -- reading ------------------------------------------------------------------------------------------------------

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """For HTTPResponse; closing it leaves the socket open."""
        return io.BufferedReader(_Raw(self), _READ_AHEAD)

    def recv_into(self, buffer: memoryview) -> int:
        """What is there, at least one byte; 0 at the end."""
        if self._early:
            count = min(len(buffer), len(self._early))
            buffer[:count] = self._early[:count]
            self._early = self._early[count:]
            return self._got(count)
        if self._ended:
            return 0
        began = time.monotonic()
        while True:
            try:
                count = self._sock.recv_into(buffer)
                break
            except TimeoutError:
                self._judge(time.monotonic() - began)
        if self._is_tls and len(buffer) > _READ_AHEAD:
            count = self._fill(buffer, count)
        self._waited_s += time.monotonic() - began
        if count:
            self._judge(0.0)
        return self._got(count)

    def _fill(self, buffer: memoryview, count: int) -> int:
        """TLS comes in records of 16 KiB: several at a time spare the layers above, a third of their time."""
        while 0 < count < min(len(buffer), _FILL):
            try:
                more = self._sock.recv_into(buffer[count:])
            except TimeoutError:
                break
            self._ended = not more
            if not more:
                break
            count += more
        return count

    def _got(self, count: int) -> int:
        self._first = self._first and not count
        self._window_got += count
        if self._header_left >= 0:
            self._header_left -= count
            # The reader behind us takes 64 KiB at a time, of which most may be body: the limit is a rough one
            if self._header_left < 0:
                raise OSError(f"{self.name} sends headers without end")
        return count

    def _judge(self, waiting_s: float) -> None:
        """Raise when it is cancelled, or was waited for too long; `waiting_s` is how long without a byte."""
        if self._cancel:
            self._cancel.check()
        limits = self._timeouts
        if waiting_s >= (self._answer_s if self._first else limits.stall_s):
            raise TimeoutError(f"nothing came from {self.name} for {waiting_s:.0f} s")
        if not self._first and self._waited_s + waiting_s >= limits.window_s:
            if self._window_got < limits.window_bytes:
                raise TimeoutError(f"{self.name} sent {self._window_got} bytes in {limits.window_s:.0f} s")
            self._waited_s = -waiting_s
            self._window_got = 0

    # -- writing ------------------------------------------------------------------------------------------------------

    def send_all(self, data: bytes | memoryview) -> None:
        """Raises: ClosedEarly when an answer arrived before all was sent; it is there to read."""
        view = memoryview(data)
        began = time.monotonic()
        while view:
            try:
                sent = self._sock.send(view)
            except TimeoutError:
                self._judge_sending(time.monotonic() - began)
                continue
            view = view[sent:]
            began = time.monotonic()

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """Let the kernel send up to `count` bytes of a file; plain connections only. Returns how many it sent."""
        began = time.monotonic()
        while True:
            try:
                return os.sendfile(self._sock.fileno(), fd, offset, count)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                if not poll.poll(_SLICE_S * 1000):
                    self._judge_sending(time.monotonic() - began)

    @property
    def is_tls(self) -> bool:
        return self._is_tls

    def _judge_sending(self, waiting_s: float) -> None:
        if self._cancel:
            self._cancel.check()
        if self.has_early_answer():
            raise ClosedEarly(f"{self.name} answered before all was sent")
        if waiting_s >= self._timeouts.stall_s:
            raise TimeoutError(f"{self.name} took nothing for {waiting_s:.0f} s")

    def has_early_answer(self) -> bool:
        """Whether the other end has said something already, or hung up. Cheap; what it said is kept for reading."""
        if self._early or self._ended:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLHUP)
        if not poll.poll(0):
            return False
        # Over TLS this may be a session ticket, which is no answer
        self._sock.settimeout(0)
        try:
            self._early = self._sock.recv(64 << 10)
            self._ended = not self._early
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            self._ended = True
        finally:
            self._sock.settimeout(_SLICE_S)
        return True

    def close(self) -> None:
        self._sock.close()


class _Raw(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        return self._wire.recv_into(buffer)


def dial(host: str, port: int, timeouts: Timeouts, shown: str, cancel: Cancel | None = None) -> socket.socket:
    """A connection, to the first address of `host` that answers. Raises: Unreachable, Cancelled."""
    try:
        sock = _connected(host, port, timeouts.connect_s, cancel)
    except socket.gaierror as fault:
        raise Unreachable(
            f"cannot reach {shown}: no address is known for {host!r}: {fault.strerror or fault}",
            hint="check the registry's name, and this machine's DNS (/etc/resolv.conf) and proxy settings",
        ) from None
    except TimeoutError:
        raise Unreachable(
            f"cannot reach {shown}: no answer from {host}:{port} within {timeouts.connect_s:.0f} s",
            hint="is the network up, and is a proxy needed (HTTPS_PROXY)?",
        ) from None
    except ConnectionRefusedError as fault:
        via = "" if shown in (host, f"{host}:{port}") else f" (at {host}:{port})"
        raise Unreachable(
            f"cannot reach {shown}{via}: {fault.strerror}",
            hint="does a registry run there? `wherry registry serve` is one",
        ) from None
    except OSError as fault:
        raise Unreachable(f"cannot reach {shown}: {host}:{port}: {fault.strerror or fault}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _connected(host: str, port: int, timeout_s: float, cancel: Cancel | None) -> socket.socket:
    """As `socket.create_connection`, which can't be cancelled."""
    faults: list[OSError] = []
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as fault:
            faults.append(fault)
            continue
        try:
            _connect(sock, where, timeout_s, cancel)
        except BaseException as fault:
            sock.close()
            if not isinstance(fault, OSError):
                raise
            faults.append(fault)
        else:
            sock.settimeout(timeout_s)
            return sock
    raise faults[0] if faults else OSError("it has no address")


def _connect(sock: socket.socket, where: Any, timeout_s: float, cancel: Cancel | None) -> None:
    sock.setblocking(False)
    code, deadline = sock.connect_ex(where), time.monotonic() + timeout_s
    if code == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        while not poll.poll(_SLICE_S * 1000):
            if cancel:
                cancel.check()
            if time.monotonic() >= deadline:
                raise TimeoutError
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def shake_hands(sock: ssl.SSLSocket, cancel: Cancel | None) -> None:
    """The TLS greeting, within the socket's timeout. Raises: Cancelled, TimeoutError, OSError."""
    whole_s = sock.gettimeout()
    deadline = time.monotonic() + (whole_s or 0.0)
    sock.settimeout(_SLICE_S)
    while True:
        try:
            sock.do_handshake()
            break
        except TimeoutError:
            if cancel:
                cancel.check()
            if whole_s is not None and time.monotonic() >= deadline:
                raise
    sock.settimeout(whole_s)
