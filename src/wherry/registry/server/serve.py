"""A registry that runs: storage, application, server, and the housekeeping between requests."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from wherry.registry.server.access_log import logged
from wherry.registry.server.app import App
from wherry.registry.server.collect import collect, sweep_files
from wherry.registry.server.memory import less_memory
from wherry.registry.server.storage import Storage
from wherry.web.server import Exchange, HttpServer, Limits
from wherry.web.tls import TlsFiles

__all__ = ["Listen", "Service"]

_HOUSEKEEPING_S = 60.0
_QUIET_S = 5.0
_IMPATIENT_S = 900.0


class Listen(NamedTuple):
    """Where to listen, and with what: `tls` as (certificate file, key file), or None for plain http."""

    host: str
    port: int
    tls: tuple[str, str] | None = None
    limits: Limits = Limits()


class Service:
    """`run` serves until `stop`; then it finishes what is in flight.

    `say` gets one line per request, `complain` what went wrong; any thread calls them. `observe` is told of each
    exchange too (metrics). Raises: Conflict (port taken), InputError (certificate), UsageError, HostError.
    """

    def __init__(
        self,
        storage: Storage,
        app: App,
        listen: Listen,
        *,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        observe: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._storage, self._app, self._complain = storage, app, complain
        self._log, self._observe = logged(say), observe
        self._last_done = time.monotonic()
        self._stopped = threading.Event()
        more_files()
        less_memory()
        self.server = HttpServer(
            app,
            (listen.host, listen.port),
            tls=TlsFiles(*listen.tls, complain).context if listen.tls else None,
            limits=listen.limits,
            on_done=self._on_done,
            on_fault=self.tell,
        )
        self.server.bind()
        self.scheme = "https" if listen.tls else "http"

    @property
    def url(self) -> str:
        host, port = self.server.address
        return f"{self.scheme}://[{host}]:{port}" if ":" in host else f"{self.scheme}://{host}:{port}"

    def run(self, timeout_s: float = 10.0) -> bool:
        """Blocks until `stop`. Whether everything that was in flight then ended within `timeout_s`."""
        keeper = threading.Thread(target=self._keep_house, name="housekeeping", daemon=True)
        keeper.start()
        try:
            self.server.serve()
        finally:
            self.server.stop()
            self._stopped.set()
            is_clean = self.server.wait_idle(timeout_s)
            keeper.join(timeout_s)
        return is_clean

    def stop(self) -> None:
        """Safe in a signal handler, and as often as one likes."""
        self.server.stop()

    def tell(self, fault: Exception) -> None:
        """What nobody foresaw goes to the operator, not to the client."""
        self._complain(f"{type(fault).__name__}: {fault}")

    def _on_done(self, exchange: Exchange) -> None:
        self._last_done = time.monotonic()
        self._log(exchange)
        if self._observe:
            self._observe(exchange)

    def _keep_house(self) -> None:
        """Collect when nobody is there, or when nobody has been away for long."""
        last = time.monotonic()
        is_first = True
        while not self._stopped.wait(_HOUSEKEEPING_S if not is_first else _QUIET_S):
            quiet = not self.server.in_flight and time.monotonic() - self._last_done > _QUIET_S
            if not quiet and time.monotonic() - last < _IMPATIENT_S:
                continue
            last = time.monotonic()
            try:
                self._app.uploads.sessions.expire()
                collect(self._storage)
                if is_first:
                    sweep_files(self._storage, age_s=self._storage.grace_s)
                is_first = False
            except (OSError, sqlite3.Error) as fault:
                self.tell(fault)


def more_files() -> None:
    """Each connection and each blob that is sent is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16384 if hard == resource.RLIM_INFINITY else min(hard, 16384)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
