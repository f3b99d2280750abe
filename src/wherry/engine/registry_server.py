"""`wherry registry serve` and `gc`: the registry's parts, joined."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from wherry.errors import NotFound, UsageError

if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.registry.server.app import App
    from wherry.registry.server.metrics import Metrics
    from wherry.registry.server.proxy import PullThrough
    from wherry.registry.server.serve import Listen
    from wherry.registry.server.storage import Storage
    from wherry.web.server import HttpServer

__all__ = ["Reclaimed", "ServeOptions", "collect_storage", "serve"]


class ServeOptions(NamedTuple):
    """Files are paths, "" when not given. `addr` is HOST:PORT; port 0 takes a free one."""

    addr: str
    storage: str
    tls_cert: str = ""
    tls_key: str = ""
    htpasswd: str = ""
    rules: str = ""
    anonymous_pull: bool = False
    read_only: bool = False
    delete: bool = False
    proxy: str = ""
    stop_timeout_s: int = 10


class Reclaimed(NamedTuple):
    """What a collection took."""

    manifests: int
    blobs: int
    freed_bytes: int


def serve(engine: Engine, options: ServeOptions, say: Callable[[str], None], complain: Callable[[str], None]) -> bool:
    """Serve until SIGTERM or SIGINT; whether all that was in flight was finished. `say` gets a line per request.

    Raises: UsageError, InputError, Conflict (port taken), Locked (storage in use), HostError.
    """
    from wherry.registry.server.auth import warning_of_plain_http
    from wherry.registry.server.serve import Service
    from wherry.registry.server.storage import Storage

    listen = _listen(options)
    with ExitStack() as stack:
        storage = stack.enter_context(closing(Storage(options.storage)))
        joined = _join(engine, options, storage, complain)
        if joined.proxy:
            stack.callback(joined.proxy.close)
        service = Service(storage, joined.app, listen, say=say, complain=complain, observe=joined.metrics.done)
        joined.gauges.server = service.server
        if storage.rebuilt:
            complain(f"the database was made again from the layout: {storage.rebuilt} images")
        host = str(service.server.address[0])
        if warning := warning_of_plain_http(host, has_tls=bool(listen.tls), has_passwords=bool(options.htpasswd)):
            complain(f"warning: {warning}")
        complain(f"serving {os.path.abspath(options.storage)} at {service.url}")
        with _stopping(service.stop):
            return service.run(options.stop_timeout_s)


def collect_storage(path: str, *, grace_s: int, untagged: bool) -> Reclaimed:
    """Collect in a storage that no server uses. Raises: NotFound, Locked, HostError, OSError."""
    from wherry.registry.server.collect import collect, drop_untagged, sweep_files
    from wherry.registry.server.sessions import EXPIRY_S, Sessions
    from wherry.registry.server.storage import Storage

    if not os.path.isfile(f"{path}/oci-layout"):
        raise NotFound(f"{path} is not the storage of a registry", hint="wherry registry gc DIR")
    storage = Storage(path, grace_s=grace_s)
    try:
        manifests = drop_untagged(storage, age_s=grace_s) if untagged else 0
        Sessions(storage.layout, storage.now).expire(min(grace_s, EXPIRY_S) if grace_s else 0)
        # What has just been forgotten starts its grace time only now; with no grace it goes at once
        found = collect(storage) + sweep_files(storage, age_s=grace_s)
        return Reclaimed(manifests, found.blobs, found.freed_bytes)
    finally:
        storage.close()


def _listen(options: ServeOptions) -> Listen:
    """Raises: UsageError."""
    from wherry.registry.server.serve import Listen

    host, colon, port = options.addr.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise UsageError(f"--addr {options.addr}: expected HOST:PORT", hint="--addr 127.0.0.1:5000, --addr [::]:5000")
    if bool(options.tls_cert) != bool(options.tls_key):
        raise UsageError("--tls-cert and --tls-key go together")
    tls = (options.tls_cert, options.tls_key) if options.tls_cert else None
    return Listen(host.removeprefix("[").removesuffix("]"), int(port), tls)


class _Gauges:
    """What the metrics ask of the server, which is made after them."""

    def __init__(self) -> None:
        self.server: HttpServer | None = None

    def connections(self) -> float:
        return self.server.connections if self.server else 0

    def in_flight(self) -> float:
        return self.server.in_flight if self.server else 0


class _Joined(NamedTuple):
    app: App
    metrics: Metrics
    proxy: PullThrough | None
    gauges: _Gauges


def _join(engine: Engine, options: ServeOptions, storage: Storage, complain: Callable[[str], None]) -> _Joined:
    """Raises: InputError (htpasswd, rules), UsageError (--proxy)."""
    from wherry.registry.server.app import App, Policy
    from wherry.registry.server.auth import AccessGuard
    from wherry.registry.server.manifests import Manifests
    from wherry.registry.server.metrics import Metrics
    from wherry.registry.server.outside import Outside
    from wherry.registry.server.pages import RegistryPages

    guard = AccessGuard(
        htpasswd=options.htpasswd, rules=options.rules, anonymous_pull=options.anonymous_pull, warn=complain
    )
    gauges = _Gauges()
    metrics = Metrics(
        storage,
        {
            "connections": ("Open connections.", gauges.connections),
            "in_flight": ("Requests that are being answered.", gauges.in_flight),
        },
    )
    proxy = _proxy(engine, options.proxy, storage) if options.proxy else None
    # A cache that could be pushed to would show its own images under the other registry's names
    policy = Policy(can_write=not (options.read_only or proxy), can_delete=options.delete)
    app = App(
        storage,
        policy=policy,
        guard=guard,
        proxy=proxy,
        pages=Outside(guard, metrics, RegistryPages(storage, Manifests(storage), guard)),
        on_fault=lambda fault: complain(f"{type(fault).__name__}: {fault}"),
    )
    return _Joined(app, metrics, proxy, gauges)


def _proxy(engine: Engine, url: str, storage: Storage) -> PullThrough:
    """Raises: UsageError."""
    from wherry.registry.server.proxy import PullThrough, upstream

    return PullThrough(storage, engine.registries.client, upstream(url, engine.registries.hosts))


class _stopping:  # noqa: N801 - reads as a statement
    """SIGTERM and SIGINT call `stop` inside of the block."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: list[tuple[int, object]] = []

    def __enter__(self) -> None:
        with suppress(ValueError):  # not the main thread: whoever runs us stops us
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before.append((number, signal.signal(number, lambda *_: self._stop())))

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)  # type: ignore[arg-type]
