"""`wherry record`: a server that lets requests through to an application, and remembers them with their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from wherry.contract.call import Answer, Call, NoAnswer
from wherry.contract.model import App, Contract
from wherry.contract.record import Exchange, contract_of
from wherry.engine.verify_container import NotReady, listening, place, started
from wherry.engine.verify_http import HttpCaller
from wherry.errors import NotFound
from wherry.oci.digest import Digest
from wherry.web.server import HttpServer, Request, Responder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine

__all__ = ["Recorder", "behind", "serving"]

_LIMIT_BYTES = 64 << 20
_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "content-length", "host", "expect", "accept-encoding", "date",
})  # fmt: skip


class Recorder:
    """The handler of the server. `seen` are the exchanges so far, in the order in which they began to be answered.

    `on_seen` is told how many there are. Each request goes to the application twice, unless `once`.
    """

    def __init__(self, caller: HttpCaller, *, once: bool, on_seen: Callable[[int], None]) -> None:
        self.seen: list[Exchange] = []
        self._caller, self._once, self._on_seen = caller, once, on_seen
        self._lock = threading.Lock()

    def handle(self, request: Request, responder: Responder) -> None:
        body = request.body.read(_LIMIT_BYTES)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        # Nothing packed: what is recorded is to be read
        call = Call(request.method, request.target, {**headers, "accept-encoding": "identity"}, body,
                    timeout_s=300.0, limit_bytes=_LIMIT_BYTES)  # fmt: skip
        try:
            answer = self._caller.call(call)
            again = None if self._once else self._caller.call(call)
        except NoAnswer as fault:
            responder.send(502, (("Content-Type", "text/plain"),), f"wherry record: {fault}\n".encode())
            return
        responder.send(answer.status, _passed_on(answer), answer.body)
        with self._lock:
            self.seen.append(Exchange(request.method, request.target, headers, body, answer, again))
            count = len(self.seen)
        self._on_seen(count)

    def contract(self, app: App) -> tuple[Contract, list[str]]:
        """What was seen, and words about what was left out."""
        with self._lock:
            return contract_of(self.seen, app)


def _passed_on(answer: Answer) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers.items() if name not in _HOP]


@contextmanager
def serving(recorder: Recorder, address: tuple[str, int]) -> Iterator[str]:
    """The server runs meanwhile, in threads; its URL. Raises: Conflict (port taken), UsageError."""
    server = HttpServer(recorder.handle, address)
    server.bind()
    thread = threading.Thread(target=server.serve, name="record")
    thread.start()
    host, port = server.address
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.stop()
        thread.join()
        server.wait_idle(5.0)


@contextmanager
def behind(
    engine: Engine, target: str, headers: Mapping[str, str], app: App, cancel: Cancel
) -> Iterator[tuple[HttpCaller, App]]:
    """(a caller of what is behind `target`, how its contract's `app` begins).

    An image is started with a writable root, and removed at the end. Raises: NotReady, NotFound.
    """
    from wherry.engine.verify import is_url

    if is_url(target):
        with HttpCaller(engine, target, headers, cancel) as caller:
            yield caller, app
        return
    if base := _running(engine, target):
        with HttpCaller(engine, base, headers, cancel) as caller:
            yield caller, app
        return
    import os

    image = engine.images.resolve(target)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    where = place(engine.images.config(image.id).config, app, writable=True, host=(os.cpu_count() or 1, pages))
    with started(engine, image, where, cancel) as running, HttpCaller(engine, running.base, headers, cancel) as caller:
        yield caller, app


def _running(engine: Engine, name: str) -> str:
    """The URL of a running container; "" when there is none of that name. Raises: NotReady when it listens nowhere."""
    try:
        row = engine.containers.find(name)
    except NotFound:
        return ""
    state = engine.containers.state(row.id)
    if not state.is_running:
        return ""
    ports = [port for port, is_reached in sorted(listening(state.pid).items()) if is_reached]
    exposed = [
        int(one.partition("/")[0]) for one in engine.image_store.config(Digest(row.image_id)).config.exposed_ports
    ]
    joined = engine.networks.of(row.id)
    if not ports:
        raise NotReady(f"container {name} listens on no port that is reached from outside of it")
    port = next((one for one in exposed if one in ports), ports[0])
    return f"http://{joined.endpoint.address if joined and joined.endpoint else '127.0.0.1'}:{port}"
