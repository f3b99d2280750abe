"""The registries that the suite judges, and what each is known to do otherwise than the spec says.

A known difference is never skipped: the test asserts the answer that this table names, so that the day a registry
learns it, the table is found to be out of date.
"""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

import pytest

from tests.conformance.wire import Wire

__all__ = ["STARTS", "Target", "docker_registry", "wherry_registry"]

Refusals = Mapping[str, Mapping[int, tuple[int, list[str]]]]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Target(NamedTuple):
    """A registry that answers at `host:port`, with deletion allowed.

    `otherwise`: topic to what it does instead. `refuses`: data set to the number of the refused manifest, and how.
    """

    host: str
    port: int
    renames: frozenset[str] = frozenset()
    """Algorithms whose blobs it keeps under their sha256 instead."""
    otherwise: Mapping[str, Any] = _NOTHING
    refuses: Refusals = _NOTHING

    def wire(self, headers: Mapping[str, str] | None = None) -> Wire:
        return Wire(self.host, self.port, headers)


DOCKER_2_8 = {
    "a manifest with schema 1": 500,
    "bad digest of a manifest": 500,
    "delete of a tag": 400,
    "mount without from": 202,
    "pages of tags": False,
    "ranges of chunks": "not checked",
    "referrers": 404,
    "tag parameters": False,
}
DOCKER_2_8_REFUSES: Refusals = {
    "non-distributable-layers": {0: (500, ["UNKNOWN", "UNKNOWN", "MANIFEST_BLOB_UNKNOWN"])},
    "sha512": {0: (400, ["DIGEST_INVALID"])},
    "sparse": {1: (400, ["MANIFEST_BLOB_UNKNOWN"])},
}


@contextmanager
def docker_registry(folder: Path) -> Iterator[Target]:
    """Debian's docker-registry, on a port of its own choice."""
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        "http: {addr: '127.0.0.1:0', secret: only-for-this-test}\n"
    )
    with subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            port = _port_in(process.stderr)
            yield Target("127.0.0.1", port, frozenset({"sha512"}), DOCKER_2_8, DOCKER_2_8_REFUSES)
        finally:
            process.terminate()


def _port_in(lines: IO[str]) -> int:
    """The port that a server says it listens on; what it says later is read too, so that it never waits for us."""
    found: queue.Queue[int | None] = queue.Queue()

    def read() -> None:
        for line in lines:
            if at := re.search(r"listening on \S*:(\d+)", line):
                found.put(int(at[1]))
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    port = found.get(timeout=30)
    assert port, "ended before it listened"
    return port


@contextmanager
def wherry_registry(folder: Path) -> Iterator[Target]:
    """Our own, in a thread of this process."""
    from wherry.registry.server.app import App, Policy
    from wherry.registry.server.storage import Storage
    from wherry.web.server import HttpServer

    faults: list[Exception] = []
    storage = Storage(str(folder / "storage"))
    app = App(storage, policy=Policy(can_delete=True), on_fault=faults.append)
    server = HttpServer(app, ("127.0.0.1", 0), on_fault=faults.append)
    server.bind()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield Target("127.0.0.1", server.address[1])
    finally:
        server.stop()
        thread.join()
        is_clean = server.wait_idle(10)
        storage.close()
    assert is_clean
    assert not faults


Start = Callable[[Path], AbstractContextManager[Target]]
STARTS: dict[str, tuple[Start, Any]] = {
    "wherry": (wherry_registry, ()),
    "docker-registry": (docker_registry, pytest.mark.requires("docker-registry")),
}
