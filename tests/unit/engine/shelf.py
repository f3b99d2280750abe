"""A registry in memory that keeps the promises of `registry.client`, and can be told to break the ones that it may."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from wherry.cancel import Cancel
from wherry.errors import IntegrityError, NotFound, RegistryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference
from wherry.registry.client import FetchedManifest
from wherry.registry.hosts import Endpoint

__all__ = ["Reads", "Registries", "Shelf", "Watch"]


class Reads:
    """As BlobReader: the last byte comes only when digest and size are right."""

    def __init__(self, descriptor: Descriptor, data: bytes, cancel: Cancel | None, step: int = 1 << 16) -> None:
        self._descriptor, self._data, self._at, self._step, self._cancel = descriptor, data, 0, step, cancel
        self.closed = False

    def read(self, size: int = -1, /) -> bytes:
        if self._cancel:
            self._cancel.check()
        count = self._step if size < 0 else min(size, self._step)
        piece = self._data[self._at : self._at + count]
        self._at += len(piece)
        if self._at >= len(self._data):
            actual = "sha256:" + hashlib.sha256(self._data).hexdigest()
            if len(self._data) != self._descriptor.size or actual != self._descriptor.digest:
                raise IntegrityError("blob", expected=self._descriptor.digest, actual=actual)
        return piece

    def close(self) -> None:
        self.closed = True


class Shelf:
    """One repository. `asked` lists the requests; `instead` gives other bytes for a digest, or raises."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.names: dict[str, str] = {}
        self.asked: list[str] = []
        self.instead: dict[str, Callable[[], bytes]] = {}
        self.fault: Exception | None = None
        self.open: list[Reads] = []

    def put(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def tag(self, name: str, document: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Keep a manifest or an index, under `name` unless it is ""; its descriptor."""
        found = self.put(document, media_type, **more)
        self.manifests[found["digest"]] = (document, media_type)
        if name:
            self.names[name] = found["digest"]
        return found

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> FetchedManifest:
        self._note(f"GET {tag_or_digest[:19]}")
        digest = self.names.get(tag_or_digest, tag_or_digest)
        if digest not in self.manifests:
            raise NotFound("no such manifest")
        data, media_type = self.manifests[digest]
        return FetchedManifest(data, media_type, Digest.parse(digest))

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        self._note(f"HEAD {tag_or_digest}")
        digest = self.names.get(tag_or_digest, tag_or_digest)
        if digest not in self.manifests:
            return None
        data, media_type = self.manifests[digest]
        return Descriptor(media_type, Digest.parse(digest), len(data))

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Reads:
        self._note(f"BLOB {descriptor.digest[:19]}")
        if descriptor.digest not in self.blobs:
            raise NotFound("no such blob")
        data = self.instead.get(descriptor.digest, lambda: self.blobs[descriptor.digest])()
        self.open.append(Reads(descriptor, data, cancel))
        return self.open[-1]

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]:
        self._note("TAGS")
        yield from sorted(self.names)

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.fault:
            raise self.fault


class Registries:
    """`engine.registries` with shelves by host; the last one is where the name itself lives."""

    def __init__(self, **shelves: Shelf) -> None:
        self._shelves = shelves
        self.hosts = self
        self.client = self

    def for_pull(self, reference: Reference) -> tuple[Endpoint, ...]:
        *mirrors, home = self._shelves
        return (
            *(Endpoint(host, reference.repository, is_mirror=True) for host in mirrors),
            Endpoint(home, reference.repository),
        )

    def repository(self, endpoint: Endpoint) -> Shelf:
        return self._shelves[endpoint.host]

    def close(self) -> None:
        pass


class Watch(NamedTuple):
    """What a watcher was told, as docker would print it."""

    lines: list[str]

    def start(self, short: str, what: str, total: int) -> None:
        self.lines.append(f"{short}: {what}")

    def advance(self, short: str, done: int) -> None:
        pass

    def finish(self, short: str, what: str) -> None:
        self.lines.append(f"{short}: {what}")

    def note(self, line: str) -> None:
        self.lines.append(line)


def reset() -> bytes:
    """For `Shelf.instead`."""
    raise RegistryError("connection reset by peer")


def encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
