"""A file that is read again when it has changed. What can't be used any more leaves the last good reading in place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from wherry.errors import InputError

__all__ = ["Watched", "read_small"]

T = TypeVar("T")
_LIMIT_BYTES = 4 << 20


class Watched(Generic[T]):
    """`parse(text, path)` of the file at `path`, anew after each change (time, size or inode). Thread-safe.

    Raises: InputError at once, when the file can't be read or parsed. Later faults go to `warn`, once for each change.
    """

    def __init__(self, path: str, parse: Callable[[str, str], T], warn: Callable[[str], None]) -> None:
        self.path = path
        self._parse, self._warn = parse, warn
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._value = parse(read_small(path), path)

    def get(self) -> T:
        """Costs one stat(2)."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return self._value
        with self._lock:
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value = self._parse(read_small(self.path), self.path)
                except InputError as fault:
                    where = f"{fault.where}: " if fault.where else ""
                    self._warn(f"{where}{fault.message}: keeping what was read from it before")
        return self._value


def read_small(path: str) -> str:
    """Raises: InputError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}", hint="check the path and its mode") from None
    if len(data) > _LIMIT_BYTES:
        raise InputError(f"cannot read {path}: larger than {_LIMIT_BYTES >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path}: not UTF-8 text") from None


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
