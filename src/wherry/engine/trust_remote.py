"""An image at its registry, pinned to one digest, and what signatures and attachments need of the registry."""

from __future__ import annotations

import io
from typing import NamedTuple, Protocol

from wherry.errors import InvalidSpec, NotFound, Unreachable
from wherry.oci import mediatype
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wherry.engine import Engine
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import Digest
    from wherry.registry.transport import Reader
    from wherry.trust.referrer import Referrer

__all__ = ["Remote", "Repository", "Target", "fetch", "find", "push_blob", "push_referrer"]

_TYPES = {mediatype.MANIFEST, mediatype.DOCKER_MANIFEST, *mediatype.INDEXES}


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Fetched(Protocol):
    @property
    def data(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...
    @property
    def digest(self) -> Digest: ...


class Repository(Protocol):
    """The part of registry.client.Repository that is used here; tests have one in memory."""

    def manifest(self, tag_or_digest: str, /) -> _Fetched: ...
    def head_manifest(self, tag_or_digest: str, /) -> Descriptor | None: ...
    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, /) -> Digest: ...
    def blob(self, descriptor: Descriptor, /) -> AbstractContextManager[_Stream]: ...
    def push_blob(self, descriptor: Descriptor, open_at: Callable[[int], Reader], /) -> bool: ...
    def referrers(self, digest: Digest, /) -> list[Descriptor]: ...


class Remote(Protocol):
    """Opens repositories: `engine.registries`, or a fake."""

    def open(self, reference: Reference, actions: tuple[str, ...]) -> tuple[Repository, ...]: ...


class Target(NamedTuple):
    """An image at its registry. `subject` is its manifest or index; `repository` is where it was found."""

    reference: Reference
    repository: Repository
    subject: Descriptor

    @property
    def name(self) -> str:
        """The repository as signatures name it."""
        return f"{self.reference.registry}/{self.reference.repository}"

    @property
    def pinned(self) -> str:
        """For people: name@digest."""
        return f"{self.reference.familiar_name}@{self.subject.digest}"


class Registries:
    """`Remote` by the registry client."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, reference: Reference, actions: tuple[str, ...]) -> tuple[Repository, ...]:
        """In the order to try. A signature is looked up where the name lives first, then at its mirrors."""
        registries = self._engine.registries
        if "push" in actions:
            endpoints = [registries.hosts.for_push(reference)]
        else:
            endpoints = sorted(registries.hosts.for_pull(reference), key=lambda one: one.is_mirror)
        return tuple(registries.client.repository(one, actions) for one in endpoints)


def find(remote: Remote, text: str, *, push: bool = False) -> Target:
    """What `text` names at its registry now; from here on only the digest counts.

    Raises: NotFound, InvalidReference, RegistryError and its kinds.
    """
    reference = Reference.parse(text)
    unreachable: Unreachable | None = None
    for repository in remote.open(reference, ("pull", "push") if push else ("pull",)):
        try:
            subject = repository.head_manifest(str(reference.digest or reference.tag))
        except Unreachable as fault:
            unreachable = unreachable or fault
            continue
        if subject is None:
            raise NotFound(
                f"{reference.familiar} is not in its registry", hint=f"push it first: wherry push {reference.familiar}"
            )
        if subject.media_type not in _TYPES:
            raise InvalidSpec(f"{reference.familiar}: {subject.media_type[:80]!r} is no image")
        return Target(reference, repository, subject)
    raise unreachable or NotFound(f"no registry is known for {reference.familiar}")


def fetch(repository: Repository, descriptor: Descriptor, limit_bytes: int) -> bytes:
    """A small blob, whole and verified. Raises: InvalidSpec when it says it is larger than `limit_bytes`."""
    if descriptor.size > limit_bytes:
        raise InvalidSpec(f"blob {descriptor.digest.short}: {descriptor.size} bytes is over the limit of {limit_bytes}")
    with repository.blob(descriptor) as stream:
        parts = []
        while chunk := stream.read():
            parts.append(chunk)
    return b"".join(parts)


def fetch_manifest(repository: Repository, digest: Digest | str) -> tuple[Digest, Manifest]:
    """Raises: NotFound, InvalidSpec, IntegrityError."""
    found = repository.manifest(str(digest))
    return found.digest, Manifest.from_bytes(found.data)


def push_blob(repository: Repository, descriptor: Descriptor, data: bytes) -> None:
    """Send a small blob, unless it is there."""

    def open_at(offset: int) -> io.BytesIO:
        stream = io.BytesIO(data)
        stream.seek(offset)
        return stream

    repository.push_blob(descriptor, open_at)


def push_referrer(repository: Repository, referrer: Referrer) -> None:
    """Blobs first, then the manifest; pushed again, it changes nothing."""
    for descriptor, data in referrer.blobs:
        push_blob(repository, descriptor, data)
    repository.put_manifest(str(referrer.digest), referrer.manifest, referrer.media_type)
