"""Compression by content in, deterministic compression out. Never the standard library's zlib: 10 times slower."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.image.tar.pack import Write
    from wherry.image.tar.unpack import Reader

__all__ = ["Compressor", "gzip_writer", "reader", "sniff", "zstd_writer"]


class Compressor(Protocol):
    """Takes bytes, gives compressed ones to the `write` it was made with."""

    def write(self, chunk: bytes | bytearray | memoryview, /) -> object: ...

    def close(self) -> None:
        """Flushes the end of the stream; not what `write` writes to. Idempotent."""


def sniff(head: bytes) -> str:
    """ "gzip", "zstd", "bzip2", "xz", or "" for anything else, by the first 6 bytes."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return ""


_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))


def reader(stream: Reader) -> Reader:
    """`stream` without its compression (gzip, zstd, bzip2, xz, each of one or more members), or as it is.

    Reading raises InvalidSpec when the compressed data is broken or ends early. Closes nothing.
    """
    raise NotImplementedError


def gzip_writer(write: Write, *, level: int = 1, threads: int = 1) -> Compressor:
    """Deterministic for a level, whatever `threads` is: no time, no name."""
    raise NotImplementedError


def zstd_writer(write: Write, *, level: int = 3, threads: int = 0) -> Compressor:
    """Deterministic for a level and whether `threads` is 0."""
    raise NotImplementedError
