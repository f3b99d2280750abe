"""From an answer that is no success to an error that says why, in the registry's words and ours.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
"""

from __future__ import annotations

import json
import time

from wherry.errors import Denied, NotFound, RateLimited, RegistryError, Unauthorized, Unsupported, WherryError
from wherry.registry.retry import RETRYABLE, retry_after_s
from wherry.registry.transport_url import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.registry.transport_response import Response
else:
    from wherry.lean import NamedTuple

__all__ = ["SpecError", "failure", "spec_errors"]

_LIMIT_BYTES = 64 << 10
_MOST = 4


class SpecError(NamedTuple):
    """`code` is the spec's ("MANIFEST_UNKNOWN") or ""; `message` is cleaned for a terminal."""

    code: str
    message: str

    def __str__(self) -> str:
        word = self.code.lower().replace("_", " ")
        if not word or word == self.message.lower():
            return self.message
        return f"{word}: {self.message}" if self.message else word


def spec_errors(data: bytes) -> tuple[SpecError, ...]:
    """What a body of errors says; () when it is none. Token servers' {"details"} and {"error"} count too."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(document, dict):
        return ()
    listed = document.get("errors")
    if isinstance(listed, list):
        return tuple(_one(one) for one in listed[:_MOST] if isinstance(one, dict))
    for key in ("details", "error_description", "message", "error"):
        if isinstance(text := document.get(key), str) and text:
            return (SpecError("", clean(text)),)
    return ()


def _one(entry: dict[str, object]) -> SpecError:
    code, message = entry.get("code"), entry.get("message")
    code = clean(code, 60) if isinstance(code, str) else ""
    return SpecError(code, clean(message) if isinstance(message, str) else "")


def failure(response: Response, what: str, registry: str = "") -> WherryError:
    """The error for an answer, which is read and closed. `what` says what was being done, and to what.

    `registry` is where to log in, when that is not where the answer came from.
    """
    after = retry_after_s(response.header("Retry-After"), time.time())
    limit, remaining = response.header("RateLimit-Limit"), response.header("RateLimit-Remaining")
    errors = spec_errors(response.read_some(_LIMIT_BYTES))
    status = response.status
    code = errors[0].code if errors else ""
    said = "; ".join(filter(None, map(str, errors))) or f"{response.url.authority} answered {status}"
    message = f"{what}: {said}"
    if status == 401:
        return Unauthorized(message, hint=_login(registry or response.url.authority), status=status, spec_code=code)
    if status == 403:
        return Denied(message, hint=_login(registry or response.url.authority), status=status, spec_code=code)
    if status == 404:
        return NotFound(message)
    if status == 429:
        return _limited(message, after, limit, remaining, code)
    if status == 405 or code == "UNSUPPORTED":
        return Unsupported(message)
    return RegistryError(message, status=status, spec_code=code, retryable=status in RETRYABLE)


def _login(host: str) -> str:
    return f"log in with an account that may do this: wherry login{'' if host.endswith('docker.io') else f' {host}'}"


def _limited(message: str, after_s: float | None, limit: str | None, remaining: str | None, code: str) -> RateLimited:
    if limit:
        # "100;w=21600": so many within a window in seconds
        count, _, window = clean(limit, 60).partition(";w=")
        within = f" in {int(window) / 3600:g} h" if window.isdecimal() else ""
        left = clean(remaining or "0", 40).partition(";")[0]
        message += f" (limit: {count}{within}, {left} left)"
    hint = "who logs in may pull more: wherry login"
    if after_s is not None:
        hint = f"try again in {after_s:.0f} s; {hint}"
    return RateLimited(message, hint=hint, after_s=after_s, spec_code=code)
