"""Compression by content in, deterministic compression out. Never the standard library's zlib: 10 times slower."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future

    from wherry.image.tar.pack import Write
    from wherry.image.tar.stream import Reader

__all__ = ["Compressor", "gzip_writer", "reader", "sniff", "zstd_writer"]

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_CHUNK = 1 << 18
_MEMORY_BYTES = 256 << 20
_WINDOW_BYTES = 128 << 20
_BLOCK = 1 << 20
_DICTIONARY = 32 << 10


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


def reader(stream: Reader) -> Reader:
    """`stream` without its compression (gzip, zstd, bzip2, xz, each of one or more members), or as it is.

    Reading raises InvalidSpec when the compressed data is broken or ends early. Closes nothing. However much the
    data expands, at most `size` bytes of it are in memory.
    """
    head = b""
    while len(head) < 6 and (more := stream.read(_CHUNK)):
        head += more
    kind = sniff(head)
    rest = _Joined(head, stream)
    if not kind:
        return rest
    if kind == "zstd":
        return _Zstd(rest)
    return _Members(rest, kind)


class _Joined:
    """What was read to look at, then the rest."""

    def __init__(self, head: bytes, stream: Reader) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)


class _Decompressor(Protocol):
    """The shape that bz2, lzma and isal share."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def _opener(kind: str) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """What makes a decompressor, and what it raises for broken data."""
    if kind == "gzip":
        from isal import igzip_lib

        return lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP), (cast(type[Exception], igzip_lib.error),)
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, ValueError)
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES), (lzma.LZMAError,)


class _Members:
    """One compressed stream after another; zeros after the last one are padding."""

    def __init__(self, stream: Reader, kind: str) -> None:
        self._stream, self._kind = stream, kind
        self._open, self._faults = _opener(kind)
        self._member: _Decompressor | None = self._open()
        self._input = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while self._member is not None:
            if self._member.eof:
                self._next_member()
                continue
            if not self._input and self._member.needs_input:
                self._input = self._stream.read(_CHUNK)
                if not self._input:
                    raise InvalidSpec(f"{self._kind} data ends early", hint="fetch the file again")
            data, self._input = self._input, b""
            try:
                out = self._member.decompress(data, size)
            except self._faults as fault:
                raise InvalidSpec(f"broken {self._kind} data: {fault}", hint="fetch the file again") from None
            if out:
                return out
        return b""

    def _next_member(self) -> None:
        assert self._member is not None
        rest = self._member.unused_data or self._stream.read(_CHUNK)
        while rest and not rest.strip(b"\0"):
            rest = self._stream.read(_CHUNK)
        self._member, self._input = None, rest
        if not rest:
            return
        while len(self._input) < 6 and (more := self._stream.read(_CHUNK)):
            self._input += more
        if sniff(self._input) != self._kind:
            raise InvalidSpec(f"what follows the {self._kind} data is something else", hint="fetch the file again")
        self._member = self._open()


class _Zstd:
    """A truncated last frame reads as the end of the data: a tar notices, and so does every digest."""

    def __init__(self, stream: Reader) -> None:
        import zstandard

        opened = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        self._stream = opened.stream_reader(cast(BinaryIO, stream), read_size=_CHUNK, read_across_frames=True)
        self._fault = zstandard.ZstdError

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except self._fault as fault:
            raise InvalidSpec(f"broken zstd data: {fault}", hint="fetch the file again") from None
        return data


def gzip_writer(write: Write, *, level: int = 1, threads: int = 1) -> Compressor:
    """Deterministic for a level, whatever `threads` is: no time, no name, always blocks of 1 MiB.

    With `threads` over 1, `write` is called by the thread that calls the writer, as always.
    """
    return _Gzip(write, level, threads)


class _Gzip:
    """Each block is deflated for itself with the 32 KiB before it as dictionary, so blocks can run side by side."""

    def __init__(self, write: Write, level: int, threads: int) -> None:
        self._write, self._level = write, level
        self._block = bytearray()
        self._before = b""
        self._crc = self._size = 0
        self._closed = False
        self._running: list[Future[bytes]] = []
        self._depth = 2 * threads
        self._pool = None
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gzip")
        # Unknown file system: the bytes must not tell where they were made
        write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")

    def write(self, chunk: bytes | bytearray | memoryview, /) -> None:
        view = memoryview(chunk)
        while view:
            room = _BLOCK - len(self._block)
            self._block += view[:room]
            view = view[room:]
            if len(self._block) == _BLOCK:
                self._put()

    def _put(self) -> None:
        from isal import isal_zlib

        block, self._block = bytes(self._block), bytearray()
        self._crc = isal_zlib.crc32(block, self._crc)
        self._size += len(block)
        before, self._before = self._before, block[-_DICTIONARY:]
        if self._pool is None:
            self._write(_deflate(block, before, self._level))
            return
        self._running.append(self._pool.submit(_deflate, block, before, self._level))
        if len(self._running) >= self._depth:
            self._write(self._running.pop(0).result())

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._block:
                self._put()
            for block in self._running:
                self._write(block.result())
        finally:
            # Also when nobody takes the bytes any more: an upload that broke off
            if self._pool:
                self._pool.shutdown()
        self._write(b"\x03\0" + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))


def _deflate(block: bytes, before: bytes, level: int) -> bytes:
    from isal import isal_zlib

    deflated = isal_zlib.compressobj(level, wbits=-15, zdict=before)
    return deflated.compress(block) + deflated.flush(isal_zlib.Z_SYNC_FLUSH)


def zstd_writer(write: Write, *, level: int = 3, threads: int = 1) -> Compressor:
    """Deterministic for a level, whatever `threads` is; with a checksum."""
    return _ZstdWriter(write, level, threads)


class _ZstdWriter:
    def __init__(self, write: Write, level: int, threads: int) -> None:
        import zstandard

        self._write = write
        # Always libzstd's multi-threaded mode, whose bytes don't depend on the number of threads
        self._stream = zstandard.ZstdCompressor(level, threads=max(1, threads), write_checksum=True).compressobj()
        self._closed = False

    def write(self, chunk: bytes | bytearray | memoryview, /) -> None:
        if out := self._stream.compress(chunk):
            self._write(out)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._write(self._stream.flush())
