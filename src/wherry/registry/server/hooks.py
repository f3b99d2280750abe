"""Where others join in: who may do what, an upstream registry behind this one, and pages beside the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from wherry.oci.digest import Digest
    from wherry.web.server import Request, Responder

__all__ = ["AllowAll", "Decision", "Guard", "Pages", "Proxy"]


class Decision(NamedTuple):
    """Whether somebody may. When not, `status` (401, 403, 429), `headers` (WWW-Authenticate, Retry-After) and `message`
    are the answer.
    """

    allowed: bool
    status: int = 403
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "access to the resource is denied"


class Guard(Protocol):
    """Asked before anything else is looked at, so that a refusal says nothing about what exists."""

    def check(self, request: Request, action: str, repository: str) -> Decision:
        """`action` is "ping" and "catalog" (repository ""), "pull", "push" or "delete". Sets `request.user`.

        For a mount it is asked again, with "pull" and the source; for the catalog with "pull" and each name.
        Called by many threads at once.
        """
        ...


class AllowAll:
    """No guard."""

    def check(self, request: Request, action: str, repository: str) -> Decision:
        return Decision(allowed=True)


class Proxy(Protocol):
    """Another registry that fills this one when it is asked for something (`--proxy`)."""

    def manifest(self, request: Request, repository: str, reference: str) -> tuple[tuple[str, str], ...]:
        """Called before a manifest is looked up by tag or digest. May put it (and its tag) into the storage; what is
        there afterwards is served, with the headers that are returned. Raises: Fault, when there is nothing to serve
        and the reason matters.
        """
        ...

    def blob(self, request: Request, responder: Responder, repository: str, digest: Digest) -> bool:
        """Called when a blob is not there. True when it has answered (streaming while it stores, say); False when the
        blob is in the storage now, or can't be had.
        """
        ...


class Pages(Protocol):
    """Everything outside of /v2/ and /healthz: the page at /, /metrics."""

    def handle(self, request: Request, responder: Responder) -> bool:
        """True when it has answered; else the registry says 404."""
        ...
