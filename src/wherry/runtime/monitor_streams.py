"""The monitor's event loop, and the clients that are attached to a container.

The attach protocol runs over a SEQPACKET unix socket; the first byte of each packet says what it is.
To the monitor: `A` + which of "ioe" the client wants (stdin, stdout, stderr; must come first on the public socket),
`I` + input (empty: end of input), `R` + "ROWS COLUMNS", `C`: this client cleans up after the container, if it is there
at its end, `Q`: look for the `stopped` record (a restart that waits is given up).
From the monitor: `O` and `E` + output, `x` + the exit record as JSON; then it closes.
"""

from __future__ import annotations

import os
import select
import time
from errno import EAGAIN

from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 32768
HIGH, LOW, TOO_SLOW = 1 << 20, 1 << 18, 4 << 20
IN, OUT, GONE = select.POLLIN, select.POLLOUT, select.POLLHUP | select.POLLERR


class Loop:
    """poll(2), callbacks by fd, and timers."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        self._poll.register(fd, events)
        self._calls[fd] = call

    def forget(self, fd: int) -> None:
        if self._calls.pop(fd, None):
            self._poll.unregister(fd)

    def at(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + delay_s, call))
        self._timers.sort(key=lambda one: one[0])

    def turn(self, wait_ms: int | None = None) -> None:
        """Wait for something (so long at most), and handle all that is there."""
        if wait_ms is None and self._timers:
            wait_ms = max(0, int((self._timers[0][0] - time.monotonic()) * 1000) + 1)
        for fd, events in self._poll.poll(wait_ms):
            if fd in self._calls:
                self._calls[fd](events)
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._timers.pop(0)[1]()


class Client:
    """One attached client. `owner` started the container: its slowness holds the container back, nobody else's does."""

    def __init__(self, sock: kernel.Socket, wants: str, *, owner: bool) -> None:
        self.sock, self.fd, self.wants, self.owner = sock, sock.fileno(), wants, owner
        self.queue: list[bytes] = []
        self.size = 0
        self.cleans = False
        self.alive = True


class Clients:
    """All attached clients, and the listening socket that lets more in."""

    def __init__(self, loop: Loop, on_input: Callable[[Client, bytes], None]) -> None:
        self._loop, self._on_input = loop, on_input
        self._all: list[Client] = []
        self._listener: kernel.Socket | None = None
        self.on_room: Callable[[], None] = lambda: None
        self.closing = False

    def listen(self, path: str) -> None:
        sock = kernel.Socket(kernel.socket.AF_UNIX, kernel.socket.SOCK_SEQPACKET | kernel.socket.SOCK_CLOEXEC, 0)
        temporary = f"{path}.new"
        kernel.unlink(temporary)
        sock.bind(temporary)
        os.chmod(temporary, 0o600)
        sock.listen(16)
        # Clients find either a socket that answers or none
        os.rename(temporary, path)
        sock.setblocking(False)
        self._listener = sock
        self._loop.watch(sock.fileno(), IN, self._accept)

    def add(self, sock: kernel.Socket, wants: str, *, owner: bool = False) -> Client:
        sock.setblocking(False)
        client = Client(sock, wants, owner=owner)
        self._all.append(client)
        self._loop.watch(client.fd, IN, lambda events: self._ready(client, events))
        return client

    def _accept(self, _: int) -> None:
        try:
            fd, _peer = self._listener._accept()  # type: ignore[union-attr]
        except OSError:
            return
        self.add(kernel.Socket(fileno=fd), "")

    def _ready(self, client: Client, events: int) -> None:
        if events & OUT:
            self._flush(client)
        if not client.alive:
            return
        if events & (IN | GONE):
            try:
                packet = kernel.receive(client.sock, 1 << 16)
            except OSError as fault:
                packet = b"" if fault.errno != EAGAIN else b"?"
            if not packet:
                self.drop(client)
            elif packet[:1] == b"A":
                client.wants = packet[1:].decode("ascii", "replace")
            elif packet[:1] == b"C":
                client.cleans = True
            else:
                self._on_input(client, packet)

    def send(self, kind: bytes, data: bytes) -> None:
        want = {b"O": "o", b"E": "e"}.get(kind, "")
        for client in list(self._all):
            if want in client.wants:
                self.give(client, kind + data)

    def give(self, client: Client, packet: bytes) -> None:
        client.queue.append(packet)
        client.size += len(packet)
        self._flush(client)
        if client.size > TOO_SLOW and not client.owner:
            self.drop(client)

    def _flush(self, client: Client) -> None:
        was_full = client.size > HIGH
        while client.queue:
            try:
                client.sock.send(client.queue[0])
            except OSError as fault:
                if fault.errno != EAGAIN:
                    # It reads no more; what it has said before is still to be heard, and then that it is gone
                    client.queue, client.size = [], 0
                break
            client.size -= len(client.queue.pop(0))
        if client.alive:
            self._loop.watch(client.fd, IN | (OUT if client.queue else 0), lambda events: self._ready(client, events))
        if was_full or client.size <= LOW:
            self.on_room()

    @property
    def chunk(self) -> int:
        """The most that one of them takes at once; 0 when none wants any output."""
        return CHUNK if any(client.wants.strip("i") for client in self._all) else 0

    def is_full(self) -> bool:
        """Whether the owner has so much to read that the container must wait."""
        return any(client.owner and client.size > HIGH for client in self._all)

    def drop(self, client: Client) -> None:
        if client.alive:
            client.alive = False
            self._all.remove(client)
            self._loop.forget(client.fd)
            client.sock.close()
            self.on_room()
            self._on_input(client, b"")

    def pause_input(self, client: Client, paused: bool) -> None:
        if client.alive:
            events = (0 if paused else IN) | (OUT if client.queue else 0)
            self._loop.watch(client.fd, events, lambda got: self._ready(client, got))

    def is_drained(self) -> bool:
        return not any(client.queue for client in self._all)

    def owner(self) -> Client | None:
        return next((client for client in self._all if client.owner), None)

    def is_cleaned_after(self) -> bool:
        """Whether one of them has promised to clean up."""
        return any(client.cleans for client in self._all)

    def close_others(self) -> None:
        """The container is over and they had time to read its end: only the owner is waited for."""
        for client in list(self._all):
            if not client.owner:
                self.drop(client)

    def close(self) -> None:
        for client in list(self._all):
            client.alive = False
            client.sock.close()
        self._all = []
        if self._listener:
            self._loop.forget(self._listener.fileno())
            self._listener.close()
            self._listener = None
