"""Requests to one registry: authorised, tried again when that helps, over https or what its files allow."""

from __future__ import annotations

import threading

from wherry.errors import RegistryError, Unreachable
from wherry.registry.challenge import best
from wherry.registry.hosts import is_loopback
from wherry.registry.retry import RETRYABLE
from wherry.registry.tls import Trust
from wherry.registry.token import Asked, basic
from wherry.registry.transport import Request
from wherry.registry.transport_response import Broken
from wherry.registry.transport_url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.registry.challenge import Challenge
    from wherry.registry.credentials import Credential
    from wherry.registry.hosts import Endpoint
    from wherry.registry.token import Tokens
    from wherry.registry.transport import Body, Transport
    from wherry.registry.transport_response import Response
else:
    from wherry.lean import NamedTuple

__all__ = ["Call", "Exchange", "Facts", "attempts"]

_NONE: Mapping[str, str] = {}


class Call(NamedTuple):
    """`where` is a path ("/v2/...") or, for an upload, the URL that the registry named."""

    method: str
    where: str | Url
    headers: Mapping[str, str] = _NONE
    body: Body | None = None
    scopes: frozenset[str] | None = None
    """None stands for the exchange's own."""
    tries: int | None = None
    """None stands for the retry rule's own; 1 for a caller that knows better how to go on."""


class Facts:
    """What was learned of one host; shared by all of a client's exchanges with it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.scheme = ""
        self.challenge: Challenge | None = None
        self.was_reached = False


class Exchange:
    """Thread-safe. Answers are the caller's to close, whatever their status."""

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        facts: Facts,
        endpoint: Endpoint,
        credential: Callable[[], Credential | None],
        scopes: frozenset[str] = frozenset(),
    ) -> None:
        self.endpoint = endpoint
        self.scopes = scopes
        self.transport = transport
        self._tokens = tokens
        self._facts = facts
        self._find_credential = credential
        self._found: tuple[Credential | None] | None = None
        self._trust = Trust.of(endpoint)
        self._lock = threading.Lock()

    @property
    def trust(self) -> Trust:
        return self._trust

    def credential(self) -> Credential | None:
        """Asked for once, when a registry wants one: a helper program may stand behind it."""
        with self._lock:
            if self._found is None:
                self._found = (self._find_credential(),)
            return self._found[0]

    def send(self, call: Call, cancel: Cancel | None = None) -> Response:
        """Raises: Unauthorized (no token to be had), Unreachable, UntrustedCertificate, Cancelled, RegistryError."""
        return attempts(self.transport, lambda: self._authorised(call, cancel), cancel, call.tries, self._facts)

    def url(self, where: str, cancel: Cancel | None = None) -> Url:
        """A path of the registry's as a URL; the first time, this finds out whether it speaks https."""
        return Url.of(self._scheme(cancel), self.endpoint.host, where)

    def is_ours(self, url: Url) -> bool:
        """Whether `url` is the registry's own, so that it may see our credentials."""
        return url.origin == self.url("/").origin and url.scheme == self._facts.scheme

    # -- https or http ------------------------------------------------------------------------------------------------

    def _scheme(self, cancel: Cancel | None) -> str:
        with self._facts.lock:
            if not self._facts.scheme:
                endpoint = self.endpoint
                if endpoint.scheme == "https" and endpoint.fallback_http:
                    self._probe(cancel)
                else:
                    self._facts.scheme = endpoint.scheme
            return self._facts.scheme

    def _probe(self, cancel: Cancel | None) -> None:
        """https first, and http where nobody speaks it: as docker does for loopback and insecure registries."""
        for scheme in ("https", "http"):
            try:
                self._ping(scheme, cancel)
            except Unreachable:
                if scheme == "http":
                    raise
            else:
                self._facts.scheme = scheme
                return

    def _ping(self, scheme: str, cancel: Cancel | None) -> None:
        url = Url.of(scheme, self.endpoint.host, "/v2/")
        response = self.transport.open(Request("GET", url, {}, trust=self._trust), cancel)
        challenge = best(response.headers("WWW-Authenticate")) if response.status == 401 else None
        response.drop()
        self._facts.challenge = challenge or self._facts.challenge
        self._facts.was_reached = True

    # -- who we are ---------------------------------------------------------------------------------------------------

    def _authorised(self, call: Call, cancel: Cancel | None) -> Response:
        url = self.url(call.where, cancel) if isinstance(call.where, str) else call.where
        if not self.is_ours(url):
            # An upload that the registry sent elsewhere: the URL is all the right that we have there
            return self.transport.fetch(
                Request(call.method, url, call.headers, call.body, self._trust.elsewhere()), cancel
            )
        scopes = self.scopes if call.scopes is None else call.scopes
        rounds = 0
        while True:
            rounds += 1
            authorization, asked = self._authorization(scopes, cancel)
            headers = dict(call.headers)
            if authorization:
                headers["Authorization"] = authorization
            response = self.transport.fetch(Request(call.method, url, headers, call.body, self._trust), cancel)
            self._facts.was_reached = True
            if response.status != 401 or response.url.origin != url.origin or rounds == 3:
                return response
            wider = self._challenged(response, scopes, cancel)
            if asked:
                self._tokens.forget(asked, authorization.removeprefix("Bearer "))
            if wider is None or (authorization and not asked):
                return response
            response.drop()
            scopes = wider

    def _challenged(self, response: Response, scopes: frozenset[str], cancel: Cancel | None) -> frozenset[str] | None:
        """Learn what a 401 asks for; the scopes to ask for next, None when there is no way to please the registry."""
        challenge = best(response.headers("WWW-Authenticate"))
        with self._facts.lock:
            if challenge is None and self._facts.challenge is None:
                # gcr.io and others say it at /v2/ only
                self._ping(self._facts.scheme, cancel)
            if challenge is not None:
                self._facts.challenge = challenge
            known = self._facts.challenge
        if known is None:
            return None
        if known.scheme == "basic":
            return scopes if self.credential() else None
        if not scopes or known.parameters.get("error") == "insufficient_scope":
            return scopes | frozenset(known.scopes)
        return scopes

    def _authorization(self, scopes: frozenset[str], cancel: Cancel | None) -> tuple[str, Asked | None]:
        """The header's value, and the token's key when it is a token that was bought."""
        challenge = self._facts.challenge
        if challenge is None:
            return "", None
        credential = self.credential()
        if credential and credential.registry_token:
            return f"Bearer {credential.registry_token}", None
        if challenge.scheme == "basic":
            return (basic(credential) if credential else ""), None
        asked = self.asked(challenge, scopes, credential)
        return f"Bearer {self._tokens.get(asked, cancel)}", asked

    def asked(self, challenge: Challenge, scopes: frozenset[str], credential: Credential | None) -> Asked:
        """The token that this exchange needs."""
        endpoint = self.endpoint
        plain = endpoint.scheme == "http" or endpoint.fallback_http or is_loopback(endpoint.host)
        parameters = challenge.parameters
        return Asked(
            endpoint.host, parameters["realm"], parameters.get("service", ""), scopes, credential, plain, self._trust
        )

    def challenge(self, cancel: Cancel | None = None) -> Challenge | None:
        """What /v2/ asks for; None when it lets everybody in."""
        scheme = self._scheme(cancel)
        with self._facts.lock:
            if self._facts.challenge is None:
                self._ping(scheme, cancel)
            return self._facts.challenge


