"""Repositories in memory: what signatures and attachments ask of a registry, and what a hostile one can do."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from wherry.errors import IntegrityError, NotFound, Unreachable
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference
from wherry.registry.transport import Reader


class Fetched(NamedTuple):
    data: bytes
    media_type: str
    digest: Digest


class MemoryRepository:
    """`untyped` lists referrers as go-containerregistry's fallback tag does: without their type."""

    def __init__(self, *, untyped: bool = False) -> None:
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.tags: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.untyped = untyped
        self.is_down = False
        self.after_put: list[Callable[[], None]] = []

    def manifest(self, tag_or_digest: str) -> Fetched:
        digest = self.tags.get(tag_or_digest, tag_or_digest)
        if digest not in self.manifests:
            raise NotFound(f"manifest {tag_or_digest}")
        data, media_type = self.manifests[digest]
        return Fetched(data, media_type, Digest(digest))

    def head_manifest(self, tag_or_digest: str) -> Descriptor | None:
        if self.is_down:
            raise Unreachable("down")
        try:
            found = self.manifest(tag_or_digest)
        except NotFound:
            return None
        return Descriptor(found.media_type, found.digest, len(found.data))

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str) -> Digest:
        digest = Digest.of(data)
        manifest = Manifest.from_bytes(data) if media_type == mediatype.MANIFEST else None
        for one in (manifest.config, *manifest.layers) if manifest else ():
            assert one.digest in self.blobs, "a manifest before its blobs"
        self.manifests[digest] = (data, media_type)
        if tag_or_digest != digest:
            self.tags[tag_or_digest] = digest
        if self.after_put:
            self.after_put.pop(0)()
        return digest

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[io.BytesIO]:
        if descriptor.digest not in self.blobs:
            raise NotFound(f"blob {descriptor.digest}")
        data = self.blobs[descriptor.digest]
        if Digest.of(data) != descriptor.digest:
            raise IntegrityError("blob", expected=descriptor.digest, actual=Digest.of(data))
        return io.BytesIO(data)

    def push_blob(self, descriptor: Descriptor, open_at: Callable[[int], Reader]) -> bool:
        reader = open_at(0)
        buffer = memoryview(bytearray(descriptor.size + 1))
        count = reader.readinto(buffer) or 0
        reader.close()
        data = bytes(buffer[:count])
        assert Digest.of(data) == descriptor.digest
        is_new = descriptor.digest not in self.blobs
        self.blobs[descriptor.digest] = data
        return is_new

    def referrers(self, digest: Digest) -> list[Descriptor]:
        found = []
        for name, (data, media_type) in self.manifests.items():
            if media_type != mediatype.MANIFEST:
                continue
            manifest = Manifest.from_bytes(data)
            if manifest.subject and manifest.subject.digest == digest:
                kind = mediatype.EMPTY if self.untyped else manifest.artifact_type
                found.append(Descriptor(media_type, Digest(name), len(data), manifest.annotations, artifact_type=kind))
        return found

    def add_image(self, tag: str = "1", text: bytes = b"{}") -> Digest:
        """An image whose config is `text`."""
        config = Descriptor(mediatype.CONFIG, Digest.of(text), len(text))
        self.blobs[config.digest] = text
        return self.put_manifest(tag, Manifest(config, ()).to_bytes(), mediatype.MANIFEST)


class MemoryRemote:
    """Repositories by "registry/repository"; `mirrors` are tried behind."""

    def __init__(self) -> None:
        self.repositories: dict[str, MemoryRepository] = {}
        self.mirrors: list[MemoryRepository] = []

    def open(self, reference: Reference, actions: tuple[str, ...]) -> tuple[MemoryRepository, ...]:
        name = f"{reference.registry}/{reference.repository}"
        found = self.repositories.setdefault(name, MemoryRepository())
        return (found,) if "push" in actions else (found, *self.mirrors)
