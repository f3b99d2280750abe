"""Requests without a network, and an answer that can be looked at."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

from wherry.web.body import Body
from wherry.web.exchange import Request
from wherry.web.head import Head


def request(method: str = "GET", target: str = "/v2/", remote: str = "192.0.2.1", **headers: str) -> Request:
    fields: Mapping[str, str] = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    head = cast("Head", _Head(method, target, fields))
    return Request(head, cast("Body", None), remote)


class _Head:
    keep_alive = True
    old = False

    def __init__(self, method: str, target: str, fields: Mapping[str, str]) -> None:
        self.method, self.target, self.fields = method, target, fields


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Recorder:
    """Stands for a Responder: keeps what was sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.close = False

    def send(self, status: int, headers: Any = (), body: Any = b"") -> None:
        self.status, self.headers = status, dict(headers)
        self.body = body if isinstance(body, bytes) else b"".join(body)
