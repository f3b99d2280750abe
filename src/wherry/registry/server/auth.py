"""The registry's guard: who asks (htpasswd or a token), and whether the rules let them.

Spec: https://www.rfc-editor.org/rfc/rfc7617 (Basic)
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import NamedTuple

from wherry.registry.server.hooks import Decision
from wherry.registry.server.htpasswd import Htpasswd, TooMany
from wherry.registry.server.rules import Rules
from wherry.registry.server.rules import parse as parse_rules
from wherry.registry.server.throttle import Throttle
from wherry.registry.server.token import Tokens
from wherry.registry.server.watched import Watched
from wherry.web.exchange import Request, Responder

__all__ = ["AccessGuard", "warning_of_plain_http"]

REALM = "wherry registry"
# Not distribution's own words for it: docker takes an error of those alone for one that passes, and tries for a minute
_LOGIN = "a login is required"
_HEADER_BYTES = 8192


class _Identity(NamedTuple):
    """`user` is "" for somebody who has not logged in; `refusal` is set when what they said of themselves is wrong."""

    user: str = ""
    refusal: Decision | None = None


class AccessGuard:
    """Implements hooks.Guard. Without htpasswd everybody is anonymous; without rules, who has logged in may do all.

    `anonymous_pull` lets anybody pull (and see) everything, rules or not. Thread-safe.
    """

    def __init__(
        self,
        *,
        htpasswd: str = "",
        rules: str = "",
        anonymous_pull: bool = False,
        warn: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises: InputError, naming file and line."""
        self._users = Htpasswd(htpasswd, warn, clock=clock) if htpasswd else None
        self._rules: Watched[Rules] | None = Watched(rules, parse_rules, warn) if rules else None
        self._anonymous_pull = anonymous_pull
        self._throttle = Throttle(clock=clock)
        self._tokens = Tokens()

    # -- hooks.Guard

    def check(self, request: Request, action: str, repository: str) -> Decision:
        who = self._identify(request)
        if who.refusal:
            return who.refusal
        request.user = who.user
        if action == "ping":
            # Even where anybody may pull: a client that has a password must learn that it is asked for
            is_allowed = bool(who.user) or not self._users or self._is_token(request)
        elif action == "catalog":
            is_allowed = bool(who.user) or not self._users or self._is_open
        else:
            is_allowed = self._may(who.user, action, repository)
        if is_allowed:
            return Decision(allowed=True)
        if who.user or not self._users:
            return Decision(allowed=False, message=f"{action} is not allowed here")
        return self._challenge(request, action, repository)

    def _may(self, user: str, action: str, repository: str) -> bool:
        if action == "pull" and self._anonymous_pull:
            return True
        if self._rules:
            return self._rules.get().allow(user, action, repository)
        return bool(user) or not self._users

    @property
    def _is_open(self) -> bool:
        """Whether somebody without a password may do anything."""
        return self._anonymous_pull or bool(self._rules and self._rules.get().have_anonymous)

    # -- who asks

    def _identify(self, request: Request) -> _Identity:
        header = request.headers.get("authorization", "")
        scheme, _, rest = header.partition(" ")
        if not header or not self._users:
            return _Identity()
        if scheme.lower() == "bearer":
            user = self._tokens.user_of(rest.strip())
            if user is None or (user and not self._users.has(user)):
                return _Identity(refusal=self._challenge(request, message="the token is not valid any more"))
            return _Identity(user)
        if scheme.lower() != "basic" or len(header) > _HEADER_BYTES:
            return _Identity(refusal=self._challenge(request, message="expected Basic authentication"))
        return self._login(request, self._users, rest.strip())

    def _login(self, request: Request, users: Htpasswd, given: str) -> _Identity:
        try:
            text = base64.b64decode(given, validate=True).decode("utf-8", "surrogateescape")
        except ValueError:
            return _Identity(refusal=self._challenge(request, message="malformed Basic authentication"))
        user, _, password = text.partition(":")
        if users.remembers(user, password):
            return _Identity(user)
        if wait_s := self._throttle.wait_s(request.remote):
            return _Identity(refusal=_later(wait_s))
        found = users.check(user, password)
        if isinstance(found, TooMany):
            return _Identity(refusal=_later(found.after_s))
        if not found:
            self._throttle.failed(request.remote)
            return _Identity(refusal=self._challenge(request, message="user name or password is wrong"))
        return _Identity(user)

    def _is_token(self, request: Request) -> bool:
        return request.headers.get("authorization", "").lower().startswith("bearer ")

    # -- what to answer

    def _challenge(self, request: Request, action: str = "", repository: str = "", message: str = _LOGIN) -> Decision:
        if self._is_open:
            scheme = "https" if _is_https(request) else "http"
            host = request.headers.get("host", "").replace('"', "")
            value = f'Bearer realm="{scheme}://{host}/token",service="{host}"'
            if self._is_token(request):
                value += f',error="{"insufficient_scope" if repository else "invalid_token"}"'
            if repository:
                actions = {"push": "pull,push", "delete": "delete"}.get(action, "pull")
                value += f',scope="repository:{repository}:{actions}"'
        else:
            value = f'Basic realm="{REALM}", charset="UTF-8"'
        return Decision(allowed=False, status=401, headers=(("WWW-Authenticate", value),), message=message)

    def token(self, request: Request, responder: Responder) -> None:
        """GET /token: one for whom the password names, or for nobody in particular when there is none."""
        who = self._identify(request)
        headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
        if who.refusal or not self._users or self._is_token(request):
            refusal = who.refusal or Decision(allowed=False, message="no tokens are given here")
            basic = (("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"'),)
            more = basic if refusal.status == 401 else refusal.headers
            error = {"errors": [{"code": "UNAUTHORIZED", "message": refusal.message}]}
            responder.send(refusal.status, headers + more, json.dumps(error).encode())
            return
        request.user = who.user
        token = self._tokens.give(who.user)
        doc = {"token": token, "access_token": token, "expires_in": Tokens.LIFE_S}
        responder.send(200, headers, json.dumps(doc).encode())


def warning_of_plain_http(host: str, *, has_tls: bool, has_passwords: bool) -> str:
    """What to say at the start when passwords would travel readable, or ""."""
    if has_tls or not has_passwords or host in {"localhost", "::1"} or host.startswith("127."):
        return ""
    return "passwords are sent over plain http: anybody on the way can read them (give --tls-cert and --tls-key)"


def _is_https(request: Request) -> bool:
    """A TLS proxy in front says so. Somebody who lies about it is lied to, and nobody else."""
    return request.is_tls or request.headers.get("x-forwarded-proto", "").lower() == "https"


def _later(seconds: int) -> Decision:
    headers = (("Retry-After", str(seconds)),)
    return Decision(allowed=False, status=429, headers=headers, message="too many failed logins: try again later")
