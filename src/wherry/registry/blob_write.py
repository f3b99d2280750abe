"""Blobs to a registry: one streaming PUT where that works, and what each registry needs where it does not.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
"""

from __future__ import annotations

import io
import re
from urllib.parse import quote

from wherry.errors import IntegrityError, RegistryError, Unreachable, WherryError
from wherry.registry.answer import failure
from wherry.registry.exchange import Call, pause
from wherry.registry.retry import RETRYABLE
from wherry.registry.transport import Body
from wherry.registry.transport_redirect import allowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.exchange import Exchange
    from wherry.registry.transport import Reader
    from wherry.registry.transport_response import Response
    from wherry.registry.transport_url import Url

__all__ = ["Upload", "location"]

_CHUNK_BYTES = 4 << 20
"""GHCR's limit for a request with a Content-Range."""
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")
_OCTETS = {"Content-Type": "application/octet-stream"}


class Upload:
    """One blob on its way to one repository. `run` once; one thread."""

    def __init__(
        self,
        exchange: Exchange,
        blob: Descriptor,
        open_at: Callable[[int], Reader],
        is_there: Callable[[], bool],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._exchange = exchange
        self._blob = blob
        self._open_at = open_at
        self._is_there = is_there
        self._cancel = cancel
        self._progress = progress
        self._repository = exchange.endpoint.repository
        self._what = f"cannot push blob {blob.digest.short} to {exchange.endpoint.host}/{self._repository}"

    def run(self) -> None:
        """Raises: Unauthorized, Denied, IntegrityError, Unreachable, RegistryError, Cancelled."""
        retry = self._exchange.transport.retry
        session: Url | None = None
        at = attempt = 0
        is_stream = False
        while True:
            attempt += 1
            after = None
            error: WherryError
            try:
                if session is None:
                    session, at = self._begin(), 0
                if 0 < at < self._blob.size or is_stream:
                    session, at = self._patched(session, at), self._blob.size
                return self._put(session, at)
            except _TooLarge as limit:
                return self._in_chunks(limit.session or self._begin())
            except _Failed as fault:
                error, after = fault.error, fault.after
                if fault.is_spoilt:
                    session = None
            except Unreachable as fault:
                error = fault
            if attempt >= retry.tries or not getattr(error, "retryable", False):
                raise error
            pause(retry.wait_s(attempt, after), self._cancel)
            # What broke at the very end may have arrived
            if self._is_there():
                return None
            session, at = self._resumed(session)
            # Some registries keep nothing of a PUT that broke, but all of a PATCH, which is how docker pushes
            is_stream = session is None and self._blob.size > _CHUNK_BYTES

    def stream(self) -> Url:
        """Send all of it in one request that leaves the upload open; for `close`. One try. Raises: as `run`."""
        return self._patched(self._begin(), 0)

    def close(self, session: Url) -> None:
        """Say the digest of what `stream` sent. Raises: as `run`."""
        self._put(session, self._blob.size)

    def _begin(self) -> Url:
        """POST: the URL of a new upload."""
        response = self._send("POST", f"/v2/{self._repository}/blobs/uploads/")
        with response:
            if not 200 <= response.status < 300:
                raise failure(response, self._what)
            url = location(response, self._exchange)
            response.drop()
            return url

    def _send(self, method: str, where: str | Url, body: Body | None = None, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        tries = 1 if body is not None else None
        return self._exchange.send(Call(method, where, named, body, tries=tries), self._cancel)

    def _body(self, start: int, end: int) -> Body:
        told = self._progress
        progress = (lambda sent: told(start + sent)) if told else None
        return Body(lambda: self._open_at(start), end - start, progress)

    def _put(self, session: Url, start: int) -> None:
        """PUT what is left from `start` on, and close the upload. Without a Content-Range, which GHCR limits."""
        url = session.with_query(f"digest={quote(self._blob.digest, safe='')}")
        response = self._send("PUT", url, self._body(start, self._blob.size), **_OCTETS)
        with response:
            if 200 <= response.status < 300:
                said = response.header("Docker-Content-Digest")
                sure = response.status in {200, 201, 204}
                response.drop()
                if said and said.strip() != self._blob.digest and said.startswith(self._blob.digest.algorithm + ":"):
                    raise IntegrityError(self._what, expected=self._blob.digest, actual=said.strip()[:160])
                if not sure and not self._is_there():
                    raise RegistryError(f"{self._what}: it was accepted, and is not there", status=response.status)
                return
            raise self._failed(response, session if start == 0 else None)

    def _failed(self, response: Response, session: Url | None) -> WherryError:
        """`session` is None when the upload was resumed."""
        status, after = response.status, response.header("Retry-After")
        if status in {413, 416} and session is not None and self._blob.size > _CHUNK_BYTES:
            response.drop()
            return _TooLarge(None if status == 413 else session)
        error = failure(response, self._what)
        code = getattr(error, "spec_code", "")
        if status == 400 and session is None:
            # ECR forgets what a second request brings: what was put together from two is not trusted, and sent anew
            return _Failed(
                RegistryError(error.message, status=status, spec_code=code, retryable=True), after, is_spoilt=True
            )
        if status in RETRYABLE or (status == 404 and session is not None) or code == "BLOB_UPLOAD_UNKNOWN":
            if isinstance(error, RegistryError):
                error.retryable = True
            else:
                error = RegistryError(error.message, status=status, retryable=True)
            return _Failed(error, after)
        return error

    def _resumed(self, session: Url | None) -> tuple[Url | None, int]:
        """How much of the upload the registry has, and where it goes on; (None, 0) when it is to start anew."""
        if session is None or not self._exchange.is_ours(session):
            return None, 0
        try:
            response = self._send("GET", session)
        except (Unreachable, RegistryError):
            return None, 0
        with response:
            match = _RANGE.fullmatch((response.header("Range") or "").strip())
            status = response.status
            url = location(response, self._exchange, session)
            response.drop()
            if status != 204 or match is None:
                return None, 0
            done = int(match[1]) + 1
            # "0-0" is said of an empty upload and of a single byte: a new start is right for both
            return (url, done) if 1 < done <= self._blob.size else (None, 0)

    def _patched(self, session: Url, done: int) -> Url:
        """PATCH from `done` to the end; where the upload is to be closed. Raises: _Failed when that does not work."""
        headers = _OCTETS | ({"Content-Range": f"{done}-{self._blob.size - 1}"} if done else {})
        response = self._send("PATCH", session, self._body(done, self._blob.size), **headers)
        with response:
            if not 200 <= response.status < 300:
                status = response.status
                raise _Failed(RegistryError(failure(response, self._what).message, status=status, retryable=True), None)
            url = location(response, self._exchange, session)
            response.drop()
            return url

    def _in_chunks(self, session: Url) -> None:
        """PATCH after PATCH, each below the smallest limit known; each Location counts for the next (`_state`)."""
        at, furthest, failures = 0, 0, 0
        retry = self._exchange.transport.retry
        while at < self._blob.size:
            end = min(at + _CHUNK_BYTES, self._blob.size)
            headers = {"Content-Range": f"{at}-{end - 1}", **_OCTETS}
            response = self._exchange.send(
                Call("PATCH", session, headers, self._body(at, end), tries=retry.tries), self._cancel
            )
            with response:
                if 200 <= response.status < 300:
                    session = location(response, self._exchange, session)
                    response.drop()
                    at = end
                    if at > furthest:
                        # A registry that takes one chunk again and again gets no further
                        furthest, failures = at, 0
                    continue
                if response.status == 416:
                    # A refusal, too, may say where the session goes on
                    session = location(response, self._exchange, session)
                error = failure(response, self._what)
            failures += 1
            resumed, done = self._resumed(session) if response.status == 416 else (None, 0)
            if resumed is None or failures >= retry.tries:
                raise error
            session, at = resumed, done
        self._put(session, self._blob.size)


class _TooLarge(WherryError):
    """The registry takes no body of this size in one request; `session` is still good, when there is one."""

    def __init__(self, session: Url | None) -> None:
        super().__init__("too large for one request")
        self.session = session


class _Failed(WherryError):
    """Worth another try; `after` is what Retry-After said. Of an upload that is spoilt nothing is kept."""

    def __init__(self, error: RegistryError, after: str | None, *, is_spoilt: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after
        self.is_spoilt = is_spoilt


def location(response: Response, exchange: Exchange, fallback: Url | None = None) -> Url:
    """Where an upload goes on. Another host gets the bytes, and none of our credentials; never from https to http.

    Raises: RegistryError.
    """
    text = response.header("Location")
    if text is None:
        if fallback is not None:
            return fallback
        raise RegistryError(f"{response.url.shown}: the upload was accepted without saying where it goes on")
    return allowed(response.url, text, is_insecure=not exchange.trust.verify)


def reader_of(data: bytes) -> Callable[[int], Reader]:
    """`open_at` of bytes in memory."""
    return lambda offset: io.BytesIO(data[offset:])
