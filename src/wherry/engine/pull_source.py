"""Where a pull reads from: the endpoints of a name, mirrors first, the next one when one does not do."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wherry.errors import Cancelled, IntegrityError, NotFound, RegistryError, WherryError
from wherry.store.known_blobs import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from wherry.cancel import Cancel
    from wherry.engine.registries import Registries
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.reference import Reference
    from wherry.registry.client import FetchedManifest

    T = TypeVar("T")

__all__ = ["Blob", "Site", "Source", "Sources", "sources"]


class Blob(Protocol):
    """`registry.blob_read.BlobReader`: gives its last byte only once digest and size proved right."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class Source(Protocol):
    """What a pull asks of a repository: `registry.client.Repository`, or a fake."""

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> FetchedManifest: ...

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None: ...

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Blob: ...

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]: ...


class Site(NamedTuple):
    """An endpoint; `place` is None for a mirror, whose blobs no push can mount."""

    source: Source
    place: Place | None = None


def sources(registries: Registries, reference: Reference, *, insecure: bool = False) -> Sources:
    """No traffic yet. `insecure` checks no certificate and takes http.

    Raises: RegistryError when the registry is blocked, InputError.
    """
    sites = []
    for found in registries.hosts.for_pull(reference):
        endpoint = found._replace(verify=False, fallback_http=True) if insecure else found
        place = None if endpoint.is_mirror else Place(endpoint.host, endpoint.repository)
        sites.append(Site(registries.client.repository(endpoint), place))
    return Sources(sites)


class Sources:
    """The sites in the order to try. Once one gave the manifest, it is asked first. Thread-safe."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = tuple(sites)

    @property
    def place(self) -> Place | None:
        """The one that is asked first."""
        return self._sites[0].place

    def manifest(self, tag_or_digest: str, cancel: Cancel) -> FetchedManifest:
        """Raises: what the last one raised."""
        return self._first(lambda site: site.manifest(tag_or_digest, cancel=cancel), stays=True)

    def head(self, tag_or_digest: str, cancel: Cancel) -> Descriptor | None:
        return self._first(lambda site: site.head_manifest(tag_or_digest, cancel=cancel))

    def tags(self, cancel: Cancel) -> list[str]:
        return self._first(lambda site: list(site.tags(cancel=cancel)))

    def small_blob(self, descriptor: Descriptor, limit_bytes: int, what: str, cancel: Cancel) -> bytes:
        """All of a document. Raises: IntegrityError when it says that it is larger than `limit_bytes`."""
        if descriptor.size > limit_bytes:
            raise IntegrityError(what, expected=f"at most {limit_bytes} bytes", actual=f"{descriptor.size}")
        return self._first(lambda site: _read(site.blob(descriptor, cancel=cancel)))

    def each(self, use: Callable[[Source], T]) -> T:
        """`use` of the first site for which it does not fail; it may be called again for the next one."""
        return self._first(use)

    def _first(self, use: Callable[[Source], T], *, stays: bool = False) -> T:
        sites = self._sites
        for i, site in enumerate(sites):
            try:
                found = use(site.source)
            except Cancelled:
                raise
            except (RegistryError, NotFound, IntegrityError) as fault:
                if i + 1 == len(sites):
                    raise
                last: WherryError = fault
                continue
            if stays and i:
                self._sites = (site, *sites[:i], *sites[i + 1 :])
            return found
        raise last


def _read(blob: Blob) -> bytes:
    try:
        return b"".join(iter(lambda: blob.read(1 << 18), b""))
    finally:
        blob.close()
