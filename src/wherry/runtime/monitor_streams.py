"""The monitor's event loop, its log, and the clients that are attached to a container.

The attach protocol runs over a SEQPACKET unix socket; the first byte of each packet says what it is.
To the monitor: `A` + which of "ioe" the client wants (stdin, stdout, stderr; must come first on the public socket),
`I` + input (empty: end of input), `R` + "ROWS COLUMNS", `C`: this client cleans up after the container, `Q`: look for
the `stopped` record (a restart that waits is given up).
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
LINE_MAX = 16384
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

    def turn(self) -> None:
        wait_ms = None
        if self._timers:
            wait_ms = max(0, int((self._timers[0][0] - time.monotonic()) * 1000) + 1)
        for fd, events in self._poll.poll(wait_ms):
            if fd in self._calls:
                self._calls[fd](events)
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._timers.pop(0)[1]()


class Log:
    """docker's json-file, rotated by size. A write that fails (a full disk) drops the line and counts it."""

    def __init__(self, path: str, max_bytes: int, max_files: int) -> None:
        self._path, self._max_bytes, self._max_files = path, max_bytes, max(1, max_files)
        self._rest = {"stdout": b"", "stderr": b""}
        self._second, self._prefix = 0, ""
        self.dropped = 0
        self._fd, self._size = -1, 0
        self._open()

    def _open(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._size = os.fstat(self._fd).st_size
        except OSError:
            self._fd = -1

    def add(self, stream: str, data: bytes) -> None:
        data = self._rest[stream] + data
        lines = []
        while len(data) >= LINE_MAX or b"\n" in data:
            end = data.find(b"\n", 0, LINE_MAX) + 1 or LINE_MAX
            lines.append(data[:end])
            data = data[end:]
        self._rest[stream] = data
        if lines:
            self._write(stream, lines)

    def flush(self) -> None:
        """What has no line feed yet; for the end of the container."""
        for stream, data in self._rest.items():
            self._rest[stream] = b""
            if data:
                self._write(stream, [data])

    def _stamp(self) -> str:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest:09d}Z"

    def _write(self, stream: str, lines: list[bytes]) -> None:
        stamp = self._stamp()
        tail = f',"stream":"{stream}","time":"{stamp}"}}\n'
        rows = ['{"log":' + kernel.quote(one.decode("utf-8", "replace")) + tail for one in lines]
        if self.dropped:
            note = f"[wherry: {self.dropped} lines were not logged: the disk was full]\n"
            rows.insert(0, f'{{"log":{kernel.quote(note)},"stream":"stderr","time":"{stamp}"}}\n')
        data = "".join(rows).encode()
        if self._max_bytes <= 0 or self._size + len(data) <= self._max_bytes:
            failed = 0 if self._append(data) else len(lines)
        else:
            failed = sum(not self._append(row.encode()) for row in rows)
        self.dropped = self.dropped + failed if failed else 0

    def _append(self, data: bytes) -> bool:
        """Whether it is on the disk, whole."""
        if self._size and self._size + len(data) > self._max_bytes > 0:
            self._rotate()
        try:
            if self._fd < 0:
                self._open()
            done = os.write(self._fd, data)
            if done < len(data):
                # A part of a line would spoil the file for every reader
                os.ftruncate(self._fd, self._size)
                return False
        except OSError:
            return False
        self._size += done
        return True

    def _rotate(self) -> None:
        try:
            for number in range(self._max_files - 1, 0, -1):
                older = f"{self._path}.{number - 1}" if number > 1 else self._path
                try:
                    os.rename(older, f"{self._path}.{number}")
                except FileNotFoundError:
                    pass
            if self._max_files == 1:
                os.ftruncate(self._fd, 0)
        except OSError:
            return
        os.close(self._fd)
        self._open()


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
                packet = client.sock.recv(1 << 16)
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
                    self.drop(client)
                    return
                break
            client.size -= len(client.queue.pop(0))
        if client.alive:
            self._loop.watch(client.fd, IN | (OUT if client.queue else 0), lambda events: self._ready(client, events))
        if was_full or client.size <= LOW:
            self.on_room()

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
