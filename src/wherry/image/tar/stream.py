"""A tar's bytes, in order, once: bounded, and noted down for a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.recipe import Recorder

__all__ = ["DEFAULT_LIMITS", "Limits", "Reader", "Source"]

_CHUNK = 1 << 20


class Reader(Protocol):
    """What a tar is read from: a file, a pipe, a response, `compress.reader(...)`."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" at the end."""


class Limits(NamedTuple):
    """`total_bytes` bounds the stream and, apart from it, the sum of the files' sizes (holes count)."""

    total_bytes: int = 1 << 40
    entries: int = 10_000_000


DEFAULT_LIMITS = Limits()


class Source:
    """Reads `stream` in big chunks. `recorder` may be None: no recipe is wanted."""

    def __init__(self, stream: Reader, limits: Limits, recorder: Recorder | None, cancel: Cancel | None) -> None:
        self._stream, self._limit, self._cancel = stream, limits.total_bytes, cancel
        self.recorder = recorder
        self._chunk, self._at = b"", 0
        self.size = 0

    def _fill(self) -> bool:
        if self._cancel:
            self._cancel.check()
        self._chunk, self._at = self._stream.read(_CHUNK), 0
        self.size += len(self._chunk)
        if self.size > self._limit:
            raise InvalidSpec(
                f"tar: it is larger than the limit of {self._limit} bytes",
                hint="if the archive is what you expect, raise the limit",
            )
        return bool(self._chunk)

    def take(self, count: int, what: str, *, may_end: bool = False) -> bytes:
        """Exactly `count` bytes; b"" at the end of the stream when it `may_end` here. Raises: InvalidSpec."""
        at = self._at
        data = self._chunk[at : at + count]
        self._at = at + len(data)
        if len(data) < count:
            parts = [data]
            missing = count - len(data)
            while missing and self._fill():
                part = self._chunk[:missing]
                self._at = len(part)
                missing -= len(part)
                parts.append(part)
            data = b"".join(parts)
            if missing and (data or not may_end):
                raise InvalidSpec(f"tar: it ends in the middle of {what}", hint="fetch the archive again")
        if self.recorder:
            self.recorder.raw(data)
        return data

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes as they lie in the chunks, not noted down. Raises: InvalidSpec when they end early."""
        while count:
            if self._at == len(self._chunk) and not self._fill():
                raise InvalidSpec("tar: it ends in the middle of a file", hint="fetch the archive again")
            piece = memoryview(self._chunk)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for piece in self.pieces(count):
            if self.recorder:
                self.recorder.raw(piece)

    def drain(self) -> None:
        """Read to the end: what follows the end blocks is part of the stream's hash."""
        while True:
            if self.recorder:
                self.recorder.raw(memoryview(self._chunk)[self._at :])
            if not self._fill():
                return
