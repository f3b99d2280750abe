"""Bodies, by length and by chunks, however the bytes arrive."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.web.body import Body
from wherry.web.limits import BadRequest, PeerGone
from wherry.web.wire import Pace, PlainWire


def pace() -> Pace:
    return Pace(lambda: 10.0, 1)


def read(sent: bytes, length: int | None, *, rest: bytes = b"", step: int = 7) -> tuple[bytes, bytes]:
    """(the body, what is left behind it) of bytes that arrive and then end."""
    ours, peer = socket.socketpair()
    with peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        wire = PlainWire(ours)
        try:
            body = Body(wire, rest, length, pace)
            found = bytearray()
            buffer = memoryview(bytearray(step))
            while count := body.readinto(buffer):
                found += buffer[:count]
            assert body.ended
            return bytes(found), body.rest
        finally:
            wire.close()


def test_a_body_of_a_length_leaves_the_next_request() -> None:
    assert read(b"", 5, rest=b"helloGET /") == (b"hello", b"GET /")
    assert read(b"lo", 5, rest=b"hel") == (b"hello", b"")


def test_a_short_body_is_no_body() -> None:
    with pytest.raises(PeerGone):
        read(b"hel", 5)


def chunks(parts: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in parts if one) + b"0\r\n" + trailer + b"\r\n"


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 60), st.integers(1, 50), st.binary(max_size=5))
def test_chunks_are_put_together_wherever_they_are_cut(parts: list[bytes], cut: int, step: int, after: bytes) -> None:
    data = chunks(parts, b"X: y\r\n") + after
    cut = min(cut, len(data))
    found, left = read(data[cut:], None, rest=data[:cut], step=step)
    assert found == b"".join(parts)
    # What came behind may still be in the socket, but nothing of it is lost or taken
    assert after.startswith(left)


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5;\0\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 40 + b"\r\n",
        b"1" * 9000,
    ],
)
def test_bad_chunking_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        read(data, None)


def test_chunks_that_end_early_are_no_body() -> None:
    with pytest.raises(PeerGone):
        read(b"5\r\nhel", None)


def test_a_body_over_the_limit_is_413_whatever_it_said_before() -> None:
    ours, peer = socket.socketpair()
    with peer:
        peer.sendall(chunks([b"x" * 60, b"y" * 60]))
        wire = PlainWire(ours)
        with pytest.raises(BadRequest) as caught:
            Body(wire, b"", None, pace).read(100)
        assert caught.value.status == 413
        with pytest.raises(BadRequest):
            Body(wire, b"", 101, pace).read(100)
        wire.close()
