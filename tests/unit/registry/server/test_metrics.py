from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bcrypt

from tests.conformance.push import push_blob
from tests.unit.registry.server.asking import basic
from tests.unit.registry.server.lab import serving
from wherry.registry.server.auth import AccessGuard
from wherry.registry.server.hooks import AllowAll
from wherry.registry.server.metrics import Metrics
from wherry.registry.server.outside import Outside

LINE = re.compile(r'wherry_registry_[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? [0-9.e+-]+')


class Counted:
    """App's arguments with metrics, and the server's `on_done`."""

    def __init__(self, guard: Any = None) -> None:
        self.guard = guard or AllowAll()
        self.metrics: Metrics | None = None

    def make(self, storage: Any) -> dict[str, Any]:
        self.metrics = Metrics(storage, {"connections": ("Connections.", lambda: 3)})
        return {"guard": self.guard, "pages": Outside(self.guard, self.metrics)}

    def done(self, exchange: Any) -> None:
        assert self.metrics
        self.metrics.done(exchange)


def values(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0].removeprefix("wherry_registry_"): float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def test_metrics_count_what_was_done_and_what_is_there(tmp_path: Path) -> None:
    counted = Counted()
    with serving(tmp_path / "s", make=counted.make, on_done=counted.done) as site:
        wire = site.wire()
        digest = push_blob(wire, "a", b"x" * 1000)
        assert wire.get(f"/v2/a/blobs/{digest}").status == 200
        assert wire.get("/v2/a/blobs/sha256:bad").status == 400
        assert wire.ask("BREW", "/v2/").status == 405
        answer = wire.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in answer.body.decode().splitlines():
        assert line.startswith(("# HELP wherry_registry_", "# TYPE wherry_registry_")) or LINE.fullmatch(line), line
    found = values(answer.body.decode())
    assert found['requests_total{method="GET",status="2xx"}'] == 1
    assert found['requests_total{method="GET",status="4xx"}'] == 1
    assert found['requests_total{method="other",status="4xx"}'] == 1
    assert found['requests_total{method="PUT",status="2xx"}'] == 1
    assert found["received_bytes_total"] == 1000
    assert found["sent_bytes_total"] >= 1000
    assert (found["blobs"], found["storage_bytes"], found["repositories"]) == (1, 1000, 1)
    assert found["uploads"] == 0
    assert found["connections"] == 3
    assert found["request_duration_seconds_count"] == 5
    assert found['request_duration_seconds_bucket{le="+Inf"}'] == 5


def test_metrics_are_for_those_who_may_list_the_repositories(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"anna:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    counted = Counted(AccessGuard(htpasswd=str(users)))
    with serving(tmp_path / "s", make=counted.make, on_done=counted.done) as site:
        assert site.wire().get("/metrics").status == 401
        assert site.wire(Authorization=basic("anna", "secret")).get("/metrics").status == 200
        assert site.wire().get("/healthz").status == 200, "a health check has no password"
        assert site.wire().get("/token").status == 200
        assert site.wire().get("/nothing").status == 404
