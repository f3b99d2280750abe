"""Content-addressed files: configs, manifests, and layers in the compressed form in which they came.

Laid out as the `blobs` folder of an OCI image layout: blobs/ALGORITHM/HEX.
Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import os

from wherry.errors import IntegrityError, NotFound
from wherry.fs.atomic import fsync_dir, write_all
from wherry.fs.private import private_folder
from wherry.lean import suppress
from wherry.oci.digest import Digest, small_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, NamedTuple

    from wherry.settings import Paths
    from wherry.store.scratch import Scratch
else:
    from wherry.lean import NamedTuple

__all__ = ["Blob", "BlobStore"]


class Blob(NamedTuple):
    """A blob in the store; `size` in bytes."""

    digest: Digest
    size: int


class BlobStore:
    """Any number of processes may use one folder: a blob appears whole, under the hash of its bytes, or not at all."""

    def __init__(self, paths: Paths, scratch: Scratch) -> None:
        self._folder = paths.blobs
        self._scratch = scratch

    def path(self, digest: Digest) -> str:
        """Where the blob is, or would be."""
        return f"{self._folder}/{digest.algorithm}/{digest.hex}"

    def has(self, digest: Digest) -> bool:
        return os.path.exists(self.path(digest))

    def size(self, digest: Digest) -> int:
        """In bytes. Raises: NotFound."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise _missing(digest) from None

    def open(self, digest: Digest) -> BinaryIO:
        """For reading; the caller closes. The bytes were verified when they came in. Raises: NotFound."""
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError:
            raise _missing(digest) from None

    def read(self, digest: Digest, *, limit_bytes: int = 16 << 20) -> bytes:
        """All of a small blob, verified again (it is cheap). Raises: NotFound, IntegrityError."""
        with self.open(digest) as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise IntegrityError(f"blob {digest.short}", expected=f"at most {limit_bytes} bytes", actual="more")
        if digest.algorithm == "sha256":
            actual = small_sha256(data)
        else:
            from hashlib import new as new_hash

            actual = new_hash(digest.algorithm, data).hexdigest()
        if actual != digest.hex:
            raise IntegrityError(f"blob {digest.short} in the store", expected=digest.hex, actual=actual)
        return data

    def put(self, chunks: Iterable[bytes], expected: Digest | None = None, size: int | None = None) -> Blob:
        """Store bytes: temporary file, hashed while written, fsynced, renamed. Idempotent; durable on return.

        Reading stops as soon as more than `size` bytes came. Lease the digest first when garbage collection may run.
        Raises: IntegrityError (other digest or size; nothing is stored), OSError (disk full; nothing is stored).
        """
        from hashlib import new as new_hash

        hashed = new_hash(expected.algorithm if expected else "sha256")
        temporary = self._scratch.path("blob")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        count = 0
        try:
            try:
                for chunk in chunks:
                    count += len(chunk)
                    if size is not None and count > size:
                        raise IntegrityError("blob", expected=f"{size} bytes", actual="more")
                    hashed.update(chunk)
                    write_all(fd, chunk)
                digest = Digest.parse(f"{hashed.name}:{hashed.hexdigest()}")
                if expected and digest != expected:
                    raise IntegrityError("blob", expected=expected, actual=digest)
                if size is not None and count != size:
                    raise IntegrityError(f"blob {digest.short}", expected=f"{size} bytes", actual=f"{count}")
                os.fsync(fd)
            finally:
                os.close(fd)
            self._place(temporary, digest)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        return Blob(digest, count)

    def adopt(self, path: str, digest: Digest) -> None:
        """Take over a file of ROOT's file system whose bytes the caller hashed. Idempotent; durable on return.

        Raises: OSError; the file is then where it was.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        self._place(path, digest)

    def put_bytes(self, data: bytes) -> Blob:
        """Store a small document; writes nothing when it is there already."""
        digest = Digest.of(data)
        return Blob(digest, len(data)) if self.has(digest) else self.put([data], digest)

    def detach(self, digest: Digest) -> tuple[str, int] | None:
        """Move the blob out of the store: (the path to remove afterwards, size), or None when it was not there.

        Only garbage collection calls this, inside its transaction: a rename is quick, freeing a large file is not.
        """
        away = self._scratch.path("gone")
        try:
            os.rename(self.path(digest), away)
        except FileNotFoundError:
            return None
        return away, os.stat(away).st_size

    def all(self) -> list[Digest]:
        """Every blob, in no order."""
        found = []
        for algorithm in ("sha256", "sha512"):
            with suppress(FileNotFoundError):
                found += [Digest(f"{algorithm}:{name}") for name in os.listdir(f"{self._folder}/{algorithm}")]
        return found

    def _place(self, temporary: str, digest: Digest) -> None:
        path = self.path(digest)
        folder = os.path.dirname(path)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            private_folder(folder)
            os.rename(temporary, path)
        fsync_dir(folder)


def _missing(digest: Digest) -> NotFound:
    return NotFound(f"blob {digest} is not in the store", hint="load or pull the image again")
