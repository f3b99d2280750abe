"""Where copies go, when it is no registry: OCI layouts, docker's archives, skopeo's dir:.

All of them take blobs side by side, in any order, and become visible as a whole by `commit`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from wherry.errors import IntegrityError
from wherry.fs.atomic import write_all
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index
from wherry.registry.media.stream import copy_into, digest_as
from wherry.registry.target import Reader, Target
from wherry.store.index import LAYOUT, NAME, REF_NAME, blob_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel

__all__ = ["DirectorySink", "FolderSink", "LayoutSink", "Sink"]


class Sink(Target, Protocol):
    """A target whose `commit` puts what came in its place; `close` drops the rest."""

    def commit(self) -> None: ...

    def close(self) -> None: ...


class FolderSink:
    """Blobs as files of a folder, each under its name only when it is whole and right."""

    def __init__(self, path: str) -> None:
        self.path = path
        os.makedirs(path, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blob_path(self, digest: Digest) -> str:
        raise NotImplementedError

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        """A file of that name is taken to be right: it got there by a rename."""
        try:
            return os.stat(self.blob_path(digest)).st_size
        except FileNotFoundError:
            return None

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
        """False when it is there. The reader is trusted to check the digest, as every Origin's does."""
        if self.has_blob(descriptor.digest) == descriptor.size:
            return False
        reader = open_at(0)
        try:
            self._write(self.blob_path(descriptor.digest), reader, descriptor, cancel, progress)
        finally:
            reader.close()
        return True

    def _write(
        self,
        path: str,
        reader: Reader,
        blob: Descriptor,
        cancel: Cancel | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        def tell(done: int) -> None:
            if cancel:
                cancel.check()
            if progress:
                progress(done)

        os.makedirs(os.path.dirname(path), exist_ok=True)
        # Two threads may bring the same blob: two builds that export their caches
        temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            try:
                size = copy_into(reader, lambda chunk: write_all(fd, chunk), tell)
            finally:
                os.close(fd)
            if size != blob.size:
                raise IntegrityError(f"blob {blob.digest.short}", expected=f"{blob.size} bytes", actual=f"{size}")
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _put(self, path: str, data: bytes) -> None:
        from wherry.fs.atomic import replace_file

        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, data, durable=False)

    def commit(self) -> None:
        """Everything is in its place once its manifest is."""

    def close(self) -> None:
        pass


class LayoutSink(FolderSink):
    """oci: a layout in a folder. What it holds already stays; an image of the same name is replaced.

    Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
    """

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self._name = name

    def blob_path(self, digest: Digest) -> str:
        return f"{self.path}/{blob_name(digest)}"

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        """By a digest it is only kept; by anything else the layout lists it."""
        digest = digest_as(tag_or_digest, data)
        with _alone(self.path):
            self._put(self.blob_path(digest), data)
            if ":" not in tag_or_digest:
                self._list(Descriptor(media_type, digest, len(data)))
        return digest

    def _list(self, entry: Descriptor) -> None:
        self._put(f"{self.path}/oci-layout", LAYOUT)
        try:
            with open(f"{self.path}/index.json", "rb") as file:
                index = Index.from_bytes(file.read(4 << 20))
        except FileNotFoundError:
            index = Index(())
        self._put(f"{self.path}/index.json", listed(index, entry, self._name).to_bytes())


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """The folder itself is the lock: a lock file would be one too many in a layout, and removing it loses the lock."""
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def listed(index: Index, entry: Descriptor, name: str) -> Index:
    """`index` with `entry` under `name`: instead of what had that name, or the same digest without one. Pure."""
    if name:
        whole = {NAME: name} if "/" in name or ":" in name else {}
        entry = entry._replace(annotations={**whole, REF_NAME: name})
    others = [
        one
        for one in index.manifests
        if one.annotations.get(REF_NAME, "") != name or (not name and one.digest != entry.digest)
    ]
    return index._replace(manifests=(*others, entry))


class DirectorySink(FolderSink):
    """skopeo's dir: flat, one image."""

    def blob_path(self, digest: Digest) -> str:
        return f"{self.path}/{digest.hex}"

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        digest = digest_as(tag_or_digest, data)
        name = f"{digest.hex}.manifest.json" if ":" in tag_or_digest else "manifest.json"
        self._put(f"{self.path}/{name}", data)
        self._put(f"{self.path}/version", b"Directory Transport Version: 1.1\n")
        return digest
