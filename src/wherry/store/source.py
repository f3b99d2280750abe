"""Where `load` reads from: a tar (plain or compressed, a file or a pipe) or a folder, by the names of its entries.

What it holds is not trusted: names never leave the archive, links only lead to its own entries, sizes are checked.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import NamedTuple, Protocol, Self

from wherry.errors import HostileArchive, InputError, InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo
    from types import TracebackType

    from wherry.store.scratch import Scratch

__all__ = ["FolderSource", "Part", "Source", "Stream", "TarSource", "clean", "open_source", "plain_fd"]

_MAX_ENTRIES = 100_000
_MAX_HEADER_BYTES = 16 << 20
_CHUNK = 1 << 20


class Stream(Protocol):
    """One file of an archive, read once from its start."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def read(self, size: int = -1, /) -> bytes: ...


class Source(Protocol):
    """An archive's files by name: "index.json", "blobs/sha256/..."."""

    def has(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """Raises: InvalidSpec when there is no such file."""

    def open(self, name: str) -> Stream:
        """A reader of its own, for any thread. Raises: InvalidSpec when there is no such file."""

    def read(self, name: str, limit_bytes: int) -> bytes:
        """All of a small file. Raises: InvalidSpec."""

    def close(self) -> None: ...


class Part:
    """A range of a file that several threads read: by pread, so with no shared position."""

    def __init__(self, fd: int, offset: int, size: int, *, owns: bool = False) -> None:
        self._fd, self._at, self._end, self._owns = fd, offset, offset + size, owns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns:
            os.close(self._fd)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all that is left when negative; b"" at the end."""
        left = self._end - self._at
        data = os.pread(self._fd, left if size < 0 else min(size, left), self._at)
        self._at += len(data)
        return data


class _Entry(NamedTuple):
    offset: int
    size: int


class _Reading:
    """What tars and folders share."""

    def read(self: Source, name: str, limit_bytes: int) -> bytes:
        size = self.size(name)
        if size > limit_bytes:
            raise InvalidSpec(f"{name}: {size} bytes is over the limit of {limit_bytes}")
        parts = []
        with self.open(name) as part:
            while chunk := part.read(_CHUNK):
                parts.append(chunk)
        return b"".join(parts)


class TarSource(_Reading):
    """An uncompressed tar in a regular file. Takes the fd over. Raises: InvalidSpec, HostileArchive."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            self._entries = _scan(fd)
        except BaseException:
            os.close(fd)
            raise

    def has(self, name: str) -> bool:
        return name in self._entries

    def size(self, name: str) -> int:
        return self._entry(name).size

    def open(self, name: str) -> Part:
        entry = self._entry(name)
        return Part(self._fd, entry.offset, entry.size)

    def close(self) -> None:
        os.close(self._fd)

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise InvalidSpec(f"the archive has no {name}") from None


class FolderSource(_Reading):
    """A folder on disk; links are resolved as if the folder were "/"."""

    def __init__(self, path: str) -> None:
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def has(self, name: str) -> bool:
        try:
            os.close(self._fd(name)[0])
        except InvalidSpec:
            return False
        return True

    def size(self, name: str) -> int:
        fd, size = self._fd(name)
        os.close(fd)
        return size

    def open(self, name: str) -> Part:
        fd, size = self._fd(name)
        return Part(fd, 0, size, owns=True)

    def close(self) -> None:
        os.close(self._root)

    def _fd(self, name: str) -> tuple[int, int]:
        from wherry.fs.kernel import open_in_root

        try:
            # Not blocking: a FIFO in the folder must not hang us
            fd = open_in_root(self._root, name, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as fault:
            raise InvalidSpec(f"the folder has no {name} that can be read: {fault.strerror}") from None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise InvalidSpec(f"{name} in the folder is not a file")
        return fd, status.st_size


def open_source(path: str | int, scratch: Scratch) -> Source:
    """Open a path, or an fd (which stays open). Pipes and compressed files are spooled to ROOT/tmp first.

    Raises: InputError (no such file, not an archive), InvalidSpec, HostileArchive, OSError.
    """
    if isinstance(path, str):
        if os.path.isdir(path):
            return FolderSource(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise InputError(f"cannot open {path}: {fault.strerror}") from None
    else:
        fd = os.dup(path)
    return TarSource(plain_fd(fd, scratch))


def plain_fd(fd: int, scratch: Scratch) -> int:
    """`fd` when it is an uncompressed regular file at its start, else one without a name that has its plain bytes.

    Takes `fd` over. Raises: OSError, InvalidSpec.
    """
    try:
        return os.dup(fd) if _is_plain(fd) else _spooled(fd, scratch)
    finally:
        os.close(fd)


def _is_plain(fd: int) -> bool:
    from wherry.image.tar import compress

    if not stat.S_ISREG(os.fstat(fd).st_mode) or os.lseek(fd, 0, os.SEEK_CUR):
        return False
    return not compress.sniff(os.pread(fd, 6, 0))


def _spooled(fd: int, scratch: Scratch) -> int:
    """The stream's plain bytes in a file without a name: it goes with its fd."""
    from wherry.fs.atomic import write_all
    from wherry.image.tar import compress

    path = scratch.path("spool")
    spool = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.unlink(path)
        with open(os.dup(fd), "rb", buffering=0) as raw:
            stream = compress.reader(raw)
            while chunk := stream.read(_CHUNK):
                write_all(spool, chunk)
    except BaseException:
        os.close(spool)
        raise
    return spool


def _scan(fd: int) -> dict[str, _Entry]:
    """Where each file's bytes are. The headers only: tarfile writes nothing here."""
    import tarfile

    total = os.fstat(fd).st_size
    entries: dict[str, _Entry] = {}
    links: dict[str, str] = {}
    try:
        with open(os.dup(fd), "rb") as file:
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_bounded_headers()) as tar:
                for count, member in enumerate(tar):
                    if count >= _MAX_ENTRIES:
                        raise InvalidSpec(f"the archive has more than {_MAX_ENTRIES} entries")
                    name = clean(member.name)
                    if member.issym() or member.islnk():
                        base = posixpath.dirname(name) if member.issym() else ""
                        links[name] = posixpath.normpath(posixpath.join(base, member.linkname))
                    elif member.isreg() and not member.issparse():
                        if member.offset_data + member.size > total:
                            raise InvalidSpec(f"the archive is cut off within {name}")
                        entries[name] = _Entry(member.offset_data, member.size)
    except tarfile.ReadError as fault:
        raise InvalidSpec(
            f"not an image archive: {fault}",
            hint="load takes what `docker save` or `skopeo copy` writes, as a tar or a folder",
        ) from None
    except (tarfile.TarError, ValueError, OverflowError, IndexError, EOFError, RecursionError) as fault:
        raise InvalidSpec(f"broken tar: {fault}") from None
    return entries | _followed(links, entries)


def _bounded_headers() -> type[TarInfo]:
    """What reads one archive's headers: tarfile takes long names and PAX records into memory, and keeps them."""
    import tarfile

    extended = {
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
    }  # fmt: skip
    left = _MAX_HEADER_BYTES

    class Header(tarfile.TarInfo):
        def _proc_member(self, tar: TarFile) -> TarInfo:
            """Where the standard library lets a subclass in, before it reads what belongs to a header."""
            nonlocal left
            if self.type == tarfile.GNUTYPE_SPARSE:
                # tarfile reads its whole map, however long; and nothing of an image archive is sparse
                raise InvalidSpec("the archive holds a sparse file", hint="make it without `tar --sparse`")
            if self.type in extended:
                left -= self.size
                if left < 0:
                    raise InvalidSpec(f"the archive has more than {_MAX_HEADER_BYTES} bytes of header records")
            return super()._proc_member(tar)  # type: ignore[misc, no-any-return]

    return Header


def clean(name: str) -> str:
    """Raises: HostileArchive for a name that leaves the archive."""
    if name.startswith("/") or ".." in name.split("/"):
        raise HostileArchive(f"the archive holds the name {name[:200]!r}, which leads outside of it")
    return posixpath.normpath(name)


def _followed(links: dict[str, str], entries: dict[str, _Entry]) -> dict[str, _Entry]:
    """docker before 25 saved a layer that two images share as a link. Links to links end after 8 steps."""
    found = {}
    for name, target in links.items():
        for _ in range(8):
            if target not in links:
                break
            target = links[target]
        if target in entries:
            found[name] = entries[target]
    return found
