"""What the server did and holds, in Prometheus' text format.

Spec: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import accumulate

from wherry.registry.server.storage import Storage
from wherry.web.exchange import Exchange, Request, Responder

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """`done` is for HttpServer's `on_done`. `gauges`: name to (what it says, its value now). Thread-safe."""

    def __init__(self, storage: Storage, gauges: Mapping[str, tuple[str, Callable[[], float]]] | None = None) -> None:
        self._storage = storage
        self._gauges = dict(gauges or {})
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._durations = [0] * (len(_BUCKETS_S) + 1)
        self._seconds = 0.0
        self._sent = self._received = 0

    def done(self, exchange: Exchange) -> None:
        # Only what is known makes a series: else every client could make as many as it likes
        method = exchange.request.method if exchange.request.method in _METHODS else "other"
        status = f"{exchange.status // 100}xx" if exchange.status else "gone"
        place = sum(exchange.duration_s > bound for bound in _BUCKETS_S)
        with self._lock:
            self._requests[method, status] += 1
            self._durations[place] += 1
            self._seconds += exchange.duration_s
            self._sent += exchange.sent
            self._received += exchange.request.body.received

    def text(self) -> str:
        counts = self._storage.check()
        with self._lock:
            requests = sorted(self._requests.items())
            durations, seconds = list(accumulate(self._durations)), self._seconds
            sent, received = self._sent, self._received
        page = _Page()
        page.family("requests_total", "counter", "Requests, by method and class of the status.")
        for (method, status), count in requests:
            page.line("requests_total", count, f'{{method="{method}",status="{status}"}}')
        page.family("request_duration_seconds", "histogram", "From a request's head to the end of its answer.")
        for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), durations, strict=True):
            page.line("request_duration_seconds_bucket", count, f'{{le="{bound}"}}')
        page.line("request_duration_seconds_sum", round(seconds, 6))
        page.line("request_duration_seconds_count", durations[-1])
        page.one("sent_bytes_total", "counter", "Bytes of bodies sent.", sent)
        page.one("received_bytes_total", "counter", "Bytes of bodies received.", received)
        page.one("uploads", "gauge", "Uploads under way.", sum(1 for _ in self._storage.layout.uploads()))
        page.one("repositories", "gauge", "Repositories.", counts.repositories)
        page.one("manifests", "gauge", "Manifests in repositories.", counts.manifests)
        page.one("tags", "gauge", "Tags.", counts.tags)
        page.one("blobs", "gauge", "Blobs, each counted once.", counts.blobs)
        page.one("storage_bytes", "gauge", "Bytes of the blobs.", counts.bytes)
        page.one(
            "storage_free_bytes", "gauge", "Bytes that the storage's disk has left.", self._storage.layout.free_bytes()
        )
        for name, (said, value) in self._gauges.items():
            page.one(name, "gauge", said, value())
        return page.text()

    def answer(self, request: Request, responder: Responder) -> None:
        headers = (("Content-Type", CONTENT_TYPE), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))
        responder.send(200, headers, self.text().encode())


class _Page:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, kind: str, said: str) -> None:
        self._lines += [f"# HELP wherry_registry_{name} {said}", f"# TYPE wherry_registry_{name} {kind}"]

    def line(self, name: str, value: float, labels: str = "") -> None:
        self._lines.append(f"wherry_registry_{name}{labels} {value}")

    def one(self, name: str, kind: str, said: str, value: float) -> None:
        self.family(name, kind, said)
        self.line(name, value)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"
