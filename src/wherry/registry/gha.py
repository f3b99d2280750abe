"""GitHub's cache service, as jobs of GitHub Actions reach it: entries by key, never changed once they are written.

An entry is found by its key, or as the newest whose key begins so. Two versions of the API are spoken: the second
(twirp; the bytes go to a signed URL of Azure's) by github.com, the first by GitHub Enterprise Server and by others that
play it. The token goes to the API and never to where a signed URL leads.

Spec: https://github.com/actions/toolkit/tree/main/packages/cache, https://learn.microsoft.com/rest/api/storageservices/put-block-list
"""

from __future__ import annotations

import json
from hashlib import sha256

from wherry.errors import Denied, InputError, InvalidSpec, NotFound, RegistryError, Unauthorized
from wherry.oci import _decode
from wherry.registry.blob_read import PARALLEL, BlobReader
from wherry.registry.exchange import attempts
from wherry.registry.transport import Body, Request
from wherry.registry.transport_url import Url, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple, Protocol

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.target import Reader
    from wherry.registry.transport import Transport
    from wherry.registry.transport_response import Response
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["Api", "Entry", "GhaCache", "Service", "Wire", "service_of"]

VERSION = sha256(b"wherry cache 1").hexdigest()
"""The API keeps entries of different versions apart: those of other tools are never seen."""
_ANSWER_BYTES = 1 << 20
_PIECE = 8 << 20
_TRUE = frozenset({"1", "true", "True", "TRUE"})


class Service(NamedTuple):
    """`url` ends with "/"; `version` is 1 or 2."""

    url: str
    token: str
    version: int


class Entry(NamedTuple):
    """`url` is signed, and good for minutes."""

    key: str
    url: str


def service_of(
    env: Mapping[str, str], *, url: str = "", url_v2: str = "", token: str = "", version: int = 0
) -> Service | None:
    """What was given, else what the environment of a job says; None where there is no such service."""
    token = token or env.get("ACTIONS_RUNTIME_TOKEN", "")
    url = url or env.get("ACTIONS_CACHE_URL", "")
    second = url_v2 or env.get("ACTIONS_RESULTS_URL", "")
    if not version:
        version = 2 if second and (url_v2 or not url or env.get("ACTIONS_CACHE_SERVICE_V2", "") in _TRUE) else 1
    base = second if version == 2 else url
    if not (token and base):
        return None
    return Service(base if base.endswith("/") else f"{base}/", token, version)


class Wire:
    """Requests to one service. Thread-safe."""

    def __init__(self, transport: Transport, service: Service) -> None:
        """Raises: InputError for a URL that is none."""
        self._transport = transport
        self._service = service
        try:
            self._base = Url.parse(service.url)
        except InvalidSpec as fault:
            raise InputError(f"the URL of the gha cache: {fault}") from None

    def ask(
        self, method: str, path: str, document: Mapping[str, object] | None, what: str, cancel: Cancel | None
    ) -> tuple[int, dict[str, Any]]:
        """(status, the answer's document) of the API itself; 404 and 409 are answers. Raises: as `failed`."""
        headers = {"Accept": "application/json"}
        body = None
        if document is not None:
            headers["Content-Type"] = "application/json"
            body = Body.of(json.dumps(document).encode())
        return self.call(Request(method, self.url(path), headers, body), what, cancel)

    def url(self, path: str) -> Url:
        return Url.parse(path, self._base)

    def call(self, request: Request, what: str, cancel: Cancel | None) -> tuple[int, dict[str, Any]]:
        """A request with the token; no redirect is followed, which could lead the token elsewhere."""
        headers = {**request.headers, "Authorization": f"Bearer {self._service.token}"}
        if request.url.origin != self._base.origin or request.url.scheme != self._base.scheme:
            raise RegistryError(f"{what}: {request.url.shown} is not the cache service")
        asked = request._replace(headers=headers)
        with attempts(self._transport, lambda: self._transport.open(asked, cancel), cancel) as response:
            if response.status not in {200, 201, 204, 404, 409}:
                raise failed(response, what)
            data = response.read(_ANSWER_BYTES)
        return response.status, _decode.load(data, what) if data.strip() and response.status in {200, 201} else {}

    def signed(self, text: str) -> Url:
        """A URL that the API gave. Raises: RegistryError when it is not as safe as the API's own."""
        url = Url.parse(text)
        if self._base.scheme == "https" and url.scheme != "https":
            raise RegistryError(f"the gha cache leads to {url.shown}: refused, since it is not https")
        return url

    def put(self, url: Url, headers: Mapping[str, str], body: Body, what: str, cancel: Cancel | None) -> None:
        """To a signed URL: nobody's credentials."""
        asked = Request("PUT", url, headers, body)
        with attempts(self._transport, lambda: self._transport.open(asked, cancel), cancel) as response:
            if response.status not in {200, 201, 204}:
                raise failed(response, what)
            response.drop()

    def get(self, url: Url, headers: Mapping[str, str], cancel: Cancel | None) -> Response:
        """As `put`; any status."""
        asked = Request("GET", url, headers)
        return attempts(self._transport, lambda: self._transport.fetch(asked, cancel), cancel)

    @property
    def transport(self) -> Transport:
        return self._transport


