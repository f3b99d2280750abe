"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from _thread import get_native_id  # not threading, which costs 2 ms

from wherry.lean import suppress

__all__ = ["fsync_dir", "replace_file", "write_all"]


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """write(2) until all is written: it may take less, of a pipe or near the end of a disk. Raises: OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def fsync_dir(path: str) -> None:
    """Make renames and removals inside the folder last through a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: str, data: bytes, mode: int = 0o600, *, durable: bool = True) -> None:
    """Atomic: readers see the old bytes or the new ones, also after kill -9 (and a power cut, when `durable`).

    The temporary file is a sibling named `.NAME.PID.THREAD.tmp`. Raises: OSError; the old file then stands.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{get_native_id()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_dir(folder or ".")
