"""The files that a bundle is written to, split into parts: all of them appear, or none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from wherry.airgap.split import LEAST_BYTES, part_name, parts_of
from wherry.errors import InputError
from wherry.fs.atomic import fsync_dir, replace_file, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.save import Write

__all__ = ["split_sink"]


@contextmanager
def split_sink(path: str, part_bytes: int, total: int) -> Iterator[Write]:
    """Writes `path`.001 and so on, and `path`.sha256 with the sums of all, as sha256sum has them.

    Until the block has ended well they have other names; parts of an older and longer bundle of that name then go.
    Raises: InputError.
    """
    if part_bytes < LEAST_BYTES:
        raise InputError(f"parts of {part_bytes} bytes are too small", hint="--split 4GB; at least 1MB")
    count = parts_of(total, part_bytes)
    _sweep(path)
    writer = _Splitter(path, part_bytes)
    try:
        yield writer.write
        sums = writer.close()
        for number in range(1, count + 1):
            os.rename(_unfinished(path, number), part_name(path, number))
        lines = [f"{sum}  {os.path.basename(part_name(path, i))}\n" for i, sum in enumerate(sums, 1)]
        replace_file(f"{path}.sha256", "".join(lines).encode(), 0o644)
        number = count + 1
        while os.path.exists(part_name(path, number)):
            os.unlink(part_name(path, number))
            number += 1
        fsync_dir(os.path.dirname(path) or ".")
    except OSError as fault:
        raise InputError(f"cannot save to {path}: {fault.strerror}", hint="give another file with -o") from None
    finally:
        writer.remove()


class _Splitter:
    def __init__(self, path: str, part_bytes: int) -> None:
        self._path, self._part_bytes = path, part_bytes
        self._fd, self._room, self._number = -1, 0, 0
        self._sum = sha256()
        self._sums: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            if not self._room:
                self._next()
            some = view[: self._room]
            write_all(self._fd, some)
            self._sum.update(some)
            self._room -= len(some)
            view = view[len(some) :]

    def _next(self) -> None:
        self._end()
        self._number += 1
        name = _unfinished(self._path, self._number)
        self._fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._room, self._sum = self._part_bytes, sha256()

    def _end(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self._sums.append(self._sum.hexdigest())

    def close(self) -> list[str]:
        """The sums of the parts, from the first."""
        self._end()
        return self._sums

    def remove(self) -> None:
        """What has not got its name."""
        if self._fd >= 0:
            os.close(self._fd)
        for number in range(1, self._number + 1):
            with suppress(OSError):
                os.unlink(_unfinished(self._path, number))


def _unfinished(path: str, number: int) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{number:03d}.{os.getpid()}.bundle")


def _sweep(path: str) -> None:
    """What one that was killed left, of the same name."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        for one in os.listdir(folder or "."):
            parts = one.removeprefix(f".{name}.").split(".")
            is_ours = one.startswith(f".{name}.") and len(parts) == 3 and parts[2] == "bundle"
            if is_ours and parts[1].isdecimal() and not os.path.exists(f"/proc/{parts[1]}"):
                os.unlink(os.path.join(folder, one))
