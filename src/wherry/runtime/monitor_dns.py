"""Names for a container on networks that the user made: the monitor answers at 127.0.0.11, as docker's daemon does.

Imported by path in the monitor, only when there is something to answer; stdlib only. It sits in the container's
namespace, on a port of its own that nft in that namespace makes port 53. What it knows is in files that the engine
keeps: one says which networks count (and their peers' names are read from one file for each network), which servers are
asked for everything else, and the names of --link. A file is read again when it is another one. Servers are asked from
the host's namespace, so that a resolver on the host's loopback serves containers too (ADR 0183).

    resolver = monitor_dns.start(loop, names_path, host_netns_fd)
"""

from __future__ import annotations

import os
import time

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_dns_names import Names
from wherry.runtime.monitor_dns_wire import SERVFAIL, Question, answer, failure, parse, truncated

socket = kernel.socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["PORT", "Resolver", "start"]

ADDRESS, PORT = "127.0.0.11", 61053
_PATIENCE_S, _MOST = 4.0, 256
_IN = 1
_UDP_BYTES, _TCP_BYTES = 4096, 65535
_DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class Resolver:
    """One container's. Its sockets are watched by the monitor's loop; it never blocks, and raises only in `listen`."""

    def __init__(self, loop: Any, path: str, host_netns: int) -> None:
        self.loop, self.names, self._host = loop, Names(path), host_netns
        self._udp: Any = None
        self._tcp: Any = None
        self.waiting: dict[int, _Asked] = {}

    def listen(self) -> None:
        """Raises: OSError when the container has taken that port itself."""
        self._udp = socket.socket(socket.AF_INET, _DATAGRAM)
        self._tcp = socket.socket(socket.AF_INET, _STREAM)
        try:
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._udp.bind((ADDRESS, PORT))
            self._tcp.bind((ADDRESS, PORT))
            self._tcp.listen(16)
        except OSError:
            self._udp.close()
            self._tcp.close()
            raise
        self.loop.watch(self._udp.fileno(), _IN, lambda _: self._on_packet())
        self.loop.watch(self._tcp.fileno(), _IN, lambda _: self._on_client())

    def close(self) -> None:
        """Everything that is open."""
        for sock in (self._udp, self._tcp):
            if sock is not None:
                self.loop.forget(sock.fileno())
                sock.close()
        for asked in list(self.waiting.values()):
            asked.end()

    def _on_packet(self) -> None:
        for _ in range(32):
            try:
                data, client = self._udp.recvfrom(_UDP_BYTES)
            except OSError:
                return
            self.handle(data, _Datagram(self._udp, client))

    def _on_client(self) -> None:
        try:
            fd, _ = self._tcp._accept()
        except OSError:
            return
        _Stream(self, socket.socket(fileno=fd))

    def handle(self, data: bytes, reply: _Datagram | _Stream) -> None:
        """Answer a question, now or when a server did."""
        question = parse(data)
        if question is None:
            return reply.drop()
        found = self.names.find(question)
        if found is not None:
            return reply.send(answer(question, found), question)
        servers = self.names.servers()
        if not servers or len(self.waiting) >= _MOST:
            return reply.send(failure(question, SERVFAIL), question)
        asked = _Asked(self, question, data, reply, servers)
        return asked.next()

    def host_socket(self, family: int, kind: int) -> Any:
        """A socket of the host's namespace. Raises: OSError."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(self._host, kernel.CLONE_NEWNET)
            try:
                return socket.socket(family, kind)
            finally:
                kernel.setns(own, kernel.CLONE_NEWNET)
        finally:
            os.close(own)


def start(loop: Any, path: str, host_netns: int) -> Resolver | None:
    """None when the container has taken that very port: the engine's next `N` tries again."""
    resolver = Resolver(loop, path, host_netns)
    try:
        resolver.listen()
    except OSError:
        return None
    return resolver


