"""What is asked over HTTP, and what comes back. The engine has the `Caller` that does it; tests have theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Answer", "Call", "Caller", "NoAnswer"]


@dataclass(frozen=True)
class Call:
    """`path` with its query; `limit_bytes` is the largest answer that is read."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_s: float = 30.0
    limit_bytes: int = 16 << 20


@dataclass(frozen=True)
class Answer:
    """`headers` by names in lower case, several of one name joined by ", ". `took_s`: from the first byte sent to the
    last one read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float = 0.0

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        kind = self.content_type
        return kind == "application/json" or kind.endswith("+json")


class NoAnswer(Exception):
    """There was none, or not a whole one: the message says why, in words for the report."""


class Caller(Protocol):
    def call(self, call: Call) -> Answer:
        """No redirect is followed. Raises: NoAnswer; Cancelled."""
