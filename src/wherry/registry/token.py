"""Bearer tokens: bought at the realm that a registry names, kept until shortly before they expire.

Spec: https://github.com/distribution/distribution/blob/v3.0.0/docs/content/spec/auth/token.md and oauth.md beside it
"""

from __future__ import annotations

import base64
import json
import threading
import time
from urllib.parse import quote, urlencode

from wherry.errors import InvalidSpec, RegistryError, Unauthorized
from wherry.registry.answer import failure
from wherry.registry.transport import Body, Request
from wherry.registry.transport_redirect import leads_inside
from wherry.registry.transport_url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.registry.credentials import Credential
    from wherry.registry.tls import Trust
    from wherry.registry.transport import Transport
else:
    from wherry.lean import NamedTuple

__all__ = ["CLIENT_ID", "Asked", "Token", "Tokens", "basic"]

CLIENT_ID = "wherry"
_LIMIT_BYTES = 1 << 20
_SHORTEST_S = 60.0
_EARLY_S = 10.0
"""A token that has less than this left is as good as expired: the request still has to get there."""


class Token(NamedTuple):
    value: str
    until_s: float
    """On the monotonic clock, counted from before it was asked for: what the other clock says does not matter."""
    refresh: str = ""
    """The identity token that came along, when one was asked for."""

    def __repr__(self) -> str:
        return "Token(...)"


class Asked(NamedTuple):
    """Whose token, for what. The key of a token."""

    host: str
    """The registry's host[:port]: what it told is believed for itself only."""
    realm: str
    service: str
    scopes: frozenset[str]
    credential: Credential | None
    allows_plain: bool
    """The registry is on this machine, or named as insecure: its secrets may travel over http, to itself."""
    trust: Trust


class Tokens:
    """Thread-safe; of several threads that need the same token, one asks."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._kept: dict[Asked, Token] = {}
        self._flights: dict[Asked, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, asked: Asked, cancel: Cancel | None = None) -> str:
        """A token that is good for some seconds more. Raises: Unauthorized, Denied, Unreachable, RegistryError."""
        with self._lock:
            flight = self._flights.setdefault(asked, threading.Lock())
        with flight:
            kept = self._kept.get(asked)
            if kept is None or kept.until_s - self._clock() < _EARLY_S:
                kept = self._kept[asked] = self.buy(asked, cancel)
            return kept.value

    def forget(self, asked: Asked, value: str) -> None:
        """The registry refused `value`; a newer one, that another thread got meanwhile, stays."""
        with self._lock:
            kept = self._kept.get(asked)
            if kept is not None and kept.value == value:
                del self._kept[asked]

    def keep(self, asked: Asked, token: Token) -> None:
        with self._lock:
            self._kept[asked] = token

    def buy(self, asked: Asked, cancel: Cancel | None = None, *, offline: bool = False) -> Token:
        """A new token. `offline` asks for an identity token too, as a login does that wants to keep no password."""
        realm = realm_of(asked)
        credential = asked.credential
        if credential is not None and credential.identity_token:
            return self._refresh(asked, realm, credential.identity_token, cancel)
        headers = {}
        query: list[tuple[str, str]] = [("service", asked.service)] if asked.service else []
        query += [("scope", scope) for scope in sorted(asked.scopes)]
        if credential is not None and credential.username:
            headers["Authorization"] = basic(credential)
            query.append(("account", credential.username))
        if offline:
            query += [("offline_token", "true"), ("client_id", CLIENT_ID)]
        url = realm.with_query(urlencode(query, quote_via=quote)) if query else realm
        return self._fetch(Request("GET", url, headers, trust=self._trust(asked, realm)), asked, cancel)

    def _refresh(self, asked: Asked, realm: Url, secret: str, cancel: Cancel | None) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": secret}
        form |= {"service": asked.service, "client_id": CLIENT_ID}
        if asked.scopes:
            form["scope"] = " ".join(sorted(asked.scopes))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = Body.of(urlencode(form, quote_via=quote).encode())
        return self._fetch(Request("POST", realm, headers, body, self._trust(asked, realm)), asked, cancel)

    def _trust(self, asked: Asked, realm: Url) -> Trust:
        return asked.trust if realm.authority == asked.host else asked.trust.elsewhere()._replace(verify=True)

    def _fetch(self, request: Request, asked: Asked, cancel: Cancel | None) -> Token:
        from wherry.registry.exchange import attempts

        began = self._clock()
        response = attempts(self._transport, lambda: self._transport.fetch(request, cancel), cancel)
        with response:
            if response.status >= 400:
                raise failure(response, f"cannot get a token of {request.url.authority} for {asked.host}", asked.host)
            if response.status != 200:
                # A form is not sent on: it holds the secret
                raise RegistryError(
                    f"cannot get a token of {request.url.authority} for {asked.host}: it answered {response.status}",
                    status=response.status,
                )
            return _parse(response.read(_LIMIT_BYTES), began, request.url)


def realm_of(asked: Asked) -> Url:
    """Where to ask; checked for what may be sent there.

    Raises: RegistryError when a secret would travel in the open, or the realm is no URL, or leads into this machine.
    """
    try:
        realm = Url.parse(asked.realm)
    except InvalidSpec as fault:
        raise RegistryError(f"{asked.host} names a place for tokens that is none: {fault}", status=401) from None
    registry = Url.of("http", asked.host, "/")
    is_open = asked.credential is not None and realm.scheme != "https"
    if is_open and not (
        asked.allows_plain and (realm.host == registry.host or (realm.is_loopback and registry.is_loopback))
    ):
        raise RegistryError(
            f"{asked.host} wants your password to be sent to {realm.authority} over plain http: refused",
            hint="if this is your own registry, let its token server speak https",
            status=401,
        )
    if leads_inside(registry, realm):
        raise RegistryError(f"{asked.host} names a place for tokens on this machine or link: refused", status=401)
    return realm


def basic(credential: Credential) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _parse(data: bytes, began_s: float, url: Url) -> Token:
    """Of {"token" or "access_token", "expires_in"}; a lifetime under 60 s is read as 60 s, as the spec says."""
    try:
        document = json.loads(data)
        value = document.get("token") or document.get("access_token")
        lasts_s = document.get("expires_in")
        refresh = document.get("refresh_token")
    except (ValueError, AttributeError, RecursionError):
        raise RegistryError(f"{url.authority} sent no token but something else") from None
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise Unauthorized(f"{url.authority} sent an answer without a token")
    if isinstance(lasts_s, bool) or not isinstance(lasts_s, int | float) or not lasts_s >= _SHORTEST_S:
        lasts_s = _SHORTEST_S
    return Token(value, began_s + min(lasts_s, 86400.0), refresh if isinstance(refresh, str) else "")
