"""A server in threads that answers with raw bytes, so that a test can break HTTP in whatever way it likes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wherry.registry.client import Client
from wherry.registry.credentials import Credential
from wherry.registry.hosts import Endpoint
from wherry.registry.retry import Retry
from wherry.registry.tls import TlsSettings
from wherry.registry.transport import Transport
from wherry.registry.transport_wire import Timeouts

QUICK = Retry(tries=4, base_s=0.001, cap_s=0.01)
PATIENT = Timeouts()
"""A busy machine may leave a thread alone for a second: only tests of time itself give less."""


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    connection: int = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def __getitem__(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


@dataclass
class Raw:
    """What goes over the wire, piece by piece; `close` hangs up afterwards. `early`: before the body was read."""

    pieces: tuple[bytes, ...]
    close: bool = False
    early: bool = False
    wait: threading.Event | None = None
    """Held open until it is set."""


Answer = bytes | Raw
Handler = Callable[[Seen], Answer]


def reply(status: int = 200, body: bytes = b"", **headers: str | int) -> bytes:
    """A whole answer; underscores in names stand for hyphens."""
    named = {"Content-Length": len(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Scripted:
    """`handler` answers each request; `seen` keeps them in order. `is_early(seen)`: answer before reading the body."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    is_early: Callable[[Seen], bool] = lambda _: False
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._done = threading.Event()
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self._done.is_set():
                sock.close()
                return
            self.connections += 1
            self._open.append(sock)
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            elif sock.recv(1, socket.MSG_PEEK) == b"\x16":
                # A TLS greeting: any line break in it is chance
                sock.recv(1 << 16)
                sock.sendall(reply(400))
                return
            with sock, sock.makefile("rb") as file:
                while (seen := _read_head(file)) is not None:
                    seen.connection = number
                    if not self._answer(sock, file, seen):
                        return
        except (OSError, ValueError):
            # Hung up, or spoke no HTTP
            pass
        finally:
            sock.close()

    def _answer(self, sock: socket.socket, file: object, seen: Seen) -> bool:
        if not self.is_early(seen):
            seen.body = file.read(int(seen["content-length"] or 0))  # type: ignore[attr-defined]
        self.seen.append(seen)
        answer = self.handler(seen)
        answer = answer if isinstance(answer, Raw) else Raw((answer,))
        for piece in answer.pieces:
            sock.sendall(piece)
        if answer.wait:
            answer.wait.wait(20)
        if answer.close:
            if self.is_early(seen):
                # Hang up as a polite server does: what is unread would turn the end into a reset
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1 << 16):
                    pass
            return False
        return True

    def close(self) -> None:
        self._done.set()
        # Closing a listener wakes nobody on Linux: a last connection does
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._threads[0].join(10)
        self.listener.close()
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self._threads:
            thread.join(10)


def _read_head(file: object) -> Seen | None:
    line = file.readline()  # type: ignore[attr-defined]
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := file.readline().strip()) != b"":  # type: ignore[attr-defined]
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Seen(method, target, headers)


@contextmanager
def scripted(
    handler: Handler, tls: ssl.SSLContext | None = None, is_early: Callable[[Seen], bool] = lambda _: False
) -> Iterator[Scripted]:
    server = Scripted(handler, tls, is_early)
    try:
        yield server
    finally:
        server.close()


@dataclass
class Wallet:
    """Credentials by host; `asked` says for whom somebody wanted them."""

    known: dict[str, Credential] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def find(self, host: str, repository: str = "") -> Credential | None:
        self.asked.append(host)
        return self.known.get(host)


@contextmanager
def transport(
    tls: TlsSettings | None = None, retry: Retry = QUICK, timeouts: Timeouts = PATIENT
) -> Iterator[Transport]:
    made = Transport(tls, None, retry, timeouts=timeouts)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def client(wallet: Wallet | None = None, retry: Retry = QUICK) -> Iterator[Client]:
    with transport(retry=retry) as made:
        yield Client(made, wallet or Wallet())


def endpoint(server: Scripted, repository: str = "team/app", **more: object) -> Endpoint:
    return Endpoint(server.host, repository, **({"scheme": "http"} | more))  # type: ignore[arg-type]
