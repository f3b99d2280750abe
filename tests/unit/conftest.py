"""Unit tests run as any user, offline: no sockets to other machines, no processes. A server in a thread is fine."""

from __future__ import annotations

import socket
import subprocess

import pytest


class _Forbidden(AssertionError):
    pass


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or connects to another machine is an integration test."""

    def refuse(*_: object, **__: object) -> None:
        raise _Forbidden("a unit test may not start processes or connect to other machines")

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] not in {"127.0.0.1", "::1"}:
            refuse()
        connect_really(self, address)

    connect_really = socket.socket.connect
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", connect)
