"""The head of a request: what two readers could understand in two ways is refused."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wherry.web.head import parse_head
from wherry.web.limits import BadRequest, Limits

LIMITS = Limits()


def head(*lines: str, first: str = "GET / HTTP/1.1", host: str = "Host: x") -> bytes:
    return "".join(f"{line}\r\n" for line in (first, host, *lines) if line).encode("latin-1") + b"\r\n"


def refused(data: bytes) -> int:
    with pytest.raises(BadRequest) as caught:
        parse_head(data, LIMITS)
    return caught.value.status


def test_a_plain_request_is_read() -> None:
    found = parse_head(head("Accept: a", "X-Long:  b c \t", "accept: d", first="PUT /a?b=c HTTP/1.1"), LIMITS)
    assert (found.method, found.target, found.length, found.keep_alive) == ("PUT", "/a?b=c", 0, True)
    assert dict(found.fields) == {"host": "x", "accept": "a, d", "x-long": "b c"}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        (["Content-Length: 5", "Content-Length: 5"], 400),
        (["Content-Length: 5, 5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: -5"], 400),
        (["Content-Length: 0x5"], 400),
        (["Content-Length: 5 5"], 400),
        (["Content-Length: \u00b2"], 400),
        (["Content-Length: 99999999999999999999999"], 400),
        (["Content-Length:"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: chunked, chunked"], 501),
        (["Transfer-Encoding: identity"], 501),
        (["Transfer-Encoding: \x0bchunked"], 400),
        (["Transfer-Encoding : chunked"], 400),
        ([" Transfer-Encoding: chunked"], 400),
        (["X: a", " folded"], 400),
        (["X: a\nTransfer-Encoding: chunked"], 400),
        (["X: a\rTransfer-Encoding: chunked"], 400),
        (["X: \0"], 400),
        (["X\u00e9: a"], 400),
        ([": a"], 400),
        (["no colon"], 400),
        (["Host: y"], 400),
        (["Authorization: a", "Authorization: b"], 400),
        (["Range: bytes=0-1", "Range: bytes=2-3"], 400),
        ([f"X-{i}: a" for i in range(100)], 431),
    ],
)
def test_a_header_that_could_mean_two_things_is_refused(lines: list[str], status: int) -> None:
    assert refused(head(*lines)) == status


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /\u00e9 HTTP/1.1", 400),
        ("GET x HTTP/1.1", 400),
        ("GET ftp://x/ HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
    ],
)
def test_a_request_line_that_is_none_is_refused(first: str, status: int) -> None:
    assert refused(head(first=first)) == status


def test_a_request_without_a_host_is_refused_but_for_http_1_0() -> None:
    assert refused(head(host="")) == 400
    old = parse_head(head(first="GET / HTTP/1.0", host=""), LIMITS)
    assert (old.old, old.keep_alive) == (True, False)


def test_http_1_0_has_no_chunks() -> None:
    assert refused(head("Transfer-Encoding: chunked", first="PUT / HTTP/1.0")) == 400


@pytest.mark.parametrize(
    ("target", "meant"), [("http://h/a?b", "/a?b"), ("HTTPS://h", "/"), ("http://h?b", "/?b"), ("*", "*")]
)
def test_an_absolute_target_loses_its_host(target: str, meant: str) -> None:
    assert parse_head(head(first=f"OPTIONS {target} HTTP/1.1"), LIMITS).target == meant


WORDS = st.sampled_from(
    [b"GET", b"/", b" ", b"\r\n", b"\n", b"\r", b"\t", b":", b",", b"HTTP/1.1", b"HTTP/1.0", b"Host: x", b"\0", b"a",
     b"Content-Length: 3", b"Content-Length", b"Transfer-Encoding: chunked", b"chunked", b"5", b"Connection: close"]
)  # fmt: skip


@given(st.lists(WORDS | st.binary(max_size=3), max_size=12).map(b"".join))
@example(b"X: a\r\n\r\nGET /b HTTP/1.1\r\nHost: x")
def test_whatever_is_taken_another_reader_takes_for_the_same(middle: bytes) -> None:
    """h11 is that reader: all of what we take is one request to it, of the same method, target and length."""
    data = b"GET / HTTP/1.1\r\nHost: x\r\n" + middle + b"\r\n\r\n"
    data = data[: data.index(b"\r\n\r\n") + 4]
    try:
        ours = parse_head(data, LIMITS)
    except BadRequest:
        return
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(data)
    event = theirs.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method.decode(), event.target.decode()) == (ours.method, ours.target)
    fields = {name.decode(): value.decode("latin-1") for name, value in event.headers}
    assert ("transfer-encoding" in fields) == (ours.length is None)
    assert int(fields.get("content-length", 0)) == (ours.length or 0)
