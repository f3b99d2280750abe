"""Idle connections, kept for the next request to the same place."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import NamedTuple

    from wherry.registry.proxies import Proxy
    from wherry.registry.tls import Trust
    from wherry.registry.transport_wire import Wire
else:
    from wherry.lean import NamedTuple

__all__ = ["Pool", "Route"]

_MOST_IDLE = 16


class Route(NamedTuple):
    """Connections of equal routes stand in for each other."""

    scheme: str
    host: str
    port: int
    trust: Trust
    proxy: Proxy | None


class Pool:
    """Thread-safe. The connection used last comes first: it is the least likely to have been closed meanwhile."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._idle: dict[Route, list[tuple[float, Wire]]] = {}
        self._sessions: dict[Route, ssl.SSLSession] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, route: Route) -> Wire | None:
        """A connection that seems alive: nobody hung up, and nothing arrived that nobody asked for."""
        while True:
            with self._lock:
                idle = self._idle.get(route)
                if not idle:
                    return None
                since, wire = idle.pop()
            if time.monotonic() - since < self._idle_s and not wire.has_early_answer():
                return wire
            wire.close()

    def put(self, route: Route, wire: Wire) -> None:
        session = getattr(wire.sock, "session", None)
        with self._lock:
            if session is not None:
                self._sessions[route] = session
            idle = self._idle.setdefault(route, [])
            if len(idle) < _MOST_IDLE and not self._is_closed:
                idle.append((time.monotonic(), wire))
                return
        wire.close()

    def session(self, route: Route) -> ssl.SSLSession | None:
        """Of an earlier TLS connection there: saves a round trip and the certificates."""
        with self._lock:
            return self._sessions.get(route)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            wires = [wire for idle in self._idle.values() for _, wire in idle]
            self._idle.clear()
        for wire in wires:
            wire.close()
