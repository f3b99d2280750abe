"""What one peer may take of the server, and the two ways a request ends early."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BadRequest", "Limits", "PeerGone"]


class Limits(NamedTuple):
    """Times in seconds, sizes in bytes.

    A body (either way) must move `window_bytes` in each `window_s`, in `hurried_window_s` when all threads are taken.
    """

    head_bytes: int = 32 << 10
    fields: int = 100
    head_s: float = 10.0
    idle_s: float = 75.0
    window_s: float = 20.0
    hurried_window_s: float = 4.0
    window_bytes: int = 4 << 10
    threads: int = 512
    connections: int = 4096
    tick_s: float = 0.25
    """How often a thread that waits for a peer looks at its deadline, and how long it waits for the next request of a
    connection before it goes to somebody else.
    """
    sweep_s: float = 0.5
    """How often idle connections are looked at."""


class BadRequest(Exception):
    """What came is not HTTP as we take it: `status` is the answer, and the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PeerGone(Exception):
    """The peer closed, reset, or moved nothing for too long (`stalled`). There is nobody to answer."""

    def __init__(self, message: str, *, stalled: bool = False) -> None:
        super().__init__(message)
        self.stalled = stalled
