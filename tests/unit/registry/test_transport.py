from __future__ import annotations

import io
import socket
import threading
from pathlib import Path

import pytest

from tests.unit.registry.scripted import Answer, Raw, Seen, endpoint, reply, scripted, transport
from wherry.cancel import Cancel
from wherry.errors import Cancelled, RegistryError, Unreachable
from wherry.registry.transport import Body, Request, Transport
from wherry.registry.transport_redirect import allowed
from wherry.registry.transport_response import Broken
from wherry.registry.transport_url import Url
from wherry.registry.transport_wire import Timeouts


def at(server: object, path: str = "/x") -> Url:
    return Url.parse(f"http://{server.host}{path}")  # type: ignore[attr-defined]


def get(wire: Transport, url: Url, **headers: str) -> bytes:
    with wire.fetch(Request("GET", url, headers)) as response:
        return response.read(1 << 20)


def test_connections_are_used_again() -> None:
    with scripted(lambda seen: reply(body=seen.path.encode())) as server, transport() as wire:
        assert [get(wire, at(server, path)) for path in ("/a", "/b", "/c")] == [b"/a", b"/b", b"/c"]
        assert server.connections == 1
        assert server.seen[0]["user-agent"].startswith("wherry/")
        assert server.seen[0]["host"] == server.host


def test_a_connection_that_died_in_the_pool_is_replaced_and_nobody_notices() -> None:
    def handler(seen: Seen) -> Answer:
        # The second request on a connection is hung up on, unread: what a server does whose patience ended
        if sum(one.connection == seen.connection for one in server.seen) > 1:
            return Raw((), close=True)
        return reply(body=b"ok")

    with scripted(handler) as server, transport() as wire:
        assert [get(wire, at(server)) for _ in range(3)] == [b"ok"] * 3


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000,
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 1000,
    ],
)
def test_broken_answers_are_errors_that_may_be_tried_again(raw: bytes) -> None:
    with scripted(lambda _: Raw((raw,), close=True)) as server, transport() as wire, pytest.raises(Broken):
        get(wire, at(server))


def test_headers_without_end_are_cut_off() -> None:
    def handler(_: Seen) -> Answer:
        return Raw((b"HTTP/1.1 100 Continue\r\n\r\n" * 30_000,), close=True)

    with scripted(handler) as server, transport() as wire, pytest.raises(Broken, match="without end"):
        get(wire, at(server))


