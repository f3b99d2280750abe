"""A registry in front of another one: what is asked for is fetched, given out while it comes, checked and kept.

Tags are asked for anew each time, by a HEAD (free of charge at Docker Hub); when the upstream does not answer, what
was kept is served, and says so. What has a digest is fetched once. Only what clients ask for is fetched: of an index
with ten platforms, the one that is pulled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from wherry.cancel import Cancel
from wherry.errors import (
    Denied,
    InputError,
    IntegrityError,
    NotFound,
    RateLimited,
    Unauthorized,
    UsageError,
    WherryError,
)
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault
from wherry.registry.server.proxy_flight import Flight
from wherry.registry.server.proxy_shelf import Shelf
from wherry.registry.server.route import digest_of
from wherry.registry.server.storage import Storage

if TYPE_CHECKING:
    from wherry.registry.client import Repository
    from wherry.registry.hosts import Endpoint, Hosts
    from wherry.web.server import Request, Responder

__all__ = ["Clients", "PullThrough", "upstream"]

_STALE = (("Warning", '110 - "Response is Stale"'),)
_AT_ONCE = 32
_PATIENCE_S = 4.0
"""How long somebody waits for the upstream's word on a tag that is kept here."""
_DOWN_S = 15.0
"""How long an upstream that did not answer is not asked about such tags again."""
_STRIPES = 64
_BLOB_TYPE = "application/octet-stream"


class Clients(Protocol):
    """`registry.client.Client`, or a fake."""

    def repository(self, endpoint: Endpoint, actions: tuple[str, ...] = ("pull",)) -> Repository: ...


def upstream(url: str, hosts: Hosts) -> Callable[[str], Endpoint]:
    """From a repository's name here to the endpoint there: `url` is docker.io, HOST:PORT or http(s)://HOST[/PREFIX].

    http is used only where it was written. Raises: UsageError.
    """
    parts = urlsplit(url if "://" in url else f"//{url}")
    if parts.scheme not in ("", "http", "https") or not parts.netloc or parts.query or parts.username:
        raise UsageError(f"--proxy {url[:200]!r}: expected https://HOST[:PORT][/PREFIX]")
    endpoint = hosts.for_registry(parts.netloc)
    if parts.scheme:
        endpoint = endpoint._replace(scheme=parts.scheme, fallback_http=False)
    prefix = parts.path.strip("/")
    return lambda name: endpoint._replace(repository=f"{prefix}/{name}" if prefix else name)


