"""The folder: an OCI image layout, with the uploads and the database beside it. No link in it is followed.

    oci-layout  index.json  blobs/{sha256,sha512}/HEX       as the image spec says
    uploads/ID                                              bytes of uploads that are not finished
    registry.db  registry.lock  registry.key                who holds what; the one server; what makes upload ids

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress

from wherry.errors import HostError, Locked
from wherry.fs.atomic import write_all
from wherry.fs.private import private_folder
from wherry.oci.digest import Digest

__all__ = ["Layout"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
ALGORITHMS = ("sha256", "sha512")


class Layout:
    """Opens (and makes) the folder `path` and locks it. Close it. Raises: Locked, HostError, OSError."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        if not os.path.isdir(self.path):
            private_folder(self.path)
            os.chmod(self.path, 0o700)  # whatever the umask
        self._fds: list[int] = []
        try:
            # The user's own path may lead through links; nothing below it may
            self.root_fd = self._keep(os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self._lock()
            self._blobs_fd = self._folder(self.root_fd, "blobs")
            self._by_algorithm = {name: self._folder(self._blobs_fd, name) for name in ALGORITHMS}
            self.uploads_fd = self._folder(self.root_fd, "uploads", 0o700)
            self.key = self._key()
            if self._read("oci-layout") is None:
                self.replace("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Idempotent. Lets the lock go."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    # -- blobs

    def open_blob(self, digest: Digest) -> int:
        """A fd to read it; the caller closes. Raises: OSError (FileNotFoundError; also when it is no plain file)."""
        fd = os.open(digest.hex, _READ, dir_fd=self._by_algorithm[digest.algorithm])
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileNotFoundError(f"{digest} is not a plain file")
        return fd

    def blob_size(self, digest: Digest) -> int | None:
        """In bytes; None when there is no such file."""
        with suppress(OSError):
            found = os.stat(digest.hex, dir_fd=self._by_algorithm[digest.algorithm], follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                return found.st_size
        return None

    def publish(self, upload: str, digest: Digest) -> None:
        """Rename an upload's file to the blob; `sync_blobs` makes that last. Raises: OSError."""
        os.rename(upload, digest.hex, src_dir_fd=self.uploads_fd, dst_dir_fd=self._by_algorithm[digest.algorithm])

    def sync_blobs(self, algorithms: set[str]) -> None:
        for name in algorithms:
            os.fsync(self._by_algorithm[name])

    def remove_blob(self, digest: Digest) -> None:
        with suppress(FileNotFoundError):
            os.unlink(digest.hex, dir_fd=self._by_algorithm[digest.algorithm])

    def blobs(self) -> Iterator[tuple[Digest, os.stat_result]]:
        """Every file that is named as a blob, in no order."""
        for algorithm, folder_fd in self._by_algorithm.items():
            with os.scandir(folder_fd) as entries:
                for entry in entries:
                    with suppress(Exception):
                        digest = Digest.parse(f"{algorithm}:{entry.name}")
                        if entry.is_file(follow_symlinks=False):
                            yield digest, entry.stat(follow_symlinks=False)

    # -- uploads

    def new_upload(self, name: str) -> int:
        """A new file for an upload. Raises: OSError (FileExistsError)."""
        fd = os.open(name, _NEW, 0o644, dir_fd=self.uploads_fd)
        # Whatever the umask: who may look into the storage is said by its topmost folder
        os.fchmod(fd, 0o644)
        return fd

    def write_upload(self, name: str, data: bytes) -> None:
        """A small upload, whole and synced. Raises: OSError."""
        fd = self.new_upload(name)
        try:
            write_all(fd, data)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def open_upload(self, name: str) -> int:
        """The file of an upload, to go on with it. Raises: FileNotFoundError, OSError."""
        return os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.uploads_fd)

    def remove_upload(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.uploads_fd)

    def uploads(self) -> Iterator[tuple[str, float]]:
        """(name, time of the last byte in seconds) of each upload that has some."""
        with os.scandir(self.uploads_fd) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    # -- the rest

    def read_index(self) -> bytes | None:
        return self._read("index.json")

    def replace(self, name: str, data: bytes, mode: int = 0o644, *, durable: bool = False) -> None:
        """Write a file beside the blobs, atomically. Raises: OSError."""
        temporary = f".{name}.{secrets.token_hex(6)}"
        fd = os.open(temporary, _NEW, mode, dir_fd=self.root_fd)
        try:
            try:
                os.fchmod(fd, mode)
                write_all(fd, data)
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(temporary, name, src_dir_fd=self.root_fd, dst_dir_fd=self.root_fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self.root_fd)
            raise

    def free_bytes(self) -> int:
        """What somebody without privileges may still write."""
        found = os.fstatvfs(self.root_fd)
        return found.f_bavail * found.f_frsize

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _folder(self, parent_fd: int, name: str, mode: int = 0o755) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=parent_fd)
            os.chmod(name, mode, dir_fd=parent_fd)
        try:
            return self._keep(os.open(name, _FOLDER, dir_fd=parent_fd))
        except NotADirectoryError:
            raise HostError(
                f"{self.path}: {name} is not a folder",
                hint="links inside of the storage are not followed; choose another --storage",
            ) from None

    def _lock(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = self._keep(os.open("registry.lock", flags, 0o600, dir_fd=self.root_fd))
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"{self.path} is in use by another wherry registry",
                hint="stop that one, or choose another --storage",
            ) from None

    def _key(self) -> bytes:
        found = self._read("registry.key")
        if found is None or len(found) != 32:
            found = secrets.token_bytes(32)
            self.replace("registry.key", found, 0o600, durable=True)
        return found

    def _read(self, name: str) -> bytes | None:
        try:
            fd = os.open(name, _READ, dir_fd=self.root_fd)
        except FileNotFoundError:
            return None
        with open(fd, "rb") as file:
            return file.read()
