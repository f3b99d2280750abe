"""Files that a flag names: `-o FILE` of the commands that write a tar, `--iidfile` and the like.

Whole or not at all; but a name that is no plain file's, as /dev/null and /dev/stdout, must stay what it is.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from errno import EISDIR, EOPNOTSUPP
from functools import partial

from wherry.errors import InputError
from wherry.fs.atomic import replace_file, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wherry.cli.render import Output
    from wherry.image.tar.pack import Write

__all__ = ["opened_out", "write_file", "write_out"]


# At the end of what is there: /dev/stdout may be a file that holds something already
_AS_IT_IS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


def write_out(path: str, out: Output, produce: Callable[[Write], object]) -> None:
    """`produce` gives the bytes; `path` "" is standard output. Raises: InputError, and what `produce` raises."""
    with opened_out(path, out) as write:
        produce(write)


@contextmanager
def opened_out(path: str, out: Output) -> Iterator[Write]:
    """What takes the bytes; a file appears when the block has ended well. `path` as of `write_out`.

    Raises: InputError.
    """
    if not path:
        if out.is_terminal:
            raise InputError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        yield partial(write_all, out.out_fd)
    elif _is_stream(path):
        fd = _open(path, _AS_IT_IS, path)
        try:
            yield partial(write_all, fd)
        finally:
            os.close(fd)
    else:
        with _whole(path) as write:
            yield write


def write_file(path: str, data: bytes) -> None:
    """A small file that everybody may read; a link's target, as docker writes through it. Raises: InputError."""
    try:
        if not _is_stream(path):
            replace_file(os.path.realpath(path), data, 0o644, durable=False)
            return
        fd = os.open(path, _AS_IT_IS)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}", hint="give another file") from None


def _is_stream(path: str) -> bool:
    """Whether something is there that can't be replaced under its name: a pipe, a device, or (by links, as /dev/stdout)
    one of our own open files."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return True
    except OSError:
        return False
    while os.path.islink(path):
        folder = os.path.dirname(path)
        if os.path.realpath(folder or ".").startswith("/proc/"):
            return True
        path = os.path.join(folder, os.readlink(path))
    return False


@contextmanager
def _whole(path: str) -> Iterator[Write]:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    fd = _open_new(folder or ".", temporary, path)
    try:
        try:
            yield partial(write_all, fd)
            if not os.fstat(fd).st_nlink:
                # The source is absolute; with a `src_dir_fd` Python has the kernel follow it
                os.link(f"/proc/self/fd/{fd}", temporary, src_dir_fd=fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _open_new(folder: str, temporary: str, shown: str) -> int:
    """Without a name where the file system can do that: kill -9 leaves nothing of it."""
    with suppress(OSError):
        # Of one that was killed, and had our pid
        os.unlink(temporary)
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        if fault.errno in (EOPNOTSUPP, EISDIR):  # NFS, FUSE
            return _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, shown)
        raise _unsavable(shown, fault) from None


def _open(path: str, flags: int, shown: str) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise _unsavable(shown, fault) from None


def _unsavable(shown: str, fault: OSError) -> InputError:
    return InputError(f"cannot save to {shown}: {fault.strerror}", hint="give another file with -o")
