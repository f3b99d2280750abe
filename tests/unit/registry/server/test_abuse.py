"""Requests that no client sends, clients that take their time, and many of them at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance import datasets
from tests.conformance.datasets import INDEX, MANIFEST, noise
from tests.conformance.push import begin, push_blob, uploads
from tests.conformance.wire import digest_of, with_query
from tests.unit.registry.server.lab import Site, serving
from wherry.registry.server.storage import Storage


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path / "storage") as found:
        yield found


def connect(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.server.address[1]), timeout=30)


def exchange(site: Site, data: bytes) -> bytes:
    """All that comes back for these bytes and the end of them."""
    with connect(site) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def is_alive(site: Site) -> bool:
    return site.wire().get("/v2/").status == 200


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# -- fuzz

WORDS = [
    b"GET", b"HEAD", b"PUT", b"PATCH", b"POST", b"DELETE", b"OPTIONS", b"CONNECT", b"PRI", b"get", b"\x00", b"\xff\xfe",
    b" ", b"\r\n", b"\n", b"\r", b"\t", b":", b"/", b"//", b"?", b"#", b"%", b"%00", b"%2e%2e", b"..", b"/v2/", b"a/b",
    b"/blobs/", b"uploads/", b"/manifests/", b"/tags/list", b"/referrers/", b"_catalog", b"sha256:", b"a" * 64,
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.99999", b"Host: x", b"Content-Length: 5", b"Content-Length: -1",
    b"Content-Length: 5, 5", b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"Range: bytes=0-5", b"Range: bytes=-",
    b"Content-Range: 0-4", b"Content-Range: 5-1", b"Expect: 100-continue", b"Expect: x", b"Connection: close",
    b"Authorization: Basic !!", b"Accept: */*", b"Content-Type: " + MANIFEST.encode(), b"5\r\nhello\r\n", b"0\r\n\r\n",
    b"-1\r\n", b"fffffffffffffffff\r\n", b"?digest=", b"&mount=", b"&from=..", b"?n=-1&last=\xff", b"{}",
    b'{"schemaVersion":2}',
]  # fmt: skip


def shapes(site: Site) -> list[bytes]:
    """Whole requests, to be damaged."""
    wire = site.wire()
    blob = push_blob(wire, "fuzz/a", b"content")
    where = begin(wire, "fuzz/a").location.partition(site.address)[2]
    paths = (
        "/", "/v2/", "/v2/_catalog?n=2&last=a", "/v2/fuzz/a/tags/list?n=1", f"/v2/fuzz/a/blobs/{blob}", "/healthz",
        "/v2/fuzz/a/manifests/latest", f"/v2/fuzz/a/referrers/{blob}?artifactType=x", "/metrics",
    )  # fmt: skip
    found = [f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n" for path in paths]
    found += [f"HEAD {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-3\r\n\r\n" for path in paths]
    found.append(f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Range: 0-4\r\nContent-Length: 5\r\n\r\nhello")
    found.append(
        f"PUT {where}?digest={blob} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n"
    )
    found.append(
        f"POST /v2/fuzz/b/blobs/uploads/?mount={blob}&from=fuzz/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    )
    found.append(
        f"PUT /v2/fuzz/a/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Type: {INDEX}\r\nContent-Length: 73\r\n\r\n"
        '{"schemaVersion":2,"mediaType":"' + INDEX + '","manifests":[]}'
    )
    return [one.encode() for one in found]


def damaged(chance: random.Random, shape: bytes) -> bytes:
    data = bytearray(shape)
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.choice(WORDS)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2 if data:
                data[at % len(data)] = chance.randrange(256)
            case 3:
                data[at:at] = chance.randbytes(chance.randint(1, 40))
            case _:
                data += chance.choice((shape, data[:at], chance.choice(WORDS)))
    return bytes(data)


def test_nothing_that_is_sent_stops_the_server_or_leaves_anything_behind(tmp_path: Path) -> None:
    """Seeded. FUZZ_SECONDS=60 goes on for as long."""
    chance = random.Random(20_261_124)
    seconds = float(os.environ.get("FUZZ_SECONDS", "0"))
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    with serving(tmp_path / "storage") as site:
        models = shapes(site)
        until, count = time.monotonic() + seconds, 0
        while count < 1200 or time.monotonic() < until:
            count += 1
            if chance.randrange(5):
                data = damaged(chance, chance.choice(models))
            else:
                data = b"".join(chance.choice(WORDS) for _ in range(chance.randint(1, 30)))
            answer = exchange(site, data)
            assert not answer or status(answer) in range(200, 600), (data, answer[:200])
            assert b"Traceback" not in answer
            assert status(answer) not in {500, 502, 503}, (data, answer)
        assert is_alive(site)
        assert site.wire().get(f"/v2/fuzz/a/blobs/{digest_of(b'content')}").body == b"content"
        assert eventually(lambda: site.server.in_flight == 0)
        # One request after the other needs few threads; what leaked would be hundreds
        assert threading.active_count() < threads + 40
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= files)


# -- heads and bodies that are none

HEAD = b"PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\n"
BROKEN = {
    "both lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "length in words": HEAD + b"Content-Length: five\r\n\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size in words": HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "endless chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000,
    "chunk without an end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
    "huge chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "space before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello",
    "folded header": HEAD + b"X: a\r\n b\r\n\r\n",
    "no host": b"GET /v2/ HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "nul in a header": HEAD + b"X: a\0b\r\n\r\n",
    "nul in the path": b"GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET /v2/ HTTP/3.0\r\nHost: x\r\n\r\n",
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    "long header": HEAD + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n",
    "long path": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_not_http_is_refused_and_the_connection_ends(site: Site, kind: str) -> None:
    answer = exchange(site, BROKEN[kind] + b"GET /v2/ HTTP/1.1\r\nHost: smuggled\r\n\r\n")
    # A flood may be cut before it is over, and then the answer is lost with the connection
    assert status(answer) in ({400, 408, 411, 413, 414, 431, 501, 505} | ({0} if len(BROKEN[kind]) > 9000 else set()))
    assert len(re.findall(rb"^HTTP/1\.1 \d", answer, re.MULTILINE)) <= 1, "what came behind is not a request"
    assert is_alive(site)


def test_a_body_shorter_than_its_length_makes_no_blob(site: Site) -> None:
    digest = digest_of(b"hello")
    exchange(
        site,
        f"POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello".encode(),
    )
    assert site.wire().head(f"/v2/a/blobs/{digest}").status == 404
    assert list(site.storage.layout.blobs()) == []


def test_expect_is_answered_before_the_body(site: Site) -> None:
    digest = digest_of(b"hello")
    with connect(site) as sock:
        head = f"POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        assert sock.recv(1000).startswith(b"HTTP/1.1 201 ")


# -- paths that lead away

AWAY = [
    "..", "../..", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2f..%2fetc%2fpasswd", "....//", "a/../../b", "a/%2e%2e/b", "a%00b",
    "a%0ab", "a%2fb", "%c0%ae%c0%ae", "..%5c..", "/etc/passwd", "sha256:../../../../etc/passwd",
    "sha256:" + "../" * 21 + "x", "sha256%3a..%2f..", "_catalog", "a" * 300, "A", "uploads", "registry.db", ".",
]  # fmt: skip
FIELDS = [
    ("GET", "/v2/{}/tags/list"),
    ("GET", "/v2/a/manifests/{}"),
    ("PUT", "/v2/a/manifests/{}"),
    ("GET", "/v2/a/blobs/{}"),
    ("DELETE", "/v2/a/blobs/{}"),
    ("GET", "/v2/a/referrers/{}"),
    ("GET", "/v2/a/blobs/uploads/{}"),
    ("PATCH", "/v2/a/blobs/uploads/{}"),
    ("PUT", "/v2/a/blobs/uploads/{}"),
    ("DELETE", "/v2/a/blobs/uploads/{}"),
    ("POST", "/v2/{}/blobs/uploads/"),
    ("POST", "/v2/a/blobs/uploads/?mount={}&from=b"),
    ("POST", "/v2/a/blobs/uploads/?mount=sha256:" + "0" * 64 + "&from={}"),
    ("POST", "/v2/a/blobs/uploads/?digest={}"),
    ("GET", "/v2/_catalog?last={}&n=1"),
    ("GET", "/v2/a/tags/list?last={}"),
    ("GET", "/{}"),
    ("GET", "/browse/{}"),
]


@pytest.mark.parametrize(("method", "target"), FIELDS)
def test_no_field_leads_out_of_the_storage(tmp_path: Path, site: Site, method: str, target: str) -> None:
    outside = tmp_path / "etc"
    outside.mkdir()
    (outside / "passwd").write_text("root:secret")
    before = sorted(os.listdir(tmp_path))
    for away in AWAY:
        head = f"{method} {target.format(away)} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        answer = exchange(site, head.encode())
        assert status(answer) in {200, 202, 400, 404, 405}, (away, answer)
        assert b"root:" not in answer
        assert b"SQLite" not in answer
        if status(answer) == 202:
            assert method == "POST", "only an upload may have begun"
    assert sorted(os.listdir(tmp_path)) == before
    assert sorted(os.listdir(tmp_path / "storage" / "blobs" / "sha256")) == []


def test_an_upload_of_one_repository_cannot_be_ended_in_another(site: Site) -> None:
    wire = site.wire()
    where = begin(wire, "mine").location
    assert wire.patch(where, b"hello").status == 202
    stolen = where.replace("/v2/mine/", "/v2/yours/")
    assert wire.put(with_query(stolen, digest=digest_of(b"hello")), b"").status == 404
    assert wire.get(stolen).status == 404
    assert wire.put(with_query(where, digest=digest_of(b"hello"))).status == 201
    assert wire.put(with_query(where, digest=digest_of(b"hello"))).status == 404, "once"


# -- slow ones


def test_256_slow_clients_do_not_stop_others(site: Site) -> None:
    wire = site.wire()
    large = push_blob(wire, "a", noise("large", 4 << 20))
    slow: list[socket.socket] = []
    try:
        for number in range(256):
            sock = connect(site)
            slow.append(sock)
            match number % 4:
                case 0:
                    sock.sendall(b"GET /v2/ HT")
                case 1:
                    head = f"POST /v2/a/blobs/uploads/?digest={digest_of(b'')} HTTP/1.1\r\nHost: x\r\n"
                    sock.sendall(f"{head}Content-Length: 1000000\r\n\r\nx".encode())
                case 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    sock.sendall(f"GET /v2/a/blobs/{large} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                case _:
                    pass
        other = site.wire()
        digest = push_blob(other, "b", noise("quick", 300_000))
        assert other.get(f"/v2/b/blobs/{digest}").status == 200
        assert site.wire().get(f"/v2/a/blobs/{large}").status == 200
        # Each has moved on a little, as slow ones do
        for sock in slow[::8]:
            sock.sendall(b"T")
        assert is_alive(site)
    finally:
        for sock in slow:
            sock.close()


# -- many at once


def test_32_push_one_blob_at_once(site: Site) -> None:
    data = noise("pushed by all", 500_000)
    digest = digest_of(data)
    start = threading.Barrier(32)
    found: list[int] = []

    def push() -> None:
        wire = site.wire()
        start.wait(30)
        where = wire.post(uploads("shared")).location
        found.append(wire.put(with_query(where, digest=digest), data).status)

    pushing = [threading.Thread(target=push) for _ in range(32)]
    for one in pushing:
        one.start()
    for one in pushing:
        one.join(60)
    assert found == [201] * 32
    assert site.wire().get(f"/v2/shared/blobs/{digest}").body == data
    assert len(list(site.storage.layout.blobs())) == 1
    assert list(site.storage.layout.uploads()) == []


def test_a_blob_that_is_deleted_while_it_is_pulled_arrives_whole(site: Site) -> None:
    data = noise("deleted", 1 << 20) * 32
    digest = push_blob(site.wire(), "a", data)
    with connect(site) as sock:
        sock.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = sock.recv(4096)
        assert site.wire().delete(f"/v2/a/blobs/{digest}").status == 202
        assert site.wire().get(f"/v2/a/blobs/{digest}").status == 404
        while piece := sock.recv(1 << 20):
            got += piece
    assert got.partition(b"\r\n\r\n")[2] == data


def test_a_tag_that_many_move_is_one_of_theirs(site: Site) -> None:
    wire = site.wire()
    docs = [
        b'{"schemaVersion":2,"mediaType":"%s","manifests":[],"annotations":{"n":"%d"}}' % (INDEX.encode(), n)
        for n in range(16)
    ]

    def move(doc: bytes) -> None:
        assert site.wire().put("/v2/a/manifests/latest", doc, Content_Type=INDEX).status == 201

    moving = [threading.Thread(target=move, args=(doc,)) for doc in docs]
    for one in moving:
        one.start()
    for one in moving:
        one.join(60)
    assert wire.get("/v2/a/manifests/latest", Accept=INDEX).body in docs
    assert wire.get("/v2/a/tags/list").json["tags"] == ["latest"]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-0,5-9",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(2000)),
        "bytes=99999999999999999999-",
        "bytes=-0",
        "bytes=0-99999999999999999999",
        "bytes=5-2",
        "items=0-5",
        "bytes",
        "bytes=0x1-0x5",
        "bytes= 0-5",
        "bytes=\u0661-5",
    ],
)
def test_a_range_of_a_wrong_kind_gives_all_a_part_or_416(site: Site, asked: str) -> None:
    data = noise("ranged", 2048)
    wire = site.wire()
    digest = push_blob(wire, "a", data)
    answer = wire.ask("GET", f"/v2/a/blobs/{digest}", headers={"Range": asked.encode("utf-8").decode("latin-1")})
    assert answer.status in {200, 206, 400, 416}
    if answer.status == 200:
        assert answer.body == data
    elif answer.status == 206:
        first, _, last = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")[0].partition("-")
        assert answer.body == data[int(first) : int(last) + 1]


def test_an_upload_that_is_never_finished_expires(tmp_path: Path) -> None:
    now = [1e9]
    from wherry.registry.server.app import App

    storage = Storage(str(tmp_path / "s"), now=lambda: now[0])
    try:
        app = App(storage)
        sessions = app.uploads.sessions
        id = sessions.start("a")
        os.close(storage.layout.new_upload(id))
        os.utime(tmp_path / "s" / "uploads" / id, (now[0], now[0]))
        assert sessions.expire() == 0
        now[0] += 25 * 3600
        assert sessions.expire() == 1
        assert os.listdir(tmp_path / "s" / "uploads") == []
    finally:
        storage.close()


def test_a_blob_is_never_a_page(site: Site) -> None:
    digest = push_blob(site.wire(), "a", b"<script>alert(1)</script>")
    answer = site.wire().get(f"/v2/a/blobs/{digest}")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_million_descriptors_are_too_many(site: Site) -> None:
    one = b'{"mediaType":"%s","digest":"%s","size":1},' % (MANIFEST.encode(), digest_of(b"x").encode())
    doc = b'{"schemaVersion":2,"mediaType":"%s","manifests":[' % INDEX.encode() + one * 40_000
    answer = site.wire().put("/v2/a/manifests/x", doc[:-1] + b"]}", Content_Type=INDEX)
    assert answer.status in {400, 413}
    assert is_alive(site)


def test_the_referrers_of_a_flooded_subject_come_in_pages(site: Site) -> None:
    wire = site.wire()
    push_blob(wire, "a", b"{}")
    subject = datasets.descriptor(b"subject", MANIFEST)
    for n in range(30):
        doc = datasets.dumped(datasets._index([], subject=subject, annotations={"n": str(n), "pad": "x" * 200_000}))
        assert wire.put(f"/v2/a/manifests/{digest_of(doc)}", doc, Content_Type=INDEX).status == 201
    found, where, pages = [], f"/v2/a/referrers/{digest_of(b'subject')}", 0
    while where:
        answer = wire.get(where)
        assert answer.status == 200
        assert len(answer.body) <= 4 << 20
        found += [entry["digest"] for entry in answer.json["manifests"]]
        link, pages = answer.headers.get("Link", ""), pages + 1
        where = link[1 : link.index(">")] if link else ""
    assert len(found) == len(set(found)) == 30
    assert pages > 1
