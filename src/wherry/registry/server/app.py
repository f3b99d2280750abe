"""The registry as a handler of the web server: routes, guard, and each endpoint's answer.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from wherry.registry.server.blobs import Blobs
from wherry.registry.server.fault import Fault, error_body
from wherry.registry.server.hooks import AllowAll, Guard, Pages, Proxy
from wherry.registry.server.manifest_calls import ManifestCalls
from wherry.registry.server.receive import disk_full
from wherry.registry.server.route import Route, find
from wherry.registry.server.storage import Storage
from wherry.registry.server.uploads import Uploads
from wherry.web.server import BadRequest, PeerGone, Request, Responder

__all__ = ["App", "Policy"]

_JSON = ("Content-Type", "application/json")
_API = ("Docker-Distribution-Api-Version", "registry/2.0")
_METHODS = {
    "ping": ("GET", "HEAD"),
    "catalog": ("GET", "HEAD"),
    "tags": ("GET", "HEAD"),
    "referrers": ("GET", "HEAD"),
    "manifest": ("GET", "HEAD", "PUT", "DELETE"),
    "blob": ("GET", "HEAD", "DELETE"),
    "start": ("POST",),
    "upload": ("GET", "PATCH", "PUT", "DELETE"),
}


class Policy(NamedTuple):
    """What the server does at all, whoever asks. `can_delete` is about manifests, tags and blobs; `patience_s` is how
    long a request waits for another one at the same upload.
    """

    can_write: bool = True
    can_delete: bool = False
    patience_s: float = 1.0


class App:
    """`App(storage)` is a whole registry; call it with each request. `on_fault` is told what nobody foresaw."""

    def __init__(
        self,
        storage: Storage,
        *,
        policy: Policy | None = None,
        guard: Guard | None = None,
        proxy: Proxy | None = None,
        pages: Pages | None = None,
        on_fault: Callable[[Exception], None] | None = None,
    ) -> None:
        self.storage = storage
        self._policy = policy or Policy()
        self._guard: Guard = guard or AllowAll()
        self._pages, self._on_fault = pages, on_fault
        self.uploads = Uploads(storage, self._may_pull, self._policy.patience_s)
        self._blobs = Blobs(storage, proxy)
        self._manifests = ManifestCalls(storage, self.uploads.buffers, proxy, self._may_pull)

    def __call__(self, request: Request, responder: Responder) -> None:
        try:
            self._handle(request, responder)
        except Fault as fault:
            self._refuse(request, responder, fault)
        except BadRequest as fault:
            responder.close = True
            self._refuse(request, responder, Fault(fault.status, "UNSUPPORTED", str(fault)))
        except PeerGone:
            raise
        except OSError as fault:
            self._refuse(request, responder, disk_full(fault) or self._unforeseen(fault))
        except sqlite3.Error as fault:
            is_full = getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            full = Fault(507, "DENIED", "the registry's disk is full")
            self._refuse(request, responder, full if is_full else self._unforeseen(fault))

    def _handle(self, request: Request, responder: Responder) -> None:
        if request.path == "/healthz":
            self._health(responder)
            return
        route = find(request.path)
        if route is None:
            if self._pages is None or not self._pages.handle(request, responder):
                raise Fault(404, "NAME_UNKNOWN", "there is nothing here")
            return
        methods = _METHODS[route.kind]
        self._check(request, route)
        if request.method not in methods:
            allow = ", ".join(methods)
            raise Fault(405, "UNSUPPORTED", "this method is not one of the resource", headers=[("Allow", allow)])
        self._check_policy(request, route)
        self._dispatch(request, responder, route)

    def _check(self, request: Request, route: Route) -> None:
        """The guard's word comes first: nobody learns what is there from how it is refused. Raises: Fault."""
        action = "pull"
        if route.kind in ("ping", "catalog"):
            action = route.kind
        elif route.kind in ("start", "upload") or request.method == "PUT":
            action = "push"
        elif request.method == "DELETE":
            action = "delete"
        decision = self._guard.check(request, action, route.repository)
        if not decision.allowed:
            code = {401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}.get(decision.status, "DENIED")
            raise Fault(decision.status, code, decision.message, headers=decision.headers)

    def _check_policy(self, request: Request, route: Route) -> None:
        is_write = route.kind in ("start", "upload") or request.method in ("PUT", "DELETE")
        if is_write and not self._policy.can_write:
            raise Fault(405, "UNSUPPORTED", "this registry is read-only", headers=[("Allow", "GET, HEAD")])
        if request.method == "DELETE" and route.kind in ("manifest", "blob") and not self._policy.can_delete:
            raise Fault(405, "UNSUPPORTED", "this registry deletes nothing", headers=[("Allow", "GET, HEAD, PUT")])

    def _dispatch(self, request: Request, responder: Responder, route: Route) -> None:
        kind, repository, reference = route
        if kind == "ping":
            responder.send(200, (_JSON, _API), b"{}")
        elif kind == "catalog":
            self._manifests.catalog(request, responder)
        elif kind == "tags":
            self._manifests.tags(request, responder, repository)
        elif kind == "referrers":
            self._manifests.referrers(request, responder, repository, reference)
        elif kind == "manifest":
            calls = {"PUT": self._manifests.put, "DELETE": self._manifests.delete}
            calls.get(request.method, self._manifests.get)(request, responder, repository, reference)
        elif kind == "blob":
            call = self._blobs.delete if request.method == "DELETE" else self._blobs.get
            call(request, responder, repository, reference)
        elif kind == "start":
            self.uploads.start(request, responder, repository)
        elif request.method == "PATCH":
            self.uploads.patch(request, responder, repository, reference)
        elif request.method == "PUT":
            self.uploads.put(request, responder, repository, reference)
        elif request.method == "DELETE":
            self.uploads.cancel(responder, repository, reference)
        else:
            self.uploads.status(responder, repository, reference)

    def _may_pull(self, request: Request, repository: str) -> bool:
        return self._guard.check(request, "pull", repository).allowed

    def _health(self, responder: Responder) -> None:
        with self.storage.ledger.read() as db:
            db.execute("SELECT 1 FROM repository LIMIT 1").fetchone()
        os.fstat(self.storage.layout.root_fd)
        responder.send(200, (_JSON,), b'{"status":"ok"}')

    def _unforeseen(self, fault: Exception) -> Fault:
        """What is said of it to outsiders is nothing."""
        if self._on_fault:
            self._on_fault(fault)
        return Fault(500, "UNSUPPORTED", "internal error")

    def _refuse(self, request: Request, responder: Responder, fault: Fault) -> None:
        if responder.status:
            responder.close = True
            return
        # A large body that nobody reads: the connection is cheaper than the bytes
        if not request.body.ended and (request.body.length or 1 << 30) > 256 << 10:
            responder.close = True
        body = error_body(fault.code, fault.message, fault.detail)
        responder.send(fault.status, (_JSON, _API, *fault.headers), body)
