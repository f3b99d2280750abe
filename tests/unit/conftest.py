"""Unit tests run as any user, offline: no sockets to other machines, no processes."""

from __future__ import annotations

import socket
import subprocess

import pytest


class _Forbidden(AssertionError):
    pass


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or opens a connection is an integration test."""

    def refuse(*_: object, **__: object) -> None:
        raise _Forbidden("a unit test may not start processes or connect to anything")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
