"""The bytes of one connection, plain or TLS: blocking calls that wake up every tick to look at their deadline."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from wherry.web.limits import Limits, PeerGone

__all__ = ["Pace", "PlainWire", "TlsWire", "Wire"]

TICK_S = Limits().tick_s
_RESET = (BrokenPipeError, ConnectionError)


class Pace:
    """Whether a body moves: at least `least` bytes in each window. `window_s` is asked each time (it shrinks)."""

    __slots__ = ("_least", "_moved", "_since", "_window_s")

    def __init__(self, window_s: Callable[[], float], least: int) -> None:
        self._window_s, self._least = window_s, least
        self._moved, self._since = 0, time.monotonic()

    def moved(self, count: int) -> None:
        self._moved += count
        if self._moved >= self._least:
            self._moved, self._since = 0, time.monotonic()
        else:
            self.check()

    def check(self) -> None:
        """Raises: PeerGone."""
        if time.monotonic() - self._since > self._window_s():
            raise PeerGone("the peer is too slow", stalled=True)


class Sent(NamedTuple):
    """A part of a file to be sent; whoever opened `fd` closes it, after `Responder.send` has returned."""

    fd: int
    offset: int
    size: int


class PlainWire:
    """A TCP connection. One thread at a time."""

    is_tls = False

    def __init__(self, sock: socket.socket, tick_s: float = TICK_S) -> None:
        self.sock = sock
        tick = struct.pack("ll", int(tick_s), int(tick_s % 1 * 1_000_000))
        # Timeouts of the kernel's: Python's own would cost a poll(2) before each call
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, tick)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, tick)

    def fileno(self) -> int:
        return self.sock.fileno()

    def poll(self, size: int, *, wait: bool) -> bytes | None:
        """What is there; None when nothing is (for a tick, with `wait`), b"" at the end. Raises: PeerGone."""
        try:
            return self.sock.recv(size, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except _RESET:
            raise PeerGone("reset") from None

    def has_more(self) -> bool:
        """Whether bytes wait that epoll(7) does not know of."""
        return False

    def is_ready(self) -> bool:
        """Whether `recv_into` would not wait."""
        try:
            self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def wait(self, pace: Pace) -> bytes:
        """Until there is something to receive; what had to be received to know that. Raises: PeerGone."""
        while True:
            try:
                self.sock.recv(1, socket.MSG_PEEK)
                return b""
            except BlockingIOError:
                pace.check()
            except _RESET:
                raise PeerGone("reset") from None

    def recv_into(self, view: memoryview, pace: Pace) -> int:
        """At least one byte; 0 at the end. Raises: PeerGone."""
        while True:
            try:
                count = self.sock.recv_into(view)
            except BlockingIOError:
                pace.check()
                continue
            except _RESET:
                raise PeerGone("reset") from None
            pace.moved(count)
            return count

    def send(self, data: bytes | memoryview, pace: Pace, *, more: bool = False) -> None:
        """All of it. Raises: PeerGone."""
        view = memoryview(data)
        while view:
            try:
                count = self.sock.send(view, socket.MSG_MORE if more else 0)
            except BlockingIOError:
                pace.check()
                continue
            except _RESET:
                raise PeerGone("reset") from None
            pace.moved(count)
            view = view[count:]

    def send_file(self, part: Sent, pace: Pace) -> None:
        """sendfile(2). Raises: PeerGone, OSError when the file can't be read or ends early."""
        out, (fd, offset, left) = self.sock.fileno(), part
        while left:
            try:
                count = os.sendfile(out, fd, offset, min(left, 8 << 20))
            except BlockingIOError:
                pace.check()
                continue
            except _RESET:
                raise PeerGone("reset") from None
            if not count:
                raise OSError("file is shorter than it was")
            pace.moved(count)
            offset, left = offset + count, left - count

    def finish(self) -> None:
        """Say that no more comes, so that the peer reads our answer before it learns that we close."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            pass


class TlsWire:
    """The same over TLS. `handshake` comes first."""

    is_tls = True

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self.sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def handshake(self, timeout_s: float) -> None:
        """Raises: PeerGone."""
        deadline = time.monotonic() + timeout_s
        while True:
            # One deadline for all of it: a peer that sends a byte a second must not reset it
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self.sock.do_handshake()
                return
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if time.monotonic() > deadline:
                    raise PeerGone("no TLS handshake", stalled=True) from None
            except (OSError, ValueError) as fault:
                raise PeerGone(f"TLS: {getattr(fault, 'reason', None) or fault}") from None

    def fileno(self) -> int:
        return self.sock.fileno()

    def poll(self, size: int, *, wait: bool) -> bytes | None:
        try:
            self.sock.settimeout(self._tick_s if wait else 0)
            return self.sock.recv(size)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            raise PeerGone("reset") from None

    def has_more(self) -> bool:
        return self.sock.pending() > 0

    def is_ready(self) -> bool:
        return self.sock.pending() > 0

    def wait(self, pace: Pace) -> bytes:
        """A readable socket may hold half a record: only what was decrypted is there for sure."""
        if self.sock.pending():
            return b""
        self.sock.settimeout(self._tick_s)
        while True:
            try:
                data = self.sock.recv(16384)
            except (TimeoutError, ssl.SSLWantReadError):
                pace.check()
                continue
            except OSError:
                raise PeerGone("reset") from None
            if not data:
                raise PeerGone("the body ended early")
            pace.moved(len(data))
            return data

    def recv_into(self, view: memoryview, pace: Pace) -> int:
        self.sock.settimeout(self._tick_s)
        while True:
            try:
                count = self.sock.recv_into(view)
            except (TimeoutError, ssl.SSLWantReadError):
                pace.check()
                continue
            except OSError:
                raise PeerGone("reset") from None
            pace.moved(count)
            return count

    def send(self, data: bytes | memoryview, pace: Pace, *, more: bool = False) -> None:
        self.sock.settimeout(self._tick_s)
        view = memoryview(data)
        while view:
            try:
                # A piece that is given again after WANT_WRITE must be the same one
                count = self.sock.send(view[: 128 << 10])
            except (TimeoutError, ssl.SSLWantWriteError):
                pace.check()
                continue
            except OSError:
                raise PeerGone("reset") from None
            pace.moved(count)
            view = view[count:]

    def send_file(self, part: Sent, pace: Pace) -> None:
        fd, offset, left = part
        buffer = bytearray(min(left, 256 << 10))
        view = memoryview(buffer)
        while left:
            count = os.preadv(fd, [view[: min(left, len(buffer))]], offset)
            if not count:
                raise OSError("file is shorter than it was")
            self.send(view[:count], pace)
            offset, left = offset + count, left - count

    def finish(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            pass


Wire = PlainWire | TlsWire