def attempts(
    transport: Transport,
    send: Callable[[], Response],
    cancel: Cancel | None,
    tries: int | None = None,
    facts: Facts | None = None,
) -> Response:
    """`send` until it gives an answer that trying again does not better. Raises: what the last try raised."""
    retry = transport.retry
    most = retry.tries if tries is None else tries
    attempt = 0
    while True:
        attempt += 1
        after = None
        try:
            response = send()
            if response.status not in RETRYABLE or attempt >= most:
                return response
            after = response.header("Retry-After")
            response.drop()
        except Unreachable as fault:
            # Who was never reached will not be by knocking for longer
            if attempt >= most or not (isinstance(fault, Broken) or (facts and facts.was_reached)):
                raise
        pause(retry.wait_s(attempt, after), cancel)


def pause(seconds: float, cancel: Cancel | None) -> None:
    """Raises: Cancelled."""
    if cancel is None:
        threading.Event().wait(seconds)
        return
    cancel.wait(seconds)
    cancel.check()


def next_page(response: Response, url: Url) -> Url | None:
    """What `Link: <...>; rel="next"` names; None at the end. Raises: RegistryError when it leads elsewhere."""
    for header in response.headers("Link"):
        for link in header[: 16 << 10].split(","):
            target, _, parameters = link.strip().partition(">")
            relation = parameters.replace(" ", "").replace('"', "").lower()
            if target.startswith("<") and ";rel=next" in relation:
                following = Url.parse(target[1:], url)
                if following.origin != url.origin or following.scheme != url.scheme:
                    raise RegistryError(f"{url.shown}: the next page is said to be at {following.authority}: refused")
                return following
    return None
