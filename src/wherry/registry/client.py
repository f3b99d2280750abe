"""One registry as its callers see it: manifests, blobs, tags, referrers. What comes out is verified.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import threading
from urllib.parse import quote

from wherry.errors import RegistryError, Unauthorized
from wherry.oci import _decode
from wherry.registry import manifests, referrers
from wherry.registry.answer import failure
from wherry.registry.blob_read import PARALLEL, BlobReader
from wherry.registry.blob_source import source
from wherry.registry.blob_write import Upload
from wherry.registry.exchange import Call, Exchange, Facts, next_page
from wherry.registry.manifests import ACCEPT, FetchedManifest
from wherry.registry.token import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import Digest
    from wherry.registry.credentials import Credential
    from wherry.registry.hosts import Endpoint
    from wherry.registry.transport import Reader, Transport
    from wherry.registry.transport_url import Url
else:
    from wherry.lean import Protocol

__all__ = ["ACCEPT", "Client", "FetchedManifest", "FindsCredentials", "Repository"]

_PAGE_BYTES = 4 << 20
_MOST_PAGES = 10_000
_MOST_NAMES = 1_000_000
_PARTS_IN_MEMORY = 6


class FindsCredentials(Protocol):
    """`registry.credentials.Credentials`, or a fake."""

    def find(self, host: str, repository: str = "") -> Credential | None: ...


class Client:
    """All registries, for one command: connections, tokens and what hosts said are shared. Thread-safe."""

    def __init__(self, transport: Transport, credentials: FindsCredentials) -> None:
        self.transport = transport
        self._credentials = credentials
        self._tokens = Tokens(transport)
        self._facts: dict[Endpoint, Facts] = {}
        self._lock = threading.Lock()
        self.uploads = _Uploads()
        self.parts = threading.Semaphore(_PARTS_IN_MEMORY)
        """How many parts of blobs all readers together may hold beyond one each."""

    def repository(self, endpoint: Endpoint, actions: tuple[str, ...] = ("pull",)) -> Repository:
        """No traffic yet. `actions`: ("pull",), ("pull", "push"), also "delete"."""
        scope = f"repository:{endpoint.repository}:{','.join(actions)}"
        return Repository(self, self.exchange(endpoint, frozenset({scope})))

    def exchange(
        self,
        endpoint: Endpoint,
        scopes: frozenset[str] = frozenset(),
        credential: Callable[[], Credential | None] | None = None,
    ) -> Exchange:
        """The registry's plain requests, for what this class does not offer."""
        with self._lock:
            facts = self._facts.setdefault(endpoint._replace(repository=""), Facts())
        find = credential or (lambda: self._credentials.find(endpoint.host, endpoint.repository))
        return Exchange(self.transport, self._tokens, facts, endpoint, find, scopes)

    def ping(self, endpoint: Endpoint, cancel: Cancel | None = None) -> None:
        """Raises: Unreachable, UntrustedCertificate, RegistryError when nothing there speaks the registry API."""
        exchange = self.exchange(endpoint, credential=lambda: None)
        with exchange.send(Call("GET", "/v2/"), cancel) as response:
            if response.status not in {200, 401, 403}:
                raise failure(response, f"{endpoint.host} does not answer as a registry")
            response.drop()

    def check_login(self, endpoint: Endpoint, credential: Credential, cancel: Cancel | None = None) -> str:
        """Log in with `credential`; returns an identity token to keep instead of the password, or "".

        Raises: Unauthorized when the registry refuses it, Unreachable, ...
        """
        exchange = self.exchange(endpoint, credential=lambda: credential)
        challenge = exchange.challenge(cancel)
        what = f"login to {endpoint.host}"
        identity, is_known = "", False
        if challenge is not None and challenge.scheme == "bearer" and not credential.registry_token:
            # As docker: a token without scopes proves who one is
            asked = exchange.asked(challenge, frozenset(), credential)
            token = self._tokens.buy(asked, cancel, offline=not credential.identity_token)
            self._tokens.keep(asked, token)
            identity, is_known = token.refresh, True
        with exchange.send(Call("GET", "/v2/"), cancel) as response:
            if response.status == 401:
                raise Unauthorized(
                    failure(response, what).message, hint="check user name and password, or token", status=401
                )
            # Differs from docker: 403 too, to a token: known, but with no right to anything in general. Whoever says it
            # to a password, or to everybody, has not said that the password is right
            if response.status != 200 and not (response.status == 403 and is_known):
                raise failure(response, what)
            response.drop()
        return identity

    def catalog(self, endpoint: Endpoint, cancel: Cancel | None = None) -> Iterator[str]:
        """The names of the registry's repositories, where it tells them."""
        exchange = self.exchange(endpoint)
        return _pages(exchange, "/v2/_catalog?n=1000", "repositories", f"the catalog of {endpoint.host}", cancel)

    def close(self) -> None:
        """Close the idle connections. Idempotent."""
        self.transport.close()


