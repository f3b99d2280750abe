"""Unit tests run as any user, offline: no sockets to other machines, no processes. A server in a thread is fine."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = "/dev/shm"
_ROOM_BYTES = 1 << 30


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the garbage collector need not look through them each time."""
    gc.collect()
    gc.freeze()


class _Forbidden(AssertionError):
    pass


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or connects to another machine is an integration test."""

    def refuse(*_: object, **__: object) -> None:
        raise _Forbidden("a unit test may not start processes or connect to other machines")

    def connect(self: socket.socket, address: tuple[str, int] | str) -> None:
        # A path is a socket of this machine
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1"}:
            refuse()
        connect_really(self, address)

    connect_really = socket.socket.connect
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def _folders() -> Iterator[str]:
    """In memory where there is room: syncing a disk is most of what small databases cost. Integration tests use one."""
    try:
        found = os.statvfs(_MEMORY)
        has_room = os.access(_MEMORY, os.W_OK) and found.f_bavail * found.f_frsize > _ROOM_BYTES
    except OSError:
        has_room = False
    folder = tempfile.mkdtemp(prefix="wherry-unit-", dir=_MEMORY if has_room else None)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tmp_path(_folders: str) -> Path:
    """Its own folder for each test; gone at the end of all."""
    return Path(tempfile.mkdtemp(prefix="t", dir=_folders))
