"""`wherry build -`: a tar with the context, or a Dockerfile, told apart by the first bytes."""

from __future__ import annotations

import os

from wherry.errors import InputError, InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.image.tar.stream import Reader

__all__ = ["Replay", "looks_like_tar"]

_HEAD_BYTES = 1 << 16
_LARGEST_BYTES = 1 << 20


class Replay:
    """A stream that can't seek, whose start was looked at."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self.head = b""
        while len(self.head) < _HEAD_BYTES and (piece := stream.read(_HEAD_BYTES - len(self.head))):
            self.head += piece
        self._left = self.head

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        if self._left:
            piece, self._left = self._left[:size], self._left[size:]
            return piece
        return self._stream.read(size)

    def rest(self) -> bytes:
        """All of a Dockerfile. Raises: InputError when it is too large to be one."""
        data = self.head
        while len(data) <= _LARGEST_BYTES and (piece := self._stream.read(1 << 16)):
            data += piece
        if len(data) > _LARGEST_BYTES:
            raise InputError("failed to read dockerfile: stdin is larger than 1 MB", hint="is it really a Dockerfile?")
        if not data.strip():
            raise InputError("nothing came from stdin", hint="wherry build - < Dockerfile, or a tar of the context")
        return data

    def extract(self, folder: str) -> None:
        """The tar's members into `folder`, owners left out. Raises: HostileArchive, InvalidSpec, OSError."""
        from wherry.image.tar import compress, unpack

        root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            unpack.extract(compress.reader(self), root_fd, "", owner=(0, 0))
        finally:
            os.close(root_fd)


class _Head:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def looks_like_tar(stream: Replay) -> bool:
    """Whether a tar header (behind its compression) comes first."""
    from wherry.build.ops.copy import is_tar
    from wherry.image.tar import compress

    if compress.sniff(stream.head):
        return True
    try:
        return is_tar(_Head(stream.head))
    except InvalidSpec:
        return False
