"""Uploads between requests: whose they are, how far they are, and what ends them."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.push import begin, push_blob, uploads
from tests.conformance.wire import digest_of, with_query
from tests.unit.registry.server.lab import Site, serving
from wherry.registry.server import receive
from wherry.registry.server.app import Policy
from wherry.registry.server.hooks import Decision
from wherry.web.server import Request


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path / "storage") as found:
        yield found


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


@pytest.mark.parametrize("parts", [(), (b"hello ",), (b"hello ", b"again ")])
def test_an_upload_outlives_the_server(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    with serving(tmp_path / "storage") as site:
        wire = site.wire()
        where = begin(wire, "a/b").location
        for part in parts:
            where = wire.patch(where, part).location
        where = path_of(where)
    sent = b"".join(parts)
    with serving(tmp_path / "storage") as site:
        wire = site.wire()
        found = wire.get(where)
        assert (found.status, found.headers["Range"]) == (204, f"0-{max(len(sent) - 1, 0)}")
        answer = wire.put(with_query(where, digest=digest_of(sent + b"world")), b"world")
        assert answer.status == 201
        assert wire.get(answer.location).body == sent + b"world"
        assert os.listdir(tmp_path / "storage" / "uploads") == []


def test_an_upload_hashed_by_one_algorithm_can_end_with_another(site: Site) -> None:
    wire = site.wire()
    where = wire.patch(begin(wire, "a").location, b"hello ").location
    digest = digest_of(b"hello world", "sha512")
    assert wire.put(with_query(where, digest=digest), b"world").status == 201
    assert wire.get(f"/v2/a/blobs/{digest}").body == b"hello world"


def test_an_upload_that_was_ended_means_nothing_any_more(site: Site) -> None:
    wire = site.wire()
    done, given_up = begin(wire, "a").location, begin(wire, "a").location
    digest = digest_of(b"x")
    assert wire.put(with_query(done, digest=digest), b"x").status == 201
    assert wire.delete(given_up).status == 204
    for where in (done, given_up):
        assert wire.get(where).status == 404
        assert wire.patch(where, b"y").codes == ["BLOB_UPLOAD_UNKNOWN"]
        assert wire.put(with_query(where, digest=digest), b"x").status == 404
        assert wire.delete(where).status == 404


@pytest.mark.parametrize("change", [lambda id: id[:-1], lambda id: id + "A", lambda id: id[::-1], lambda id: "x" * 48])
def test_an_id_can_be_neither_guessed_nor_changed(site: Site, change: object) -> None:
    wire = site.wire()
    head, _, id = path_of(begin(wire, "a").location).rpartition("/")
    assert wire.patch(f"{head}/{change(id)}", b"x").status == 404  # type: ignore[operator]


def test_a_second_request_at_one_upload_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    with serving(tmp_path / "storage", policy=Policy(can_delete=True, patience_s=0.05)) as site:
        refuse_a_second_request(site)


def refuse_a_second_request(site: Site) -> None:
    wire = site.wire()
    where = begin(wire, "a").location
    first_part, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"hello "
        first_part.set()
        go_on.wait(30)
        yield b"world"

    answers = []
    thread = threading.Thread(target=lambda: answers.append(site.wire().patch(where, slowly())))
    thread.start()
    assert first_part.wait(30)
    deadline = time.monotonic() + 30
    while wire.get(where).headers["Range"] != "0-5":
        assert time.monotonic() < deadline
    for answer in (
        wire.patch(where, b"mine"),
        wire.put(with_query(where, digest=digest_of(b"mine")), b"mine"),
        wire.delete(where),
    ):
        assert (answer.status, answer.codes) == (409, ["BLOB_UPLOAD_INVALID"])
    go_on.set()
    thread.join()
    assert answers[0].status == 202
    digest = digest_of(b"hello world")
    assert wire.put(with_query(where, digest=digest)).status == 201
    assert wire.get(f"/v2/a/blobs/{digest}").body == b"hello world"


def test_a_chunk_that_is_sent_again_is_refused_and_the_upload_goes_on(site: Site) -> None:
    wire = site.wire()
    where = wire.patch(begin(wire, "a").location, b"hello ", Content_Range="0-5").location
    again = wire.patch(where, b"hello ", Content_Range="0-5")
    assert (again.status, again.headers["Range"]) == (416, "0-5")
    overlap = wire.patch(where, b"o world", Content_Range="4-10")
    assert overlap.status == 416
    where = wire.patch(overlap.location, b"world", Content_Range="6-10").location
    assert wire.put(with_query(where, digest=digest_of(b"hello world"))).status == 201


@pytest.mark.parametrize("stated", ["x", "0-", "-5", "5-0", "0-4, 5-9", "0-99999999999999999999"])
def test_a_chunk_with_a_range_that_is_none_is_refused(site: Site, stated: str) -> None:
    wire = site.wire()
    assert wire.patch(begin(wire, "a").location, b"hello", Content_Range=stated).status == 416


def test_a_chunk_of_another_length_than_its_range_is_taken_back(site: Site) -> None:
    wire = site.wire()
    where = wire.patch(begin(wire, "a").location, b"hello ").location
    assert wire.patch(where, b"world", Content_Range="6-9").codes == ["SIZE_INVALID"]
    assert wire.patch(where, iter([b"wor", b"ld!"]), Content_Range="6-10").codes == ["SIZE_INVALID"]
    assert wire.get(where).headers["Range"] == "0-5"
    assert wire.put(with_query(where, digest=digest_of(b"hello world")), b"world").status == 201


def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(tmp_path: Path, site: Site) -> None:
    wire = site.wire()
    where = wire.patch(begin(wire, "a").location, b"hello").location
    assert wire.put(with_query(where, digest=digest_of(b"other"))).codes == ["DIGEST_INVALID"]
    assert wire.post(f"{uploads('a')}?digest={digest_of(b'other')}", b"hello").codes == ["DIGEST_INVALID"]
    assert os.listdir(tmp_path / "storage" / "uploads") == []
    assert os.listdir(tmp_path / "storage" / "blobs" / "sha256") == []


def test_a_large_blob_is_hashed_beside_its_writing(site: Site) -> None:
    wire = site.wire()
    data = os.urandom(20 << 20) + b"odd"
    answer = wire.put(with_query(begin(wire, "a").location, digest=digest_of(data)), data)
    assert answer.status == 201
    assert wire.get(answer.location).body == data
    assert wire.put(with_query(begin(wire, "a").location, digest=digest_of(data)), data[:-1] + b"x").status == 400


def full_after(writes: int) -> object:
    """`write_all` of a disk that is full after so many writes, in the middle of one."""
    really, left = receive.write_all, [writes]

    def write_all(fd: int, data: memoryview) -> None:
        left[0] -= 1
        if left[0] < 0:
            really(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        really(fd, data)

    return write_all


@pytest.mark.parametrize("size", [3 << 20, 9 << 20])
def test_a_full_disk_is_told_and_the_upload_goes_on_when_there_is_room(
    site: Site, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    wire = site.wire()
    data = os.urandom(size)
    where = begin(wire, "a").location
    with monkeypatch.context() as patched:
        patched.setattr(receive, "write_all", full_after(2))
        answer = wire.patch(where, data)
        assert (answer.status, answer.codes) == (507, ["DENIED"])
    kept = int(wire.get(where).headers["Range"].partition("-")[2]) + 1
    assert 0 < kept < size
    where = wire.patch(where, data[kept:]).location
    answer = wire.put(with_query(where, digest=digest_of(data)))
    assert answer.status == 201
    assert wire.get(answer.location).body == data


def test_an_upload_can_be_given_up_when_the_disk_is_full(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = site.wire()
    where = begin(wire, "a").location
    monkeypatch.setattr(receive, "write_all", full_after(1))
    assert wire.patch(where, bytes(3 << 20)).status == 507
    assert wire.delete(where).status == 204
    assert os.listdir(tmp_path / "storage" / "uploads") == []


def test_what_cannot_fit_is_refused_before_it_is_sent(site: Site) -> None:
    wire = site.wire()
    where = begin(wire, "a").location
    site.storage.layout.free_bytes = lambda: 1 << 20  # type: ignore[method-assign]
    assert wire.put(with_query(where, digest=digest_of(b"x")), bytes(20 << 20)).status == 507


class Tenants:
    """Everybody may do all in the repositories below their own name, which they say in a header."""

    def check(self, request: Request, action: str, repository: str) -> Decision:
        return Decision(allowed=repository.startswith(request.headers.get("x-tenant", "") + "/"))


def test_a_mount_shows_nothing_of_a_source_that_may_not_be_pulled(tmp_path: Path) -> None:
    with serving(tmp_path / "storage", make=lambda _: {"guard": Tenants()}) as site:
        alice, bob = site.wire(**{"X-Tenant": "alice"}), site.wire(**{"X-Tenant": "bob"})
        digest = push_blob(alice, "alice/a", b"secret")
        missing = digest_of(b"missing")
        answers = [
            bob.post(f"{uploads('bob/b')}?mount={one}{source}")
            for one in (digest, missing)
            for source in ("&from=alice/a", "")
        ]
        # The one that is there is answered just as the one that is not
        assert [answer.status for answer in answers] == [202] * 4
        assert bob.head(f"/v2/bob/b/blobs/{digest}").status == 404
        assert alice.post(f"{uploads('alice/c')}?mount={digest}").status == 201
        assert alice.get(f"/v2/alice/c/blobs/{digest}").body == b"secret"


def test_a_blob_of_one_repository_is_not_shown_by_another(site: Site) -> None:
    wire = site.wire()
    digest = push_blob(wire, "a", b"content")
    for name in ("b", "a/blobs", "a/b"):
        assert wire.get(f"/v2/{name}/blobs/{digest}").status == 404


def test_names_that_look_like_endpoints_are_repositories_of_their_own(site: Site) -> None:
    wire = site.wire()
    names = [
        "a",
        "a/b",
        "a/blobs",
        "a/blobs/uploads",
        "a/manifests",
        "a/tags/list",
        "tags/list",
        "blobs",
        "v2",
        "n" * 255,
    ]
    for name in names:
        data = name.encode()
        digest = push_blob(wire, name, data)
        assert wire.get(f"/v2/{name}/blobs/{digest}").body == data
    for name in names:
        others = [other for other in names if other != name]
        assert all(wire.head(f"/v2/{other}/blobs/{digest_of(name.encode())}").status == 404 for other in others)
    assert sorted(names) == wire.get("/v2/_catalog").json["repositories"]


@pytest.mark.parametrize("how", ["Content-Length: 9000000", "Content-Length: 100000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [6, 5000])
def test_uploads_that_stop_in_the_middle_stop_no_others(site: Site, how: str, sent: int) -> None:
    """More of them than there are buffers."""
    stopped = []
    for _ in range(12):
        sock = socket.create_connection(("127.0.0.1", site.server.address[1]), timeout=30)
        stopped.append(sock)
        part = b"x" * sent if "Length" in how else b"%x\r\n" % sent + b"x" * sent + b"\r\n"
        where = f"{uploads('slow')}?digest={digest_of(b'never')}"
        sock.sendall(f"POST {where} HTTP/1.1\r\nHost: x\r\n{how}\r\n\r\n".encode() + part)
    deadline = time.monotonic() + 30
    while sum(one.stat().st_size for one in Path(site.storage.layout.path, "uploads").iterdir()) < 12 * sent:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    wire = site.wire()
    started = time.monotonic()
    assert push_blob(wire, "quick", b"content")
    # A window of patience is 20 s: none of them was waited for
    assert time.monotonic() - started < 15
    for sock in stopped:
        sock.close()
