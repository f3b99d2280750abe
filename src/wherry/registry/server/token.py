"""Short-lived tokens, for registries that some use without a login: who has no password gets one that says so.

docker sends a password only where the ping asks for one, and then can't pull without. So a registry that is open to
anonymous pulls asks for a token (Bearer), which this server gives itself, at /token. A token says who somebody is,
never what they may do: the rules are asked at each request.

Spec: https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

__all__ = ["Tokens"]


class Tokens:
    """Tokens that only this process can give and read. There is one algorithm, and the token does not name it."""

    LIFE_S = 300

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def give(self, user: str) -> str:
        """For somebody who has logged in, or "" for somebody who has not."""
        claim = f"{int(self._clock()) + self.LIFE_S}:{user}".encode()
        return _text(claim) + "." + _text(self._sign(claim))

    def user_of(self, token: str) -> str | None:
        """Who it was given to; None for one that is too old, or was not given here."""
        said, _, signed = token.partition(".")
        try:
            claim, signature = _bytes(said), _bytes(signed)
        except ValueError:
            return None
        if not hmac.compare_digest(signature, self._sign(claim)):
            return None
        until, _, user = claim.decode().partition(":")
        return user if int(until) > self._clock() else None

    def _sign(self, claim: bytes) -> bytes:
        return hmac.new(self._key, claim, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises: ValueError."""
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