class _Datagram:
    """Where an answer by UDP goes."""

    is_stream = False

    def __init__(self, sock: Any, client: Any) -> None:
        self._sock, self._client = sock, client

    def send(self, data: bytes, question: Question | None) -> None:
        if question and len(data) > question.most:
            data = truncated(question)
        try:
            self._sock.sendto(data, self._client)
        except OSError:
            return

    def drop(self) -> None:
        return


class _Stream:
    """A client by TCP: questions one after the other."""

    is_stream = True

    def __init__(self, resolver: Resolver, sock: Any) -> None:
        self._resolver, self._sock, self._held = resolver, sock, b""
        self._sock.setblocking(False)
        self._until = time.monotonic() + 10
        resolver.loop.watch(sock.fileno(), _IN, lambda _: self._ready())
        resolver.loop.at(10, self.drop)

    def _ready(self) -> None:
        try:
            data = self._sock.recv(_TCP_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self._held += data
        if not data or len(self._held) > 2 * _TCP_BYTES:
            return self.drop()
        while len(self._held) >= 2 and len(self._held) >= 2 + (size := int.from_bytes(self._held[:2], "big")):
            question, self._held = self._held[2 : 2 + size], self._held[2 + size :]
            self._resolver.handle(question, self)
        return None

    def send(self, data: bytes, question: Question | None) -> None:
        if self._sock.fileno() < 0:
            return
        try:
            self._sock.send(len(data).to_bytes(2, "big") + data)
        except OSError:
            self.drop()

    def drop(self) -> None:
        if self._sock.fileno() >= 0:
            self._resolver.loop.forget(self._sock.fileno())
            self._sock.close()


class _Asked:
    """A question that was passed on: to one server, and to the next when that one fails or says nothing."""

    def __init__(
        self, resolver: Resolver, question: Question, data: bytes, reply: _Datagram | _Stream, servers: list[str]
    ) -> None:
        self._resolver, self._question, self._data, self._reply = resolver, question, data, reply
        self._servers, self._held, self._turn = list(servers), b"", 0
        self._sock: Any = None
        resolver.waiting[id(self)] = self

    def next(self) -> None:
        self._close()
        self._turn += 1
        if not self._servers:
            return self.end(failure(self._question, SERVFAIL))
        server = self._servers.pop(0)
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        try:
            sock = self._resolver.host_socket(family, _STREAM if self._reply.is_stream else _DATAGRAM)
        except OSError:
            return self.next()
        self._sock = sock
        try:
            sock.connect((server, 53))
        except BlockingIOError:
            # TCP: it can be written to once it is there
            self._resolver.loop.watch(sock.fileno(), 4, lambda _: self._connected())
            return self._later()
        except OSError:
            return self.next()
        return self._connected()

    def _later(self) -> None:
        turn = self._turn
        self._resolver.loop.at(_PATIENCE_S, lambda: self.next() if turn == self._turn and self._sock else None)

    def _connected(self) -> None:
        self._resolver.loop.forget(self._sock.fileno())
        data = len(self._data).to_bytes(2, "big") + self._data if self._reply.is_stream else self._data
        try:
            self._sock.send(data)
        except OSError:
            return self.next()
        self._resolver.loop.watch(self._sock.fileno(), _IN, lambda _: self._answered())
        return self._later()

    def _answered(self) -> None:
        try:
            data = self._sock.recv(_TCP_BYTES + 2)
        except BlockingIOError:
            return None
        except OSError:
            return self.next()
        if self._reply.is_stream:
            self._held += data
            size = int.from_bytes(self._held[:2], "big")
            if not data:
                return self.next()
            if len(self._held) < 2 or len(self._held) < 2 + size:
                return None
            data = self._held[2 : 2 + size]
        # Only what answers this very question; refused and failed ones are worth another server
        if len(data) < 12 or data[:2] != self._question.id:
            return None
        if data[3] & 15 in (2, 5) and self._servers:
            return self.next()
        return self.end(data)

    def _close(self) -> None:
        if self._sock is not None:
            self._resolver.loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def end(self, data: bytes = b"") -> None:
        self._close()
        self._resolver.waiting.pop(id(self), None)
        if data:
            self._reply.send(data, self._question)