class Repository:
    """One repository at one endpoint. Every call is authorised, retried, cancellable, checked; thread-safe.

    Raises, everywhere: Unauthorized, Denied, RateLimited, Unreachable, UntrustedCertificate, RegistryError, Cancelled.
    """

    def __init__(self, client: Client, exchange: Exchange) -> None:
        self._client = client
        self._exchange = exchange

    @property
    def endpoint(self) -> Endpoint:
        return self._exchange.endpoint

    @property
    def _path(self) -> str:
        return f"/v2/{self.endpoint.repository}"

    def manifest(
        self, tag_or_digest: str, *, accept: tuple[str, ...] = ACCEPT, cancel: Cancel | None = None
    ) -> FetchedManifest:
        """At most 4 MiB. Raises: NotFound, IntegrityError, InvalidSpec (a digest that is none)."""
        return manifests.fetch(self._exchange, tag_or_digest, accept, cancel)

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        """What the name stands for, without its bytes (and free of charge at Docker Hub); None when it is not there."""
        return manifests.head(self._exchange, tag_or_digest, ACCEPT, cancel)

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        """Push `data` byte for byte; returns its digest. A subject is told to registries without referrers too."""
        answer = manifests.put(self._exchange, tag_or_digest, data, media_type, cancel=cancel)
        subject = None if answer.knows_subject else manifests.subject_of(data)
        if subject is not None:
            one = referrers.described(data, media_type, answer.digest)
            referrers.add(self._exchange, subject.digest, one, cancel)
        return answer.digest

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> BlobReader:
        """Exactly the verified bytes, in order. A context manager. Raises: NotFound; IntegrityError while reading.

        The first byte is asked for when the first is read. A foreign layer comes from its `urls` when the registry does
        not have it, over https and without anybody's credentials.
        """
        fetch = source(self._exchange, descriptor)
        return BlobReader(fetch, descriptor, self._client.transport.retry, cancel, PARALLEL, self._client.parts)

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        """Its size in bytes, 0 when the registry does not say; None when it is not there."""
        with self._exchange.send(Call("HEAD", f"{self._path}/blobs/{digest}"), cancel) as response:
            if response.status == 200:
                return response.length or 0
            # A store behind a redirect that takes no HEAD: the registry itself knows the blob
            if response.status in {403, 405} and not self._exchange.is_ours(response.url):
                return 0
            # 400: a name that the registry does not take; HEAD has no room for why, and the next request tells it
            if response.status in {400, 404}:
                return None
            raise failure(response, f"cannot look for blob {digest.short} in {manifests.shown(self.endpoint)}")

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool:
        """Link a blob of another repository of this registry here. False when the registry will not."""
        path = f"{self._path}/blobs/uploads/?mount={quote(digest, safe='')}&from={quote(source_repository, safe='')}"
        scopes = self._exchange.scopes | {f"repository:{source_repository}:pull"}
        with self._exchange.send(Call("POST", path, scopes=scopes), cancel) as response:
            if response.status == 201:
                response.drop()
                return True
            if response.status == 202:
                # A session that nobody asked for: give it back, so that it does not linger
                self._give_back(response.header("Location"), response.url)
            response.drop()
            if response.status >= 500 or response.status == 429:
                raise failure(response, f"cannot mount blob {digest.short} from {source_repository}")
            return False

    def _give_back(self, location: str | None, base: Url) -> None:
        from wherry.errors import WherryError
        from wherry.registry.transport_redirect import allowed

        try:
            url = allowed(base, location or "")
            self._exchange.send(Call("DELETE", url, tries=1)).drop()
        except WherryError:
            # It expires by itself
            pass

    def push_blob(
        self,
        descriptor: Descriptor,
        open_at: Callable[[int], Reader],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """Send a blob unless it is there. False when it was there already.

        `open_at(offset)` gives a fresh reader of the bytes from there on; it is called again after a failure and closed
        each time. `progress(done_bytes)` may go back when the upload starts again. Of two threads that push the same
        blob here, one sends.
        """

        def is_there() -> bool:
            return self.has_blob(descriptor.digest, cancel=cancel) is not None

        with self._client.uploads.alone((self.endpoint.host, self.endpoint.repository, descriptor.digest)):
            if is_there():
                return False
            Upload(self._exchange, descriptor, open_at, is_there, cancel=cancel, progress=progress).run()
            return True

    def push_early(
        self, size: int, open_at: Callable[[int], Reader], find: Callable[[], tuple[Digest, bool]], *,
        cancel: Cancel | None = None, progress: Callable[[int], None] | None = None,
    ) -> tuple[Digest, bool]:  # fmt: skip
        """Send a blob while `find` hashes it: `registry.blob_early`. (digest, whether it was sent)."""
        from wherry.registry.blob_early import push_early

        return push_early(self, self._exchange, size, open_at, find, cancel=cancel, progress=progress)

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]:
        """In the registry's order, page by page. Raises: NotFound."""
        what = f"the tags of {manifests.shown(self.endpoint)}"
        return _pages(self._exchange, f"{self._path}/tags/list?n=1000", "tags", what, cancel)

    def delete_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> None:
        """Needs "delete" among the actions. Raises: NotFound, Unsupported when the registry deletes nothing."""
        self._delete(f"{self._path}/manifests/{tag_or_digest}", f"manifest {tag_or_digest}", cancel)

    def delete_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> None:
        """As `delete_manifest`."""
        self._delete(f"{self._path}/blobs/{digest}", f"blob {digest.short}", cancel)

    def _delete(self, path: str, what: str, cancel: Cancel | None) -> None:
        with self._exchange.send(Call("DELETE", path), cancel) as response:
            if not 200 <= response.status < 300:
                raise failure(response, f"cannot delete {what} of {manifests.shown(self.endpoint)}")
            response.drop()

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        """What says that `digest` is its subject, by the API or by the fallback tag; [] when there is nothing."""
        return referrers.listed(self._exchange, digest, artifact_type, cancel)


def _pages(exchange: Exchange, path: str, key: str, what: str, cancel: Cancel | None) -> Iterator[str]:
    """The strings of all pages. Raises: NotFound, RegistryError when the pages go in a circle or do not end."""
    url = exchange.url(path, cancel)
    page: Url | None = url
    seen: set[str] = set()
    told = 0
    while page is not None:
        if str(page) in seen or len(seen) >= _MOST_PAGES or told > _MOST_NAMES:
            raise RegistryError(f"cannot list {what}: its pages go in a circle, or do not end")
        seen.add(str(page))
        with exchange.send(Call("GET", page), cancel) as response:
            if response.status != 200:
                raise failure(response, f"cannot list {what}")
            data = response.read(_PAGE_BYTES)
            page = next_page(response, url)
        document = _decode.load(data, what, limit_bytes=_PAGE_BYTES)
        # A repository whose last tag went has null here
        names = _decode.get_sequence(document, key, "", _decode.string) or ()
        told += len(names)
        yield from names


class _Uploads:
    """Who sends which blob where, so that two threads do not send the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str, str], threading.Lock] = {}

    def alone(self, key: tuple[str, str, str]) -> threading.Lock:
        with self._lock:
            return self._held.setdefault(key, threading.Lock())
