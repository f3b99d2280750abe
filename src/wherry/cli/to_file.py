"""`-o FILE` of the commands that write a tar: to a terminal never, into a file whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import partial

from wherry.errors import InputError
from wherry.fs.atomic import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cli.render import Output
    from wherry.image.tar.pack import Write

__all__ = ["write_out"]


def write_out(path: str, out: Output, produce: Callable[[Write], object]) -> None:
    """`produce` gives the bytes; `path` "" is standard output. Raises: InputError, and what `produce` raises."""
    if not path:
        if out.is_terminal:
            raise InputError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        produce(partial(write_all, out.out_fd))
        return
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        # A pipe or a device has no name to be replaced under
        fd = _open(path, os.O_WRONLY, path)
        try:
            produce(partial(write_all, fd))
        finally:
            os.close(fd)
        return
    _whole(path, produce)


def _whole(path: str, produce: Callable[[Write], object]) -> None:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    fd = _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, path)
    try:
        try:
            produce(partial(write_all, fd))
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _open(path: str, flags: int, shown: str) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise InputError(f"cannot save to {shown}: {fault.strerror}", hint="give another file with -o") from None
