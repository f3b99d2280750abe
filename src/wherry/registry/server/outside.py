"""What the server answers beside the API: /token, /metrics, and the pages."""

from __future__ import annotations

from wherry.registry.server.auth import AccessGuard
from wherry.registry.server.fault import Fault
from wherry.registry.server.hooks import Guard, Pages
from wherry.registry.server.metrics import Metrics
from wherry.web.exchange import Request, Responder

__all__ = ["Outside"]


class Outside:
    """Implements hooks.Pages. Who may list the repositories may read the metrics."""

    def __init__(self, guard: Guard, metrics: Metrics | None = None, pages: Pages | None = None) -> None:
        self._guard, self._metrics, self._pages = guard, metrics, pages

    def handle(self, request: Request, responder: Responder) -> bool:
        """True when it has answered. Raises: Fault."""
        if request.path == "/token" and request.method == "GET" and isinstance(self._guard, AccessGuard):
            self._guard.token(request, responder)
            return True
        if request.path == "/metrics" and request.method in ("GET", "HEAD") and self._metrics:
            decision = self._guard.check(request, "catalog", "")
            if not decision.allowed:
                raise Fault(decision.status, "UNAUTHORIZED", decision.message, headers=decision.headers)
            self._metrics.answer(request, responder)
            return True
        return self._pages is not None and self._pages.handle(request, responder)
