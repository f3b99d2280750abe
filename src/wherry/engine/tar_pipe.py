"""Tars of trees that others may change: packed by one thread, unpacked by another, with a pipe between them."""

from __future__ import annotations

import fcntl
import os
from functools import partial
from threading import Thread

from wherry.errors import WherryError
from wherry.fs.atomic import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Packer, Write
    from wherry.image.tar.stream import Reader

__all__ = ["live_packer", "pump"]

_PIPE_BYTES = 1 << 20


def live_packer(write: Write, cancel: Cancel | None = None) -> Packer:
    """A packer that gives all it packs to `write`, whatever happens to the tree meanwhile."""
    from wherry.image.tar.pack import Packer

    buffer = memoryview(bytearray(1 << 20))

    def flush(filled: memoryview) -> memoryview:
        write(filled)
        return buffer

    return Packer(flush, buffer, live=True, cancel=cancel)


class _PipeEnd:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, /) -> bytes:
        return os.read(self._fd, size)


def pump(produce: Callable[[Write], int], consume: Callable[[Reader], object]) -> int:
    """Run both with a pipe between them; what `produce` returned. The first real failure is raised, no thread stays."""
    read_fd, write_fd = os.pipe()
    fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    outcome: list[int | BaseException] = []

    def work() -> None:
        try:
            outcome.append(produce(partial(write_all, write_fd)))
        except BaseException as fault:
            outcome.append(fault)
        finally:
            os.close(write_fd)

    thread = Thread(target=work, name="tar", daemon=True)
    thread.start()
    try:
        try:
            consume(_PipeEnd(read_fd))
        finally:
            # A producer that still writes gets EPIPE, and ends
            os.close(read_fd)
            thread.join()
    except (WherryError, OSError):
        if isinstance(outcome[0], BaseException) and not isinstance(outcome[0], BrokenPipeError):
            raise outcome[0] from None
        raise
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
