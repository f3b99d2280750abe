"""flock: the kernel frees it when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from _thread import allocate_lock, start_new_thread

from wherry.errors import Locked
from wherry.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["locked", "temporary_lock"]


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
            _wait(fd, kind, timeout_s, what or path)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def temporary_lock(path: str, *, timeout_s: float | None = None) -> Iterator[None]:
    """The lock `path`, which its last holder removes: one that was removed while we waited holds nobody off.

    Raises: as `locked`.
    """
    while True:
        with locked(path, timeout_s=timeout_s) as fd:
            if os.fstat(fd).st_nlink:
                yield
                return


def _wait(fd: int, kind: int, timeout_s: float, what: str) -> None:
    """In the kernel's queue, which hands the lock on at once: who asks again and again meets it free by luck alone, and
    of sixteen one may wait for half a minute.

    A thread stands in the queue, since flock knows no timeout. After one it stands there still: what it then gets is
    free again at that moment, for the caller has closed the file.
    """
    try:
        return fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    faults: list[OSError] = []
    over = allocate_lock()
    over.acquire()

    def stand() -> None:
        try:
            fcntl.flock(fd, kind)
        except OSError as fault:
            faults.append(fault)
        finally:
            over.release()

    if timeout_s > 0:
        start_new_thread(stand, ())
    if timeout_s <= 0 or not over.acquire(timeout=timeout_s):
        raise Locked(f"{what} is in use by another wherry", hint="wait for it, or try again")
    if faults:
        raise faults[0]
    return None
