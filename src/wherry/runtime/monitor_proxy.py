"""Relays published ports from the host's sockets into the container, for what nft can't do: [::1] above all.

Imported by path in the monitor, only when ports are published; stdlib only. It keeps an epoll of its own, so the
monitor needs one line for it, whatever its own loop is:

    proxy = monitor_proxy.Proxy([(fd, "tcp", "10.213.0.2", 8000), ...])   # the fds are the proxy's from now on
    poll.register(proxy.fileno(), POLLIN)      # readable means: call proxy.turn(), which never blocks nor raises
    proxy.close()

The monitor sits in the container's network namespace, so the relay connects there, to the container's own address:
a program that listens on 127.0.0.1 only is not published, as with docker. The sockets that it accepts from stay in
the host's namespace. Packets for IPv4 are rewritten by nft before they get here.
"""

from __future__ import annotations

# Not socket, contextlib, typing: they would cost each monitor 1.5 MB
import _socket as socket
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Proxy"]

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_CHUNK = 1 << 16
_ROUNDS = 16
_PEERS = 256
_Address = tuple[str | int, ...]
_EDGE = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Proxy:
    """All published ports of one container. Each listener is (fd, "tcp" or "udp", target address, target port)."""

    def __init__(self, listeners: Iterable[tuple[int, str, str, int]]) -> None:
        self.epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._listeners: list[socket.socket] = []
        self._served: list[_Tcp | _Udp] = []
        self._waiting: list[Callable[[], None]] = []
        self.pairs: set[_Pair] = set()
        # A pair has 6 files: the rest of the limit is the monitor's
        self.most = max(8, (os.sysconf("SC_OPEN_MAX") - 64) // 6)
        # Readable while a busy pair gave way to the others
        self._again_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._again: set[_Pair] = set()
        self.watch(self._again_fd, self._resume, select.EPOLLIN)
        for fd, protocol, address, port in listeners:
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            self._listeners.append(sock)
            if protocol not in ("tcp", "udp"):
                continue  # held, so that nobody else takes the port
            serve = _Tcp(self, sock, (address, port)) if protocol == "tcp" else _Udp(self, sock, (address, port))
            self._served.append(serve)
            self.watch(fd, serve.ready, select.EPOLLIN)

    def retarget(self, address: str) -> None:
        """The container's ports are at another address of its from now on; connections that are open stay."""
        for serve in self._served:
            serve.target = (address, serve.target[1])

    def fileno(self) -> int:
        return self.epoll.fileno()

    def turn(self) -> None:
        """Do what is ready now."""
        for fd, _ in self.epoll.poll(0, 64):
            if call := self._ready.get(fd):
                call()

    def close(self) -> None:
        """Everything that is open, connections too."""
        for pair in list(self.pairs):
            pair.close()
        for sock in self._listeners:
            sock.close()
        os.close(self._again_fd)
        self.epoll.close()

    def watch(self, fd: int, call: Callable[[], None], events: int) -> None:
        self._ready[fd] = call
        self.epoll.register(fd, events)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching and close; closing takes it out of the epoll."""
        self._ready.pop(sock.fileno(), None)
        sock.close()

    def pause(self, listener: _Tcp) -> None:
        """Too many connections: new ones wait in the backlog until one ends."""
        self.epoll.modify(listener.sock.fileno(), 0)
        self._waiting.append(listener.resume)

    def ended(self, pair: _Pair) -> None:
        self.pairs.discard(pair)
        self._again.discard(pair)
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()

    def later(self, pair: _Pair) -> None:
        """Come back to it after the others."""
        self._again.add(pair)
        os.eventfd_write(self._again_fd, 1)

    def _resume(self) -> None:
        os.eventfd_read(self._again_fd)
        busy, self._again = self._again, set()
        for pair in busy:
            pair.ready()


class _Tcp:
    def __init__(self, proxy: Proxy, sock: socket.socket, target: tuple[str, int]) -> None:
        self.proxy, self.sock, self.target = proxy, sock, target

    def ready(self) -> None:
        for _ in range(_ROUNDS):
            if len(self.proxy.pairs) >= self.proxy.most:
                return self.proxy.pause(self)
            try:
                client = socket.socket(fileno=self.sock._accept()[0])  # type: ignore[attr-defined]
            except BlockingIOError:
                return None
            except OSError:  # the client gave up, or files are short: both pass
                return self.proxy.pause(self) if self.proxy.pairs else None
            self._connect(client)
        return None

    def resume(self) -> None:
        self.proxy.epoll.modify(self.sock.fileno(), select.EPOLLIN)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.socket(socket.AF_INET, _STREAM)
        except OSError:
            return client.close()
        try:
            server.connect_ex(self.target)
            client.setblocking(False)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Pair(self.proxy, client, server)
        except OSError:
            client.close()
            server.close()


class _Flow:
    """One direction: bytes go from socket to pipe to socket inside the kernel."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.out, self.into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        self.at_end = self.is_done = False

    def step(self) -> bool:
        """Whether anything moved. Raises: OSError when the connection is broken."""
        moved = False
        if not self.held and not self.at_end:
            try:
                self.held = os.splice(self.source.fileno(), self.into, _CHUNK, flags=os.SPLICE_F_NONBLOCK)
                self.at_end, moved = self.held == 0, True
            except BlockingIOError:
                pass
        if self.held:
            try:
                self.held -= os.splice(self.out, self.sink.fileno(), self.held, flags=os.SPLICE_F_NONBLOCK)
                moved = True
            except BlockingIOError:
                pass
        if self.at_end and not self.is_done:
            self.sink.shutdown(socket.SHUT_WR)
            self.is_done = True
        return moved

    def close(self) -> None:
        os.close(self.out)
        os.close(self.into)


class _Pair:
    """A client and its connection into the container."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        there = _Flow(client, server)
        try:
            self._flows = (there, _Flow(server, client))
        except OSError:
            there.close()
            raise
        proxy.pairs.add(self)
        for sock in (client, server):
            proxy.watch(sock.fileno(), self.ready, _EDGE)

    def ready(self) -> None:
        try:
            for _ in range(_ROUNDS):
                moved = [flow.step() for flow in self._flows]
                if not any(moved):
                    break
            else:
                self._proxy.later(self)
        except OSError:
            return self.close()
        return self.close() if all(flow.is_done for flow in self._flows) else None

    def close(self) -> None:
        for flow in self._flows:
            flow.close()
        for sock in (self._client, self._server):
            self._proxy.forget(sock)
        self._proxy.ended(self)


class _Udp:
    """Each client has a socket of its own into the container, for the answers to find back; the oldest go first."""

    def __init__(self, proxy: Proxy, sock: socket.socket, target: tuple[str, int]) -> None:
        self._proxy, self._sock, self.target = proxy, sock, target
        self._peers: dict[_Address, socket.socket] = {}

    def ready(self) -> None:
        for _ in range(_ROUNDS):
            try:
                data, client = self._sock.recvfrom(_CHUNK)
            except OSError:
                return
            try:
                self._peer(client).send(data)
            except OSError:
                continue

    def _peer(self, client: _Address) -> socket.socket:
        found = self._peers.pop(client, None)
        if found is None:
            if len(self._peers) >= _PEERS:
                self._proxy.forget(self._peers.pop(next(iter(self._peers))))
            found = socket.socket(socket.AF_INET, _DATAGRAM)
            found.connect(self.target)
            self._proxy.watch(found.fileno(), lambda: self._answer(client), select.EPOLLIN)
        self._peers[client] = found
        return found

    def _answer(self, client: _Address) -> None:
        for _ in range(_ROUNDS):
            try:
                data = self._peers[client].recv(_CHUNK)
            except (OSError, KeyError):  # nothing more; or nobody listens there (yet)
                return
            try:
                self._sock.sendto(data, client)
            except OSError:
                continue
