"""One registry as its callers see it: manifests, blobs, tags, referrers. What comes out is verified.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

from wherry.errors import Unsupported
from wherry.oci import mediatype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NamedTuple, Protocol

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import Digest
    from wherry.registry.blob_read import BlobReader
    from wherry.registry.credentials import Credential
    from wherry.registry.hosts import Endpoint
    from wherry.registry.transport import Transport
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["ACCEPT", "Client", "FetchedManifest", "FindsCredentials", "Reader", "Repository"]

ACCEPT = (mediatype.INDEX, mediatype.MANIFEST, mediatype.DOCKER_LIST, mediatype.DOCKER_MANIFEST)


class FindsCredentials(Protocol):
    """`registry.credentials.Credentials`, or a fake."""

    def find(self, host: str, repository: str = "") -> Credential | None: ...


class Reader(Protocol):
    """What `push_blob` reads from. A plain file (`open(path, "rb")`) over plain http is sent by the kernel."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def close(self) -> None: ...


class FetchedManifest(NamedTuple):
    """The bytes as the registry keeps them; `digest` was checked against them."""

    data: bytes
    media_type: str
    digest: Digest


class Client:
    """All registries, for one command: connections, tokens and what was learned of each host are shared. Thread-safe."""

    def __init__(self, transport: Transport, credentials: FindsCredentials) -> None:
        self._transport = transport
        self._credentials = credentials

    def repository(self, endpoint: Endpoint, actions: tuple[str, ...] = ("pull",)) -> Repository:
        """No traffic yet. `actions`: ("pull",), ("pull", "push"), also "delete"."""
        return Repository()

    def ping(self, endpoint: Endpoint, cancel: Cancel | None = None) -> None:
        """Raises: Unreachable, UntrustedCertificate, RegistryError when nothing there speaks the registry API."""
        raise Unsupported("registry client: in work")

    def check_login(self, endpoint: Endpoint, credential: Credential, cancel: Cancel | None = None) -> str:
        """Log in with `credential`; returns an identity token to keep instead of the password, or "".

        Raises: Unauthorized when the registry refuses it, Unreachable, ...
        """
        raise Unsupported("registry client: in work")

    def catalog(self, endpoint: Endpoint, cancel: Cancel | None = None) -> Iterator[str]:
        """The names of the registry's repositories, where it tells them."""
        raise Unsupported("registry client: in work")

    def close(self) -> None:
        """Close the idle connections. Idempotent."""


class Repository:
    """One repository at one endpoint. Every call is authorised, retried, cancellable, checked; thread-safe.

    Raises, everywhere: Unauthorized, Denied, RateLimited, Unreachable, UntrustedCertificate, RegistryError, Cancelled.
    """

    def manifest(
        self, tag_or_digest: str, *, accept: tuple[str, ...] = ACCEPT, cancel: Cancel | None = None
    ) -> FetchedManifest:
        """At most 4 MiB. Raises: NotFound, IntegrityError, InvalidSpec (a digest that is none)."""
        raise Unsupported("registry client: in work")

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        """What the name stands for, without its bytes (and free of charge at Docker Hub); None when it is not there."""
        raise Unsupported("registry client: in work")

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        """Push `data` byte for byte; returns its digest. A subject is made known to registries without referrers, too."""
        raise Unsupported("registry client: in work")

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> BlobReader:
        """Exactly the verified bytes, in order. A context manager. Raises: NotFound; IntegrityError while reading."""
        raise Unsupported("registry client: in work")

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        """Its size in bytes; None when it is not there."""
        raise Unsupported("registry client: in work")

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool:
        """Link a blob of another repository of this registry here. False when the registry will not."""
        raise Unsupported("registry client: in work")

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
        each time. `progress(done_bytes)` may go back when the upload starts again.
        """
        raise Unsupported("registry client: in work")

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]:
        """In the registry's order, page by page. Raises: NotFound."""
        raise Unsupported("registry client: in work")

    def delete_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> None:
        """Raises: NotFound, Unsupported when the registry deletes nothing."""
        raise Unsupported("registry client: in work")

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        """What says that `digest` is its subject, by the API or by the fallback tag; [] when there is nothing."""
        raise Unsupported("registry client: in work")
