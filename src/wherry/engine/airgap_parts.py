"""The files that a bundle lies in, as one range of bytes: one file, its parts, or a pipe that was spooled."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import NamedTuple

from wherry.airgap.split import number_of, part_name
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.store.scratch import Scratch

__all__ = ["Part", "Parts", "open_parts"]


class Part(NamedTuple):
    """`at` is where it begins in the whole."""

    path: str
    fd: int
    at: int
    size: int


class Parts:
    """Any thread may read. Close it."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.parts[-1].at + self.parts[-1].size

    @property
    def name(self) -> str:
        """How people call it: the file without its folder, and without a part's number."""
        path = self.parts[0].path
        known = number_of(path)
        return os.path.basename(known[0] if known else path)

    def read_at(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end. Raises: OSError."""
        found: list[bytes] = []
        for part in self.parts:
            inside = offset - part.at
            while 0 <= inside < part.size and size > 0:
                data = os.pread(part.fd, min(size, part.size - inside), inside)
                if not data:
                    return b"".join(found)
                found.append(data)
                offset, inside, size = offset + len(data), inside + len(data), size - len(data)
        return found[0] if len(found) == 1 else b"".join(found)

    def paths_of(self, offset: int, size: int) -> tuple[str, ...]:
        """In which files these bytes lie."""
        end = offset + max(1, size)
        return tuple(part.path for part in self.parts if part.at < end and offset < part.at + part.size)

    def close(self) -> None:
        for part in self.parts:
            os.close(part.fd)


def open_parts(paths: Sequence[str | int], scratch: Scratch) -> Parts:
    """A path (whose other parts are looked for beside it), all parts in any order, or an fd to read to its end.

    A compressed file is unpacked to ROOT/tmp first. Raises: InputError, OSError.
    """
    from wherry.store.source import plain_fd

    with ExitStack() as stack:
        if len(paths) == 1 and isinstance(paths[0], int):
            fd = plain_fd(os.dup(paths[0]), scratch)
            return Parts([Part("standard input", fd, 0, os.fstat(fd).st_size)])
        found: list[Part] = []
        at = 0
        for path in _in_order([str(path) for path in paths]):
            fd = _open(path)
            stack.callback(os.close, fd)
            found.append(Part(path, fd, at, os.fstat(fd).st_size))
            at += found[-1].size
        if len(found) == 1 and number_of(found[0].path) is None:
            stack.pop_all()
            fd = plain_fd(found[0].fd, scratch)
            return Parts([Part(found[0].path, fd, 0, os.fstat(fd).st_size)])
        stack.pop_all()
        return Parts(found)


def _in_order(paths: Sequence[str]) -> list[str]:
    if len(paths) == 1:
        return _beside(paths[0])
    numbered = []
    for path in paths:
        known = number_of(path)
        if known is None:
            raise InputError(f"{path} is no part of a split bundle", hint="one bundle is loaded at a time")
        numbered.append((known[1], os.path.basename(known[0]), path))
    numbered.sort()
    if len({stem for _, stem, _ in numbered}) > 1:
        raise InputError("these are parts of several bundles", hint="one bundle is loaded at a time")
    for wanted, (number, stem, path) in enumerate(numbered, 1):
        if number != wanted:
            what = f"{part_name(stem, wanted)} is missing" if number > wanted else f"{path} is there twice"
            raise InputError(f"not all parts of the bundle: {what}")
    return [path for _, _, path in numbered]


def _beside(path: str) -> list[str]:
    """All parts, when the first one (or what they are all named) was given."""
    known = number_of(path)
    if known is None:
        if os.path.exists(path) or not os.path.exists(part_name(path, 1)):
            return [path]
        known = path, 1
    stem, number = known
    if number != 1:
        raise InputError(f"{path} is not the first part", hint=f"name {part_name(stem, 1)}, or all parts")
    found = [part_name(stem, 1)]
    while os.path.exists(following := part_name(stem, len(found) + 1)):
        found.append(following)
    later = [part_name(stem, i) for i in range(len(found) + 2, 1000) if os.path.exists(part_name(stem, i))]
    if later:
        raise InputError(f"{following} is missing, though there is {later[0]}", hint="copy it into the same folder")
    return found


def _open(path: str) -> int:
    try:
        # Not blocking: a FIFO is opened at once, and refused
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as fault:
        raise InputError(f"cannot open {path}: {fault.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f"{path} is not a file", hint="`-` reads standard input")
    return fd
