from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.image.tar import compress

COMPRESS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "": bytes,
}
DATA = os.urandom(200_000) + b"text " * 60_000
LARGE = DATA + b"text " * 240_000


def read(data: bytes, size: int = 1 << 16) -> bytes:
    stream = compress.reader(io.BytesIO(data))
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
    assert stream.read(size) == b""
    return b"".join(parts)


@pytest.mark.parametrize("kind", COMPRESS)
def test_each_kind_is_known_by_its_content(kind: str) -> None:
    data = COMPRESS[kind](DATA)
    assert compress.sniff(data[:6]) == kind
    assert read(data) == DATA


@pytest.mark.parametrize("kind", [kind for kind in COMPRESS if kind])
def test_several_members_are_read_as_one(kind: str) -> None:
    assert read(COMPRESS[kind](b"first") + COMPRESS[kind](DATA) + COMPRESS[kind](b"last")) == b"first" + DATA + b"last"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"BZ", b"\x28\xb5", b"\xfd7zX", b"plain"])
def test_short_data_is_given_as_it_is(data: bytes) -> None:
    assert read(data) == data


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_data_that_ends_early_is_an_error(kind: str) -> None:
    with pytest.raises(InvalidSpec, match="ends early"):
        read(COMPRESS[kind](DATA)[:-5])


@pytest.mark.parametrize("kind", [kind for kind in COMPRESS if kind])
def test_changed_data_is_an_error(kind: str) -> None:
    data = bytearray(COMPRESS[kind](DATA))
    data[1000] ^= 0x55
    with pytest.raises(InvalidSpec, match=f"broken {kind}|ends early"):
        read(bytes(data))


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_zeros_after_the_end_are_padding_and_anything_else_is_an_error(kind: str) -> None:
    assert read(COMPRESS[kind](DATA) + bytes(600_000)) == DATA
    with pytest.raises(InvalidSpec, match="something else"):
        read(COMPRESS[kind](DATA) + b"more")


def test_a_stream_that_gives_a_byte_at_a_time_is_recognised() -> None:
    data = gzip.compress(b"slow")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1)

    stream = compress.reader(Slow(data))
    assert b"".join(iter(lambda: stream.read(100), b"")) == b"slow"


def zipped(data: bytes, step: int, threads: int, level: int = 1) -> bytes:
    out = bytearray()
    writer = compress.gzip_writer(out.__iadd__, level=level, threads=threads)
    for at in range(0, len(data), step):
        writer.write(memoryview(data)[at : at + step])
    writer.close()
    writer.close()
    return bytes(out)


def test_gzip_is_the_same_whatever_the_threads_and_pieces() -> None:
    data = LARGE * 3
    first = zipped(data, 1 << 20, 1)
    assert zipped(data, 77_777, 4) == zipped(data, len(data), 2) == first
    assert gzip.decompress(first) == data
    assert first[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert len(first) < len(data) // 3


@given(st.binary(max_size=3000))
def test_gzip_of_anything_is_read_by_the_standard_library(data: bytes) -> None:
    assert gzip.decompress(zipped(data, 1000, 1)) == data


def squeezed(data: bytes, step: int, threads: int) -> bytes:
    out = bytearray()
    writer = compress.zstd_writer(out.__iadd__, threads=threads)
    for at in range(0, len(data), step):
        writer.write(memoryview(data)[at : at + step])
    writer.close()
    writer.close()
    return bytes(out)


def test_zstd_is_the_same_whatever_the_threads_and_pieces() -> None:
    data = LARGE * 10
    first = squeezed(data, 1 << 20, 1)
    assert squeezed(data, 77_777, 3) == first
    assert read(first) == data
