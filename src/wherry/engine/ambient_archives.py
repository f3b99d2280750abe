"""apt's archives between steps: copies are offered where apt checks them, and what it took is kept.

The step is not trusted: it may leave anything under any name. Nothing of that is believed later either: a wrong archive
is thrown away by apt and fetched again (docs/adr/0143-whose-downloads-a-step-may-meet.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wherry.build.ambient import ARCHIVES, OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel

__all__ = ["keep", "offer"]

_NAME = re.compile(r"[A-Za-z0-9][\w.+~%-]*\.deb", re.ASCII)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def offer(kept: str, own: str, cancel: Cancel) -> None:
    """Copies, not links, of the archives in `kept` for the step whose folder is `own`.

    Raises: OSError, Cancelled.
    """
    for name in (ARCHIVES, f"{ARCHIVES}/partial", OUT):
        os.mkdir(f"{own}/{name}", 0o755)
    with _opened(kept) as kept_fd, _opened(f"{own}/{ARCHIVES}/partial") as partial_fd:
        for name in _archives(kept_fd):
            with suppress(FileNotFoundError):
                _copy(name, kept_fd, partial_fd, cancel)


def keep(own: str, kept: str) -> None:
    """Move what the step fetched, or checked, to `kept`. The step is over. Raises: OSError."""
    with _opened(kept) as kept_fd:
        for folder in (f"{own}/{ARCHIVES}", f"{own}/{OUT}"):
            # It may have put a link in the place of the folder
            with suppress(FileNotFoundError, NotADirectoryError), _opened(folder) as own_fd:
                for name in _archives(own_fd):
                    os.chmod(name, 0o644, dir_fd=own_fd)
                    os.rename(name, name, src_dir_fd=own_fd, dst_dir_fd=kept_fd)


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    fd = os.open(folder, os.O_DIRECTORY | _READ)
    try:
        yield fd
    finally:
        os.close(fd)


def _archives(folder_fd: int) -> list[str]:
    """Regular files only: no link is followed."""
    with os.scandir(folder_fd) as entries:
        return [one.name for one in entries if _NAME.fullmatch(one.name) and one.is_file(follow_symlinks=False)]


def _copy(name: str, from_fd: int, to_fd: int, cancel: Cancel) -> None:
    from wherry.build.ops.place import copy_bytes

    read_fd = os.open(name, _READ, dir_fd=from_fd)
    try:
        write_fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=to_fd)
        try:
            copy_bytes(read_fd, write_fd, os.fstat(read_fd).st_size, cancel)
            os.fchmod(write_fd, 0o644)
        finally:
            os.close(write_fd)
    finally:
        os.close(read_fd)