class PullThrough:
    """Implements hooks.Proxy over a storage. Close it before the storage."""

    def __init__(
        self,
        storage: Storage,
        clients: Clients,
        endpoint_of: Callable[[str], Endpoint],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = Shelf(storage)
        self._clock, self._down_until = clock, 0.0
        self._clients, self._endpoint_of = clients, endpoint_of
        self._alone = [threading.Lock() for _ in range(_STRIPES)]
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, str], Flight] = {}
        self._threads: set[threading.Thread] = set()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._cancel = Cancel()

    def close(self) -> None:
        """Give up what is under way. Idempotent."""
        self._cancel.set("the server stops")
        for thread in list(self._threads):
            thread.join()

    # -- hooks.Proxy

    def manifest(self, request: Request, repository: str, reference: str) -> tuple[tuple[str, str], ...]:
        """Headers to add to the answer: a Warning when it may be out of date."""
        self._check_namespace(request)
        with self._alone[hash((repository, reference)) % _STRIPES]:
            if ":" in reference:
                if self._shelf.find(repository, reference) is None:
                    self._fetch(repository, digest_of(reference), tag="")
                return ()
            return self._revalidate(repository, reference)

    def blob(self, request: Request, responder: Responder, repository: str, digest: Digest) -> bool:
        key = (repository, str(digest))
        with self._alone[hash(key) % _STRIPES]:
            flight = self._flights.get(key)
            if flight is None or not flight.join():
                flight = None
                size = self._size_there(repository, digest)
                if size is None:
                    return False
                if self._shelf.storage.find_blob(repository, digest) is not None or self._shelf.link(
                    repository, digest
                ):
                    return False
                if request.method == "HEAD":
                    responder.send(200, _fields(digest, size))
                    return True
                flight = self._start(key, Descriptor(_BLOB_TYPE, digest, size))
        try:
            return self._give(request, responder, flight)
        finally:
            flight.leave()

    # -- manifests

    def _revalidate(self, repository: str, tag: str) -> tuple[tuple[str, str], ...]:
        kept = self._shelf.find(repository, tag)
        if kept is not None and self._clock() < self._down_until:
            return _STALE
        try:
            patience = Cancel(_PATIENCE_S) if kept is not None else self._cancel
            there = self._there(repository).head_manifest(tag, cancel=patience)
        except WherryError as fault:
            if kept is not None and not isinstance(fault, (NotFound, InputError)):
                self._down_until = self._clock() + _DOWN_S
                return _STALE
            raise _explained(fault) from None
        if there is None:
            raise Fault(404, "MANIFEST_UNKNOWN", "the upstream registry has no such manifest")
        if kept is not None and kept.digest == there.digest:
            return ()
        if self._shelf.find(repository, there.digest) is not None:
            self._shelf.tag(repository, tag, there.digest)
            return ()
        try:
            self._fetch(repository, there.digest, tag)
        except Fault as fault:
            if kept is None or fault.status < 500:
                raise
            return _STALE
        return ()

    def _fetch(self, repository: str, digest: Digest, tag: str) -> None:
        try:
            found = self._there(repository).manifest(digest, cancel=self._cancel)
        except WherryError as fault:
            raise _explained(fault) from None
        self._shelf.put(repository, found.data, found.media_type, digest, tag)

    # -- blobs

    def _size_there(self, repository: str, digest: Digest) -> int | None:
        """The upstream's word that this repository holds the blob, which another repository's copy is not."""
        try:
            return self._there(repository).has_blob(digest, cancel=self._cancel)
        except NotFound:
            return None
        except WherryError as fault:
            raise _explained(fault) from None

    def _start(self, key: tuple[str, str], blob: Descriptor) -> Flight:
        """A new transfer, which the caller takes part in."""
        flight = Flight(self._shelf, key[0], blob)
        flight.join()
        with self._lock:
            self._flights[key] = flight
        # Not the thread of the client that came first: when that leaves, others still wait
        thread = threading.Thread(target=self._carry, args=(key, flight), name="pull-through", daemon=True)
        self._threads.add(thread)
        thread.start()
        return flight

    def _carry(self, key: tuple[str, str], flight: Flight) -> None:
        try:
            with self._turns:
                flight.run(self._there(key[0]), self._cancel)
        finally:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            self._threads.discard(threading.current_thread())

    def _give(self, request: Request, responder: Responder, flight: Flight) -> bool:
        if request.method == "HEAD":
            responder.send(200, _fields(flight.blob.digest, flight.blob.size))
            return True
        if "range" in request.headers or flight.blob.size == 0:
            # A part, or nothing at all: from the storage, once it is there
            if not flight.wait():
                raise Fault(502, "UNAVAILABLE", "the upstream registry did not give what it promised")
            return False
        responder.send(200, _fields(flight.blob.digest, flight.blob.size), flight.pieces())
        return True

    def _there(self, repository: str) -> Repository:
        return self._clients.repository(self._endpoint_of(repository))

    def _check_namespace(self, request: Request) -> None:
        """`ns=` (the development version of the spec) names the registry that is meant; there is one behind this."""
        wanted = request.param("ns")
        host = self._endpoint_of("x").host
        known = {host, "docker.io"} if host.endswith(".docker.io") else {host}
        if wanted and wanted not in known:
            raise Fault(404, "NAME_UNKNOWN", "this registry stands for another one")


def _fields(digest: Digest, size: int) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Length", str(size)),
        ("Content-Type", _BLOB_TYPE),
        ("Docker-Content-Digest", str(digest)),
        ("X-Content-Type-Options", "nosniff"),
    )


def _explained(fault: WherryError) -> Fault:
    """The upstream's answer in this registry's words; nothing of its messages, which are not ours, goes on."""
    if isinstance(fault, (NotFound, Unauthorized, Denied)):
        return Fault(404, "MANIFEST_UNKNOWN", "the upstream registry has no such manifest, or does not show it")
    if isinstance(fault, RateLimited):
        after_s = str(int(getattr(fault, "after_s", 0) or 60))
        return Fault(
            429, "TOOMANYREQUESTS", "the upstream registry's limit is reached", headers=[("Retry-After", after_s)]
        )
    if isinstance(fault, IntegrityError):
        return Fault(502, "UNAVAILABLE", "the upstream registry gave other bytes than it promised")
    return Fault(502, "UNAVAILABLE", "the upstream registry does not answer")
