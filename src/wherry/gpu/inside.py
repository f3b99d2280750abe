"""What the driver's libraries need of a container's file system: where its loader looks, and that its cache names them.

Nothing of the container is run, and nothing runs in it yet: its tree is a detached mount that we hold by `root_fd`, and
every path is resolved inside of it (no ldconfig of ours reads its files, no program of it runs here).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from wherry.fs.atomic import write_all
from wherry.fs.kernel import open_in_root
from wherry.gpu import ldcache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["library_folder", "update_cache"]

_CACHE = "ld.so.cache"
_LIMIT_BYTES = 16 << 20


def library_folder(root_fd: int, machine: str) -> str:
    """Where the image's own libc lies: every loader looks there, with or without a cache. "" for an image without a
    glibc, whose programs could not load the driver anyway."""
    abi = f"{machine}-linux-gnu"
    for folder in (f"usr/lib/{abi}", f"lib/{abi}", "usr/lib64", "lib64", "usr/lib", "lib"):
        if _exists(root_fd, f"{folder}/libc.so.6"):
            return f"/{folder}"
    return ""


def _exists(root_fd: int, path: str) -> bool:
    try:
        os.close(open_in_root(root_fd, path, os.O_PATH))
    except OSError:
        return False
    return True


def update_cache(root_fd: int, libraries: Sequence[tuple[str, str]], machine: str) -> bool:
    """Have the container's ld.so.cache name libraries: (SONAME, path in the container). `ldconfig -p` is how triton and
    others look for libcuda. Whether it was changed.

    An image without a cache stays so: its loader looks into the folders. A cache that is none is left alone. Atomic,
    idempotent. Raises: OSError when it can't be written.
    """
    try:
        folder = open_in_root(root_fd, "etc", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        data = _regular(folder)
        changed = ldcache.with_libraries(data, libraries, machine)
        if changed == data:
            return False
        temporary = f".{_CACHE}.wherry"
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o644, dir_fd=folder)
        try:
            write_all(fd, changed)
            os.fchmod(fd, 0o644)
        finally:
            os.close(fd)
        os.rename(temporary, _CACHE, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)
    return True


def _regular(folder: int) -> bytes:
    """The cache's bytes; b"" when it is no plain file of a sane size."""
    try:
        fd = os.open(_CACHE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return b""
    with open(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LIMIT_BYTES:
            return b""
        return file.read(_LIMIT_BYTES)
