"""A server in a thread, and connections to it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.wire import Wire
from wherry.registry.server.app import App, Policy
from wherry.registry.server.storage import Storage
from wherry.web.exchange import Exchange
from wherry.web.server import HttpServer, Limits


class Site:
    """`wire()` connects; each is closed at the end. `faults` is what the server did not foresee."""

    def __init__(self, server: HttpServer, storage: Storage, faults: list[Exception], done: list[Exchange]) -> None:
        self.server, self.storage, self.faults, self._done = server, storage, faults, done
        self._wires: list[Wire] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.address[1]}"

    @property
    def done(self) -> list[Exchange]:
        """Its log. A line is written after the answer: wait until nothing is in flight."""
        deadline = time.monotonic() + 30
        while self.server.in_flight and time.monotonic() < deadline:
            time.sleep(0.005)
        return self._done

    def wire(self, **headers: str) -> Wire:
        made = Wire("127.0.0.1", self.server.address[1], headers)
        self._wires.append(made)
        return made

    def hang_up(self) -> None:
        for one in self._wires:
            one.close()


@contextmanager
def serving(
    folder: Path,
    *,
    policy: Policy | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    on_done: Any = None,
    make: Any = None,
) -> Iterator[Site]:
    """`make(storage)` gives App's keyword arguments that need the storage (guard, proxy, pages).

    At the end nothing may be left in flight, and nothing unforeseen may have happened.
    """
    faults: list[Exception] = []
    done: list[Exchange] = []

    def note(exchange: Exchange) -> None:
        done.append(exchange)
        if on_done:
            on_done(exchange)

    storage = Storage(str(folder))
    more = make(storage) if make else {}
    app = App(storage, policy=policy or Policy(can_delete=True), on_fault=faults.append, **more)
    server = HttpServer(app, ("127.0.0.1", 0), tls=tls, limits=limits, on_done=note, on_fault=faults.append)
    server.bind()
    thread = threading.Thread(target=server.serve)
    thread.start()
    site = Site(server, storage, faults, done)
    try:
        yield site
    finally:
        site.hang_up()
        server.stop()
        thread.join()
        is_clean = server.wait_idle(20)
        if proxy := more.get("proxy"):
            proxy.close()
        storage.close()
    assert is_clean
    assert not faults
