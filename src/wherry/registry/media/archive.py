"""Archives written in one go: blobs land in their place in the tar, several at once, by position."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from wherry.errors import IntegrityError, InvalidSpec, Unsupported
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.mediatype import INDEXES
from wherry.registry.media.sink import listed
from wherry.registry.media.stream import copy_into, digest_as
from wherry.registry.target import Reader
from wherry.store.index import LAYOUT, blob_name
from wherry.store.save import tar_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel

__all__ = ["DockerArchiveSink", "LayoutArchiveSink"]

# Whatever a manifest says: beyond it there are no offsets of files
_MOST_BYTES = 1 << 62


class _Tar:
    """A new file beside `path`, which it becomes by `commit`."""

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._path, self._temporary = path, os.path.join(folder, f".{name}.{os.getpid()}.tmp")
        self._fd = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._end, self._lock, self._is_done = 0, threading.Lock(), False

    def reserve(self, name: str, size: int) -> int:
        """Room for a file; the offset of its bytes. What is never written there reads as zeros."""
        header = tar_header(name, size)
        with self._lock:
            if self._end + size > _MOST_BYTES:
                raise InvalidSpec(f"{name}: {size} bytes more than an archive can hold")
            at, self._end = self._end, self._end + len(header) + size + -size % 512
        self.write(header, at)
        return at + len(header)

    def write(self, data: bytes | memoryview, at: int) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, at)
            at, view = at + done, view[done:]

    def add(self, name: str, data: bytes) -> None:
        self.write(data, self.reserve(name, len(data)))

    def commit(self) -> None:
        """Two empty blocks end a tar, and whole records of 20 blocks, as POSIX asks."""
        os.ftruncate(self._fd, self._end + 1024 + (-(self._end + 1024)) % 10240)
        os.fsync(self._fd)
        os.rename(self._temporary, self._path)
        self._is_done = True

    def close(self) -> None:
        os.close(self._fd)
        if not self._is_done:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)


class _ArchiveSink:
    """What both archives share. The digest is checked by whoever reads from the Origin, the size here."""

    def __init__(self, path: str) -> None:
        self._tar = _Tar(path)
        self._there: dict[Digest, int] = {}
        self._manifests: dict[Digest, tuple[bytes, str]] = {}
        self._top = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def name_of(self, blob: Descriptor) -> str:
        raise NotImplementedError

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        return self._there.get(digest)

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool:
        return False

    def push_blob(
        self,
        descriptor: Descriptor,
        open_at: Callable[[int], Reader],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        if descriptor.digest in self._there:
            return False
        at = self._tar.reserve(self.name_of(descriptor), descriptor.size)
        end = at + descriptor.size

        def write(chunk: memoryview) -> None:
            nonlocal at
            if cancel:
                cancel.check()
            if at + len(chunk) > end:
                raise IntegrityError(descriptor.digest.short, expected=f"{descriptor.size} bytes", actual="more")
            self._tar.write(chunk, at)
            at += len(chunk)

        reader = open_at(0)
        try:
            done = copy_into(reader, write, progress or (lambda _: None))
        finally:
            reader.close()
        if done != descriptor.size:
            raise IntegrityError(descriptor.digest.short, expected=f"{descriptor.size} bytes", actual=f"{done}")
        self._there[descriptor.digest] = descriptor.size
        return True

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        digest = digest_as(tag_or_digest, data)
        self._manifests[digest] = (data, media_type)
        if ":" not in tag_or_digest:
            self._top = data
        return digest

    def close(self) -> None:
        """What was not committed is gone."""
        self._tar.close()


class LayoutArchiveSink(_ArchiveSink):
    """oci-archive: a tar of an OCI image layout."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self._name = name
        self._tar.add("oci-layout", LAYOUT)

    def name_of(self, blob: Descriptor) -> str:
        return blob_name(blob.digest)

    def commit(self) -> None:
        for digest, (data, _) in self._manifests.items():
            self._tar.add(blob_name(digest), data)
        top = Digest.of(self._top)
        entry = Descriptor(self._manifests[top][1], top, len(self._top))
        self._tar.add("index.json", listed(Index(()), entry, self._name).to_bytes())
        self._tar.commit()


class DockerArchiveSink(_ArchiveSink):
    """docker-archive: what `docker load` takes. Layers come as plain tars, under their DiffID."""

    def __init__(self, path: str, names: tuple[str, ...]) -> None:
        super().__init__(path)
        self._names = names

    def name_of(self, blob: Descriptor) -> str:
        return f"{blob.digest.hex}.{'json' if 'config' in blob.media_type or '.image.v1' in blob.media_type else 'tar'}"

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        if media_type in INDEXES:
            raise Unsupported("a docker-archive holds an image for one platform only", hint="leave --all out")
        return super().put_manifest(tag_or_digest, data, media_type)

    def commit(self) -> None:
        manifest = Manifest.from_bytes(self._top)
        entry = {
            "Config": self.name_of(manifest.config),
            "RepoTags": list(self._names) or None,
            "Layers": [self.name_of(layer) for layer in manifest.layers],
        }
        self._tar.add("manifest.json", json.dumps([entry], separators=(",", ":")).encode())
        self._tar.commit()