def failed(response: Response, what: str) -> RegistryError:
    """The typed error for an answer that is no success. Spec: https://twitchtv.github.io/twirp/docs/spec_v7.html"""
    status, said = response.status, ""
    try:
        document = json.loads(response.read_some(_ANSWER_BYTES))
        said = next((str(document[key]) for key in ("msg", "message") if isinstance(document.get(key), str)), "")
    except (ValueError, RecursionError, AttributeError):
        pass
    text = f"{what}: the gha cache answers {status}" + (f": {clean(said)}" if said else "")
    if status == 401:
        return Unauthorized(text, hint="the token of a job ends with the job", status=status)
    return (Denied if status == 403 else RegistryError)(text, status=status)


class Api(Protocol):
    """One version of the API."""

    def find(self, key: str, *, is_prefix: bool, cancel: Cancel | None) -> Entry | None:
        """The entry of that key, or the newest whose key begins so."""

    def save(self, key: str, size: int, pieces: Callable[[int], bytes], cancel: Cancel | None) -> bool:
        """A new entry of `size` bytes; `pieces` gives the next ones, at most so many. False: the key is taken."""


class GhaCache:
    """The service as a place of named bytes. Thread-safe."""

    def __init__(self, transport: Transport, service: Service) -> None:
        from wherry.registry.gha_v1 import ApiV1
        from wherry.registry.gha_v2 import ApiV2

        self._wire = Wire(transport, service)
        self._api: Api = ApiV2(self._wire) if service.version == 2 else ApiV1(self._wire)

    def find(self, key: str, *, is_prefix: bool = False, cancel: Cancel | None = None) -> Entry | None:
        """Raises: RegistryError and its kin, Cancelled."""
        found = self._api.find(key, is_prefix=is_prefix, cancel=cancel)
        # Whatever is asked for, the service may answer with a key that begins so
        return found if found and (found.key.startswith(key) if is_prefix else found.key == key) else None

    def read(self, entry: Entry, limit_bytes: int, cancel: Cancel | None = None) -> bytes:
        """All of a small entry, unverified. Raises: NotFound, RegistryError."""
        with self._wire.get(self._wire.signed(entry.url), {}, cancel) as response:
            if response.status == 404:
                raise NotFound(f"the gha cache has lost {entry.key}")
            if response.status != 200:
                raise failed(response, f"reading {entry.key}")
            return response.read(limit_bytes)

    def open(self, key: str, blob: Descriptor, cancel: Cancel | None = None) -> BlobReader:
        """The entry's bytes, verified to be those of `blob`. Reading raises NotFound when there is no such entry."""

        def fetch(headers: dict[str, str], stop: Cancel | None) -> Response:
            # Asked each time: a signed URL is good for minutes only
            found = self.find(key, cancel=stop)
            if found is None:
                raise NotFound(f"the gha cache has no {key}", hint="GitHub drops what was not used for seven days")
            return self._wire.get(self._wire.signed(found.url), headers, stop)

        return BlobReader(fetch, blob, self._wire.transport.retry, cancel, PARALLEL)

    def save(
        self, key: str, size: int, reader: Reader, *, cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:  # fmt: skip
        """A new entry; False when the key is taken, and nothing was read. Raises: RegistryError, Cancelled."""
        done = 0

        def pieces(most: int) -> bytes:
            nonlocal done
            if cancel:
                cancel.check()
            buffer = memoryview(bytearray(min(most, _PIECE, size - done)))
            got = 0
            while got < len(buffer) and (count := reader.readinto(buffer[got:])):
                got += count
            if got < len(buffer):
                raise RegistryError(f"{key}: the source ended after {done + got} of {size} bytes")
            done += got
            if progress:
                progress(done)
            return bytes(buffer)

        return self._api.save(key, size, pieces, cancel)
