"""flock: the kernel frees it when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time

from wherry.errors import Locked
from wherry.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["locked"]


@contextmanager
def locked(path: str, *, shared: bool = False, timeout_s: float | None = None, what: str = "") -> Iterator[int]:
    """Hold the lock file `path` (made when missing, never removed); yields its fd.

    `timeout_s` None waits for ever, 0 tries once. Raises: Locked (the message names `what`), OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if timeout_s is None:
            fcntl.flock(fd, kind)
        else:
            _poll(fd, kind, timeout_s, what or path)
        yield fd
    finally:
        os.close(fd)


def _poll(fd: int, kind: int, timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Locked(f"{what} is in use by another wherry", hint="wait for it, or try again") from None
            time.sleep(0.01)
