"""What a layer is sent as: gzip, zstd, or the tar as it is; and making those bytes.

What will not shrink is not squeezed: a layer of trained weights goes as its tar, whose digest (the DiffID) and size are
known before anything is read (docs/adr/0115-what-will-not-shrink.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Protocol

from wherry.engine.push_pipe import Pipe
from wherry.errors import IntegrityError
from wherry.image.tar import compress
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.compress import Compressor
    from wherry.image.tar.pack import Write
    from wherry.store.compressed import Form
    from wherry.store.scratch import Scratch

__all__ = ["KINDS", "Made", "Tars", "kind_of", "maker_of", "media_type", "shrinks", "squeeze", "stream"]

KINDS = ("gzip", "zstd", "tar")
_GZIP_LEVEL, _ZSTD_LEVEL = 1, 3
_SAMPLE, _SAMPLES = 1 << 16, 24
_LARGE = 1 << 20
_MANY_FILES = 4000
_STORED = 0.95
"""A sample that keeps more than this of its size is not worth squeezing: docker would spend 20 s on 1 GB of weights."""


class Tars(Protocol):
    """Where a layer's uncompressed tar comes from: `store.layers.LayerStore`, or an archive that is copied."""

    def write_tar(self, diff_id: DiffID, write: Write) -> None:
        """Bytes that hash to `diff_id`, checked at the end. Raises: NotFound, IntegrityError."""


def kind_of(media_type: str) -> str:
    """One of KINDS, "" for anything else."""
    return {
        mediatype.LAYER: "tar", mediatype.DOCKER_LAYER: "tar",
        mediatype.LAYER_GZIP: "gzip", mediatype.DOCKER_LAYER_GZIP: "gzip",
        mediatype.LAYER_ZSTD: "zstd", mediatype.DOCKER_LAYER_ZSTD: "zstd",
    }.get(media_type, "")  # fmt: skip


def media_type(kind: str, *, docker: bool = False) -> str:
    """Docker's schema 2 has no name for zstd that everybody knows: such a manifest is OCI's as a whole."""
    if docker and kind != "zstd":
        return {"tar": mediatype.DOCKER_LAYER, "gzip": mediatype.DOCKER_LAYER_GZIP}[kind]
    return {"tar": mediatype.LAYER, "gzip": mediatype.LAYER_GZIP, "zstd": mediatype.LAYER_ZSTD}[kind]


@cache
def maker_of(kind: str) -> str:
    """What would make such bytes here and now: the same text means the same bytes, but for a bug (so check)."""
    if kind == "gzip":
        import isal

        return f"gzip isal {isal.__version__} level {_GZIP_LEVEL}"
    if kind == "zstd":
        import zstandard

        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        return f"zstd libzstd {version} level {_ZSTD_LEVEL}"
    return "tar"


def shrinks(folder: str, size: int) -> bool:
    """Whether compressing the layer folder's tar of `size` bytes pays, by samples of its large files.

    Reads at most 1.5 MiB. A layer of many small files always does.
    """
    large = _large_files(folder)
    total = sum(length for _, length in large)
    if total < 0.9 * size:
        return True
    from isal import isal_zlib

    step = max(_SAMPLE, total // _SAMPLES)
    kept = read = 0
    at = step // 2
    for path, length in large:
        offset = at
        if offset >= length:
            at -= length
            continue
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while offset < length:
                sample = os.pread(fd, _SAMPLE, offset)
                read += len(sample)
                kept += min(len(sample), len(isal_zlib.compress(sample, _GZIP_LEVEL)))
                offset += step
        finally:
            os.close(fd)
        at = offset - length
    return kept < _STORED * read


def _large_files(folder: str) -> list[tuple[str, int]]:
    """(path, size) of files of 1 MiB and more, by path; none when the folder holds very many files."""
    found: list[tuple[str, int]] = []
    waiting, count = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if count > _MANY_FILES:
                    return []
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_size >= _LARGE and stat.S_ISREG(status.st_mode):
                        found.append((entry.path, status.st_size))
    return sorted(found)


class _Counted:
    """Hashes and counts what a compressor writes, and hands it on."""

    def __init__(self, write: Write) -> None:
        from hashlib import sha256

        self._write, self._hash, self.size = write, sha256(), 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)
        self._write(chunk)

    @property
    def digest(self) -> Digest:
        return Digest(f"sha256:{self._hash.hexdigest()}")


def _compressor(kind: str, write: Write, threads: int) -> Compressor:
    if kind == "zstd":
        return compress.zstd_writer(write, level=_ZSTD_LEVEL, threads=threads)
    return compress.gzip_writer(write, level=_GZIP_LEVEL, threads=threads)


class Made(NamedTuple):
    """A compressed layer in scratch: `blob` says what it is; `fd` is a file without a name, closed by the caller.

    `fd` is -1 when the scratch disk was full: the digest is known all the same, and the bytes are made again.
    """

    blob: Descriptor
    fd: int


def squeeze(
    tars: Tars,
    diff_id: DiffID,
    kind: str,
    scratch: Scratch,
    *,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Made:
    """Compress a layer ("gzip" or "zstd"). `progress` gets the bytes of the tar that are done.

    Raises: NotFound, IntegrityError (the layer folder was changed), Cancelled, OSError.
    """
    path = scratch.path("push")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    spool = _Spool(fd)
    try:
        counted = _Counted(spool.write)
        compressor = _compressor(kind, counted.write, threads)
        try:
            tars.write_tar(diff_id, _told(compressor.write, progress, cancel))
        finally:
            compressor.close()
    except BaseException:
        os.close(fd)
        raise
    if spool.is_full:
        os.close(fd)
        fd = -1
    return Made(Descriptor(media_type(kind), counted.digest, counted.size), fd)


class _Spool:
    """Writes to the fd until the disk is full; then gives its room back and writes no more."""

    def __init__(self, fd: int) -> None:
        self._fd, self.is_full = fd, False

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        import errno

        from wherry.fs.atomic import write_all

        if self.is_full:
            return
        try:
            write_all(self._fd, chunk)
        except OSError as fault:
            if fault.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            self.is_full = True
            os.ftruncate(self._fd, 0)


def _told(write: Write, progress: Callable[[int], None], cancel: Cancel | None) -> Write:
    done = 0

    def told(chunk: bytes | bytearray | memoryview) -> None:
        nonlocal done
        if cancel:
            cancel.check()
        write(chunk)
        done += len(chunk)
        progress(done)

    return told


def stream(
    tars: Tars, diff_id: DiffID, form: Form, *, threads: int = 1, cancel: Cancel | None = None
) -> Callable[[int], Pipe]:
    """`open_at` for a form that this machine can make: each call gives the bytes from there, made while they are read.

    Reading raises IntegrityError, before the last bytes, when they are not those that the form promises.
    """
    kind = kind_of(form.blob.media_type)

    def produce(write: Write) -> None:
        told = _told(write, lambda _: None, cancel)
        if kind == "tar":
            tars.write_tar(diff_id, told)
            return
        counted = _Counted(told)
        compressor = _compressor(kind, counted.write, threads)
        try:
            tars.write_tar(diff_id, compressor.write)
        finally:
            compressor.close()
        if counted.digest != form.blob.digest:
            raise IntegrityError(
                f"layer {diff_id.short} compressed again", expected=form.blob.digest, actual=counted.digest
            )

    return lambda offset: Pipe(produce, skip=offset)