def test_chunked_bodies_and_bodies_up_to_the_end_of_the_connection_are_read() -> None:
    answers = [
        Raw((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",)),
        Raw((b"HTTP/1.0 200 OK\r\n\r\nall of it",), close=True),
    ]
    with scripted(lambda _: answers[len(server.seen) - 1]) as server, transport() as wire:
        assert [get(wire, at(server)), get(wire, at(server))] == [b"abcde", b"all of it"]


def test_a_body_over_its_limit_is_refused() -> None:
    with scripted(lambda _: reply(body=b"x" * 3000)) as server, transport() as wire:
        with wire.fetch(Request("GET", at(server), {})) as response:
            assert len(response.read(3000)) == 3000
        with wire.fetch(Request("GET", at(server), {})) as response, pytest.raises(RegistryError, match="longer than"):
            response.read(2999)


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome",)])
def test_silence_ends_an_exchange(pieces: tuple[bytes, ...]) -> None:
    done = threading.Event()
    with (
        scripted(lambda _: Raw(pieces, wait=done, close=True)) as server,
        transport(timeouts=Timeouts(answer_s=0.2, stall_s=0.2)) as wire,
    ):
        with pytest.raises(Broken, match="nothing came"):
            get(wire, at(server))
        done.set()


def test_a_trickle_ends_though_bytes_keep_coming() -> None:
    done = threading.Event()

    def handler(_: Seen) -> Answer:
        sock = server._open[-1]
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not done.wait(0.05):
            sock.sendall(b"x")
        return Raw((), close=True)

    with scripted(handler) as server, transport(timeouts=Timeouts(window_s=0.3)) as wire:
        with pytest.raises(Broken, match=r"sent \d+ bytes in"):
            get(wire, at(server))
        done.set()


def test_a_cancelled_operation_does_not_wait_for_the_other_end() -> None:
    cancel, done = Cancel(), threading.Event()

    def handler(_: Seen) -> Answer:
        cancel.set()
        return Raw((), wait=done, close=True)

    with scripted(handler) as server, transport() as wire:
        with pytest.raises(Cancelled):
            wire.fetch(Request("GET", at(server), {}), cancel)
        done.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_neither_does_one_that_is_not_connected_yet(scheme: str) -> None:
    # The queue of who is waiting to be accepted is full: the kernel leaves the next ones without an answer
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_server(("127.0.0.1", 0)) as silent:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        port = (silent if scheme == "https" else deaf).getsockname()[1]
        with transport() as wire, pytest.raises(Cancelled):
            wire.open(Request("GET", Url.parse(f"{scheme}://127.0.0.1:{port}/x"), {}), Cancel(0.2))
        for one in waiting:
            one.close()


def test_nobody_there_and_no_such_name_are_told() -> None:
    with scripted(lambda _: reply()) as server:
        url = at(server)
    with transport() as wire, pytest.raises(Unreachable, match="refused"):
        get(wire, url)


# -- bodies -----------------------------------------------------------------------------------------------------------


def test_bodies_arrive_whole_from_memory_and_from_files(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "f").write_bytes(b"skip" + data)
    told: list[int] = []

    def opened() -> io.BufferedReader:
        file = (tmp_path / "f").open("rb")
        file.seek(4)
        return file

    with scripted(lambda _: reply(201)) as server, transport() as wire:
        for body in (Body.of(data), Body(opened, len(data), told.append)):
            wire.open(Request("PUT", at(server), {}, body)).drop()
        assert [one.body == data for one in server.seen] == [True, True]
        assert told[-1] == len(data)


@pytest.mark.parametrize("is_file", [True, False])
def test_an_answer_before_the_body_is_sent_is_read_and_not_a_broken_pipe(is_file: bool, tmp_path: Path) -> None:
    size = 64 << 20
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)

    class Zeros:
        def readinto(self, buffer: memoryview) -> int:
            return len(buffer)

        def close(self) -> None:
            pass

    body = Body(lambda: (tmp_path / "sparse").open("rb") if is_file else Zeros(), size)
    with (
        scripted(lambda _: Raw((reply(413, b"too big"),), close=True), is_early=lambda _: True) as server,
        transport() as wire,
        wire.open(Request("PUT", at(server), {}, body)) as response,
    ):
        assert (response.status, response.read(100)) == (413, b"too big")


def test_a_source_that_ends_early_is_our_fault_and_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x" * 100_000)
    with scripted(lambda _: reply()) as server, transport() as wire:
        for opened in (lambda: (tmp_path / "short").open("rb"), lambda: io.BytesIO(b"x" * 10)):
            with pytest.raises(RegistryError, match="the source ended"):
                wire.open(Request("PUT", at(server), {}, Body(opened, 200_000)))


# -- redirects --------------------------------------------------------------------------------------------------------


def test_credentials_and_cookies_stay_behind_when_a_redirect_leads_to_another_host() -> None:
    secret = {"Authorization": "Bearer s", "Cookie": "c=1", "Range": "bytes=0-1"}
    with scripted(lambda _: reply(body=b"there")) as other:

        def handler(seen: Seen) -> Answer:
            place = "/here" if seen.path == "/x" else f"http://{other.host}/there"
            return reply(307, Location=place)

        with scripted(handler) as server, transport() as wire:
            assert get(wire, at(server), **secret) == b"there"
            assert [one["authorization"] for one in server.seen] == ["Bearer s", "Bearer s"]
    (seen,) = other.seen
    assert (seen["authorization"], seen["cookie"], seen["range"]) == ("", "", "bytes=0-1")


@pytest.mark.parametrize("place", ["/x", "/{n}"])
def test_redirects_in_a_circle_or_without_end_are_ended(place: str) -> None:
    with (
        scripted(lambda _: reply(302, Location=place.format(n=len(server.seen)))) as server,
        transport() as wire,
        pytest.raises(RegistryError, match="loop"),
    ):
        get(wire, at(server))
    assert len(server.seen) <= 12


@pytest.mark.parametrize(
    ("source", "location"),
    [
        ("https://r.example/x", "http://r.example/y"),
        ("https://r.example/x", "file:///etc/passwd"),
        ("https://r.example/x", "gopher://x"),
        ("https://r.example/x", "https://169.254.169.254/latest/meta-data"),
        ("https://r.example/x", "https://127.0.0.1/"),
        ("https://r.example/x", "https://localhost:8080/"),
        ("https://r.example/x", "https://[::ffff:169.254.169.254]/"),
        ("https://r.example/x", "https://[fe80::1]/"),
        ("http://r.example/x", "http://0.0.0.0/"),
        ("https://r.example/x", "https://2852039166/latest/meta-data"),
        ("https://r.example/x", "https://169.254.43518/"),
        ("https://r.example/x", "https://0251.254.169.254/"),
        ("https://r.example/x", "https://0x7f.1/"),
        ("https://r.example/x", "https://127.0.0.1./"),
        ("https://r.example/x", "https://localhost./"),
        ("https://r.example/x", "https://user:pw@r.example/"),
    ],
)
def test_redirects_lead_neither_down_to_http_nor_inside(source: str, location: str) -> None:
    with pytest.raises(RegistryError, match="redirected"):
        allowed(Url.parse(source), location)


def test_an_insecure_registry_may_redirect_to_http_on_this_machine_only() -> None:
    source = Url.parse("https://localhost:5000/x")
    assert allowed(source, "http://localhost:9000/y", is_insecure=True).port == 9000
    with pytest.raises(RegistryError):
        allowed(source, "http://localhost:9000/y")
    with pytest.raises(RegistryError):
        allowed(source, "http://s3.example/y", is_insecure=True)


def test_a_post_is_not_sent_on() -> None:
    with scripted(lambda _: reply(307, Location="/other")) as server, transport() as wire:
        with wire.fetch(Request("POST", at(server), {}, Body.of(b"secret"))) as response:
            assert response.status == 307
        assert len(server.seen) == 1


def test_an_endpoint_names_an_ipv6_address() -> None:
    with scripted(lambda _: reply()) as server:
        assert endpoint(server).host.startswith("127.0.0.1:")
    assert Url.of("https", "[::1]:5000", "/v2/").origin == ("::1", 5000)
