"""A run's points as one compressed tar, and back: the files as they are in its folder (docs/adr/0271)."""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple, cast

from wherry.errors import InvalidSpec
from wherry.fs.atomic import write_all
from wherry.image.tar.compress import reader, zstd_writer
from wherry.oci.digest import Digest
from wherry.track.folder import open_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.stream import Reader

__all__ = ["Points", "read_points", "write_points"]

_NAME = re.compile(r"metrics\.jsonl|metrics/[A-Za-z0-9_-]{1,100}\.(?:bin|names)")
_CHUNK = 1 << 20
_MOST_FILES = 200_000
_MOST_BYTES = 1 << 40


class Points(NamedTuple):
    """What was written; `size` is 0 when the run has none, and nothing was."""

    digest: Digest
    size: int


def write_points(folder: str, path: str, cancel: Cancel) -> Points:
    """The points of the run in `folder` to the new file `path`: the same points, the same bytes. Raises: OSError."""
    import hashlib

    names = list(_names(folder))
    hash, size = hashlib.sha256(), 0
    if not names:
        return Points(Digest(f"sha256:{hash.hexdigest()}"), 0)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(data: bytes | bytearray | memoryview) -> None:
        nonlocal size
        cancel.check()
        hash.update(data)
        size += len(data)
        write_all(fd, data)

    try:
        packer = zstd_writer(write)
        with tarfile.open(fileobj=cast(BinaryIO, _Sink(packer.write)), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name in names:
                with open(open_inside(folder, name, os.O_RDONLY), "rb") as file:
                    entry = tarfile.TarInfo(name)
                    entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o644
                    tar.addfile(entry, file)
        packer.close()
    finally:
        os.close(fd)
    return Points(Digest(f"sha256:{hash.hexdigest()}"), size)


class _Sink:
    """The one method that tarfile asks of what it writes to."""

    def __init__(self, write: object) -> None:
        self.write = write


def _names(folder: str) -> Iterator[str]:
    """Of files with points, sorted."""
    try:
        found = sorted(os.listdir(f"{folder}/metrics")) if not os.path.islink(f"{folder}/metrics") else []
    except FileNotFoundError:
        found = []
    for name in (*(f"metrics/{one}" for one in found if _NAME.fullmatch(f"metrics/{one}")), "metrics.jsonl"):
        # Not what a container put there in the place of a file
        with suppress(FileNotFoundError):
            if stat.S_ISREG(os.lstat(f"{folder}/{name}").st_mode):
                yield name


def read_points(stream: Reader, folder: str, cancel: Cancel) -> None:
    """Into `folder`, which has a folder `metrics`. Raises: InvalidSpec for whatever else is in it, OSError."""
    total = count = 0
    try:
        with tarfile.open(fileobj=cast(BinaryIO, reader(stream)), mode="r|") as tar:
            for entry in tar:
                count += 1
                total += entry.size
                if not entry.isreg() or not _NAME.fullmatch(entry.name) or count > _MOST_FILES or total > _MOST_BYTES:
                    raise InvalidSpec(f"the metrics of a run: {entry.name[:80]!r} is no file of points")
                _extract(tar, entry, f"{folder}/{entry.name}", cancel)
    except (tarfile.TarError, EOFError) as fault:
        raise InvalidSpec(f"the metrics of a run are no tar: {fault}") from None


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str, cancel: Cancel) -> None:
    source = tar.extractfile(entry)
    assert source is not None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o644)
    except FileExistsError:
        raise InvalidSpec(f"the metrics of a run: {entry.name} is there twice") from None
    try:
        while chunk := source.read(_CHUNK):
            cancel.check()
            write_all(fd, chunk)
        os.fsync(fd)
    finally:
        os.close(fd)
