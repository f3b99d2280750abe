"""A registry in memory, as `registry.client` offers it: what was sent, what was asked, and what fails when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wherry.cancel import Cancel
from wherry.errors import IntegrityError, NotFound, RegistryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.client import FetchedManifest
from wherry.registry.hosts import Endpoint, Hosts


class FakeRegistry:
    """Its repositories share blobs as a registry's do: only by mounting."""

    def __init__(self) -> None:
        self.blobs: dict[str, dict[Digest, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[bytes, str]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refuse_mounts = False
        self.refuse: set[Digest] = set()
        self.break_at: int | None = None
        self.lock = threading.Lock()

    def repository(self, name: str) -> FakeRepository:
        return FakeRepository(self, name)

    def sent(self) -> list[str]:
        return [what for verb, what in self.requests if verb == "push"]


class FakeRepository:
    def __init__(self, registry: FakeRegistry, name: str) -> None:
        self.registry, self.name = registry, name
        self.blobs = registry.blobs.setdefault(name, {})
        self.manifests = registry.manifests.setdefault(name, {})

    def _asked(self, verb: str, what: str) -> None:
        with self.registry.lock:
            self.registry.requests.append((verb, what))

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        self._asked("head", digest)
        return len(self.blobs[digest]) if digest in self.blobs else None

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool:
        self._asked("mount", f"{source_repository} {digest}")
        found = self.registry.blobs.get(source_repository, {}).get(digest)
        if found is None or self.registry.refuse_mounts:
            return False
        self.blobs[digest] = found
        return True

    def push_blob(
        self,
        descriptor: Descriptor,
        open_at: Callable[[int], Any],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        if self.has_blob(descriptor.digest) is not None:
            return False
        self._asked("push", descriptor.digest)
        if descriptor.digest in self.registry.refuse:
            raise RegistryError(f"no room for {descriptor.digest}")
        data = bytearray()
        reader = open_at(0)
        if self.registry.break_at is not None:
            data += _read(reader, self.registry.break_at)
            reader.close()
            self.registry.break_at = None
            reader = open_at(len(data))
        try:
            data += _read(reader, None)
        finally:
            reader.close()
        if Digest.of(bytes(data)) != descriptor.digest or len(data) != descriptor.size:
            raise IntegrityError("upload", expected=descriptor.digest, actual=Digest.of(bytes(data)))
        if progress:
            progress(len(data))
        is_new = descriptor.digest not in self.blobs
        self.blobs[descriptor.digest] = bytes(data)
        return is_new

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> FakeBlobReader:
        self._asked("get", descriptor.digest)
        if descriptor.digest not in self.blobs:
            raise NotFound(f"no blob {descriptor.digest}")
        return FakeBlobReader(self.blobs[descriptor.digest])

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None, **_: object) -> FetchedManifest:
        self._asked("manifest", tag_or_digest)
        if tag_or_digest not in self.manifests:
            raise NotFound(f"no manifest {tag_or_digest}")
        data, media_type = self.manifests[tag_or_digest]
        return FetchedManifest(data, media_type, Digest.of(data))

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        self._asked("head manifest", tag_or_digest)
        if tag_or_digest not in self.manifests:
            return None
        data, media_type = self.manifests[tag_or_digest]
        return Descriptor(media_type, Digest.of(data), len(data))

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        self._asked("put", tag_or_digest)
        digest = Digest.of(data)
        self.manifests[tag_or_digest] = self.manifests[digest] = (data, media_type)
        return digest

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        import json

        found = []
        for name, (data, media_type) in self.manifests.items():
            if name.startswith("sha256:") and (json.loads(data).get("subject") or {}).get("digest") == digest:
                found.append(Descriptor(media_type, Digest(name), len(data)))
        return found


class FakeBlobReader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def readinto(self, buffer: memoryview | bytearray, /) -> int:
        part = self._data[self._at : self._at + min(len(buffer), 1000)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        part = self._data[self._at : end]
        self._at += len(part)
        return part

    def close(self) -> None:
        pass

    def __enter__(self) -> FakeBlobReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(reader: Any, count: int | None) -> bytes:
    data = bytearray()
    buffer = memoryview(bytearray(700))
    while count is None or len(data) < count:
        got = reader.readinto(buffer if count is None else buffer[: count - len(data)])
        if not got:
            break
        data += buffer[:got]
    return bytes(data)


class FakeRegistries:
    """`engine.registries`, for several hosts."""

    def __init__(self) -> None:
        self.hosts = Hosts()
        self.at: dict[str, FakeRegistry] = {}
        self.client = self

    def repository(self, endpoint: Endpoint, actions: tuple[str, ...] = ("pull",)) -> FakeRepository:
        return self.at.setdefault(endpoint.host, FakeRegistry()).repository(endpoint.repository)

    def close(self) -> None:
        pass
