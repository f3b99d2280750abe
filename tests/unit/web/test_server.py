"""The server, with a handler that tells what it was asked."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wherry.errors import Conflict, UsageError
from wherry.web.server import Exchange, HttpServer, Limits, Request, Responder, Sent


class Lab:
    """A server in a thread. Set `handle` to change what it does; `done` is its log."""

    def __init__(self, limits: Limits | None = None, host: str = "127.0.0.1") -> None:
        self.done: list[Exchange] = []
        self.faults: list[Exception] = []
        self.server = HttpServer(
            self._handle, (host, 0), limits=limits, on_done=self.done.append, on_fault=self.faults.append
        )
        self.server.bind()
        self.thread = threading.Thread(target=self.server.serve)
        self.thread.start()

    def _handle(self, request: Request, responder: Responder) -> None:
        self.handle(request, responder)

    def handle(self, request: Request, responder: Responder) -> None:
        body = request.body.read(1 << 20)
        responder.send(200, (("X-Path", request.path),), request.method.encode() + b" " + body)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.address, timeout=30)

    def talk(self, data: bytes) -> bytes:
        """All that comes back until the server closes."""
        with self.connect() as sock:
            sock.sendall(data)
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            return answer


@contextmanager
def running(limits: Limits | None = None, host: str = "127.0.0.1") -> Iterator[Lab]:
    lab = Lab(limits, host)
    try:
        yield lab
    finally:
        lab.server.stop()
        lab.thread.join()
        lab.server.wait_idle(10)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with running() as made:
        yield made


QUICK = Limits(tick_s=0.02, sweep_s=0.02)
"""For tests that wait until the server has waited long enough."""
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def until(holds: object, what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_requests_that_come_at_once_are_answered_in_order(lab: Lab) -> None:
    answer = lab.talk(GET + b"PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + LAST)
    assert [line for line in answer.split(b"\r\n") if line.startswith(b"X-Path")] == [
        b"X-Path: /a", b"X-Path: /c", b"X-Path: /b",
    ]  # fmt: skip
    assert b"PUT abc" in answer


def test_a_connection_is_used_again_after_a_pause() -> None:
    with running(QUICK) as lab:
        use_after_a_pause(lab)


def use_after_a_pause(lab: Lab) -> None:
    connection = http.client.HTTPConnection(*lab.server.address)
    for _ in range(3):
        connection.request("GET", "/a")
        assert connection.getresponse().read() == b"GET "
        # Longer than a thread lingers: the connection goes back to the front
        until(lambda: lab.server.in_flight == 0, "the request ends")
        until(lambda: bool(lab.server._parked), "the connection is parked")
    assert len(lab.server._open) == 1
    connection.close()


def test_head_has_the_length_and_no_body(lab: Lab) -> None:
    answer = lab.talk(b"HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_http_1_0_is_answered_and_closed(lab: Lab) -> None:
    answer = lab.talk(b"GET /a HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer


def test_a_head_that_comes_byte_by_byte_is_read(lab: Lab) -> None:
    with lab.connect() as sock:
        for at in range(len(LAST)):
            sock.sendall(LAST[at : at + 1])
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_part_of_a_file_is_sent(lab: Lab, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)

    def handle(request: Request, responder: Responder) -> None:
        fd = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            responder.send(200, (), Sent(fd, 1000, 2 << 20))
        finally:
            os.close(fd)

    lab.handle = handle  # type: ignore[method-assign]
    answer = lab.talk(LAST)
    assert answer.partition(b"\r\n\r\n")[2] == data[1000 : 1000 + (2 << 20)]


def test_a_file_that_became_shorter_ends_the_connection(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")

    def handle(request: Request, responder: Responder) -> None:
        fd = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            responder.send(200, (), Sent(fd, 0, 100))
        finally:
            os.close(fd)

    lab.handle = handle  # type: ignore[method-assign]
    assert lab.talk(GET).endswith(b"short")
    assert isinstance(lab.faults[0], OSError)


def test_what_has_no_length_goes_in_chunks(lab: Lab) -> None:
    lab.handle = lambda request, responder: responder.send(200, (), iter([b"ab", b"", b"cde"]))  # type: ignore[method-assign]
    assert lab.talk(LAST).endswith(b"\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
    assert lab.talk(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").endswith(b"\r\n\r\nabcde")


def test_a_stream_that_fails_in_the_middle_is_not_taken_for_whole(lab: Lab) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"ab"
        raise RuntimeError("upstream is gone")

    lab.handle = lambda request, responder: responder.send(200, (), pieces())  # type: ignore[method-assign]
    assert lab.talk(GET).endswith(b"2\r\nab\r\n")


def test_a_header_of_an_answer_cannot_become_two(lab: Lab) -> None:
    lab.handle = lambda request, responder: responder.send(200, (("X", "a\r\nSet-Cookie: b"),), b"")  # type: ignore[method-assign]
    assert b"Set-Cookie" not in lab.talk(GET)
    assert isinstance(lab.faults[0], ValueError)


def test_a_handler_that_fails_is_a_500_without_a_word_of_why(lab: Lab) -> None:
    def handle(request: Request, responder: Responder) -> None:
        raise RuntimeError("a secret")

    lab.handle = handle  # type: ignore[method-assign]
    answer = lab.talk(GET)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in answer
    assert str(lab.faults[0]) == "a secret"


def test_a_body_that_nobody_reads_does_not_become_a_request(lab: Lab) -> None:
    lab.handle = lambda request, responder: responder.send(404)  # type: ignore[method-assign]
    inner = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = lab.talk(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner + LAST)
    assert answer.count(b"HTTP/1.1 404") == 2
    assert [one.request.path for one in lab.done] == ["/a", "/b"]


def test_a_large_body_that_is_refused_gets_its_answer_before_the_end(lab: Lab) -> None:
    lab.handle = lambda request, responder: responder.send(403, (), b"no")  # type: ignore[method-assign]
    with lab.connect() as sock:
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + bytes(1 << 20))
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.endswith(b"no")


def test_an_unknown_expectation_is_refused(lab: Lab) -> None:
    assert lab.talk(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n").startswith(
        b"HTTP/1.1 417"
    )


def test_a_head_that_does_not_end_in_time_is_dropped() -> None:
    with running(QUICK._replace(head_s=0.1)) as lab, lab.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert sock.recv(100) == b""


def test_an_idle_connection_is_dropped() -> None:
    with running(QUICK._replace(idle_s=0.1)) as lab, lab.connect() as sock:
        sock.sendall(GET)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert sock.recv(100) == b""


def test_a_body_that_trickles_is_given_up() -> None:
    with running(QUICK._replace(window_s=0.1, window_bytes=4096)) as lab, lab.connect() as sock:
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
        assert sock.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_reader_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(64 << 20))
    with running(QUICK._replace(window_s=0.1)) as lab:

        def handle(request: Request, responder: Responder) -> None:
            fd = os.open(tmp_path / "file", os.O_RDONLY)
            try:
                responder.send(200, (), Sent(fd, 0, 64 << 20))
            finally:
                os.close(fd)

        lab.handle = handle  # type: ignore[method-assign]
        with lab.connect() as sock:
            sock.sendall(GET)
            until(lambda: bool(lab.done), "the server gives up")
        assert lab.done[0].sent == 0


def test_idle_connections_hold_no_thread() -> None:
    with running(Limits(threads=2)) as lab:
        idle = [lab.connect() for _ in range(100)]
        for sock in idle[:50]:
            sock.sendall(b"GET / HT")
        assert lab.talk(LAST).startswith(b"HTTP/1.1 200")
        for sock in idle:
            sock.close()


def test_bodies_that_trickle_give_way_when_all_threads_are_taken() -> None:
    with running(QUICK._replace(threads=2, window_s=3600, hurried_window_s=0.1)) as lab:
        slow = [lab.connect() for _ in range(4)]
        for sock in slow:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
        assert lab.talk(LAST).startswith(b"HTTP/1.1 200")
        for sock in slow:
            sock.close()


def test_the_longest_silent_go_when_there_are_too_many() -> None:
    with running(Limits(connections=20)) as lab:
        idle = [lab.connect() for _ in range(60)]
        assert lab.talk(LAST).startswith(b"HTTP/1.1 200")
        assert len(lab.server._open) <= 21
        for sock in idle:
            sock.close()


def test_what_is_in_flight_is_finished_before_the_end() -> None:
    lab = Lab()
    entered, go_on = threading.Event(), threading.Event()

    def handle(request: Request, responder: Responder) -> None:
        entered.set()
        go_on.wait(30)
        responder.send(200, (), b"whole")

    lab.handle = handle  # type: ignore[method-assign]
    with lab.connect() as sock:
        sock.sendall(GET)
        assert entered.wait(30)
        lab.server.stop()
        lab.thread.join()
        with pytest.raises(ConnectionRefusedError):
            lab.connect()
        go_on.set()
        assert lab.server.wait_idle(30)
        answer = sock.recv(65536)
    assert answer.endswith(b"whole")
    assert b"Connection: close" in answer


def test_what_does_not_end_is_left_behind() -> None:
    lab = Lab()
    entered, go_on = threading.Event(), threading.Event()

    def handle(request: Request, responder: Responder) -> None:
        entered.set()
        go_on.wait(30)

    lab.handle = handle  # type: ignore[method-assign]
    with lab.connect() as sock:
        sock.sendall(GET)
        assert entered.wait(30)
        lab.server.stop()
        lab.thread.join()
        assert not lab.server.wait_idle(0.05)
    go_on.set()


def test_a_port_that_is_taken_is_told(lab: Lab) -> None:
    with pytest.raises(Conflict, match="another program does"):
        HttpServer(lab.handle, lab.server.address).bind()


def test_an_address_that_is_none_is_told(lab: Lab) -> None:
    with pytest.raises(UsageError, match="cannot listen"):
        HttpServer(lab.handle, ("nowhere.invalid", 0)).bind()


def test_it_listens_on_ipv6() -> None:
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    with running(host="::1") as lab:
        assert lab.talk(LAST).startswith(b"HTTP/1.1 200")
        assert lab.done[0].request.remote == "::1"
