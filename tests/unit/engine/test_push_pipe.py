"""What a function writes, as a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.engine.push_pipe import Pipe
from wherry.errors import IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.image.tar.pack import Write


def drain(pipe: Pipe, size: int = -1) -> bytes:
    return b"".join(iter(lambda: pipe.read(size), b""))


@given(st.lists(st.binary(max_size=50), max_size=12), st.integers(0, 400), st.integers(1, 60))
def test_the_stream_is_what_was_written_from_the_offset_on(chunks: list[bytes], skip: int, size: int) -> None:
    def produce(write: Write) -> None:
        for chunk in chunks:
            write(memoryview(chunk))

    whole = b"".join(chunks)[skip:]
    with Pipe(produce, skip=skip) as pipe:
        assert drain(pipe, size) == whole
    with Pipe(produce, skip=skip) as pipe:
        assert drain(pipe) == whole
    with Pipe(produce, skip=skip) as pipe:
        buffer, out = memoryview(bytearray(size)), bytearray()
        while got := pipe.readinto(buffer):
            out += buffer[:got]
        assert out == whole


def test_a_buffer_may_be_used_again_after_the_write() -> None:
    def produce(write: Write) -> None:
        buffer = bytearray(b"first")
        write(buffer)
        buffer[:] = b"other"
        write(buffer)

    with Pipe(produce) as pipe:
        assert drain(pipe) == b"firstother"


def test_a_failure_comes_out_before_the_last_chunk() -> None:
    def produce(write: Write) -> None:
        write(b"a")
        write(b"b")
        raise IntegrityError("stream", expected="x", actual="y")

    with Pipe(produce) as pipe:
        assert pipe.read() == b"a"
        with pytest.raises(IntegrityError):
            pipe.read()


def test_closing_early_stops_an_endless_producer() -> None:
    def produce(write: Write) -> None:
        while True:
            write(b"more")

    pipe = Pipe(produce)
    assert pipe.read(2) == b"mo"
    pipe.close()
    pipe.close()
