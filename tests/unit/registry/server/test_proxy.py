"""Pull-through: a registry in front of another one, both of them ours, over loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conformance import datasets
from tests.conformance.datasets import INDEX, MANIFEST, noise
from tests.conformance.push import push_blob
from tests.conformance.wire import Wire, digest_of
from tests.unit.registry.server.lab import Site, serving
from wherry.cancel import Cancel
from wherry.errors import IntegrityError, NotFound, RateLimited, Unauthorized, Unreachable, UsageError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.client import Client, FetchedManifest, Repository
from wherry.registry.credentials import Credential
from wherry.registry.hosts import Endpoint, Hosts
from wherry.registry.proxies import Proxies
from wherry.registry.server.app import Policy
from wherry.registry.server.proxy import PullThrough, upstream
from wherry.registry.tls import TlsSettings
from wherry.registry.transport import Transport

ACCEPT = f"{INDEX}, {MANIFEST}"


class Nobody:
    """No credentials for anybody."""

    def find(self, host: str, repository: str = "") -> Credential | None:
        return None


def in_front(folder: Path, clients: Any, endpoint_of: Any) -> Any:
    return serving(
        folder,
        policy=Policy(can_write=False),
        make=lambda storage: {"proxy": PullThrough(storage, clients, endpoint_of)},
    )


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path / "behind") as site:
        yield site


@pytest.fixture
def client() -> Iterator[Client]:
    found = Client(Transport(TlsSettings.from_env({}), Proxies.from_env({})), Nobody())
    yield found
    found.close()


@pytest.fixture
def front(tmp_path: Path, behind: Site, client: Client) -> Iterator[Site]:
    with in_front(tmp_path / "front", client, upstream(f"http://{behind.address}", Hosts())) as site:
        yield site


def push(wire: Wire, data: datasets.DataSet, repo: str = "some/app") -> None:
    for blob in data.blobs:
        push_blob(wire, repo, blob, data.algorithm)
    for one in data.manifests:
        for reference in (one.digest, *one.tags):
            answer = wire.put(f"/v2/{repo}/manifests/{reference}", one.data, Content_Type=one.media_type)
            assert answer.status == 201


def asked(site: Site, method: str) -> list[str]:
    return [one.request.path for one in site.done if one.request.method == method]


def test_an_image_is_fetched_once_and_served_from_then_on(front: Site, behind: Site) -> None:
    data = datasets.image()
    push(behind.wire(), data)
    wire, one = front.wire(), data.manifests[0]
    for _ in range(2):
        found = wire.get("/v2/some/app/manifests/image", Accept=ACCEPT)
        assert (found.status, found.body) == (200, one.data)
        assert found.headers["Docker-Content-Digest"] == one.digest
        for blob in data.blobs:
            answer = wire.get(f"/v2/some/app/blobs/{digest_of(blob)}")
            assert (answer.status, answer.body) == (200, blob)
    fetched = asked(behind, "GET")
    assert sorted(fetched) == sorted(set(fetched)), "nothing was fetched twice"
    assert len(fetched) == 1 + len(data.blobs)


def test_only_the_platform_that_is_asked_for_is_fetched(front: Site, behind: Site) -> None:
    data = datasets.index()
    push(behind.wire(), data)
    wire = front.wire()
    first, _, top = data.manifests
    assert wire.get("/v2/some/app/manifests/index", Accept=ACCEPT).body == top.data
    assert wire.get(f"/v2/some/app/manifests/{first.digest}", Accept=ACCEPT).body == first.data
    for layer in first.doc["layers"]:
        assert wire.get(f"/v2/some/app/blobs/{layer['digest']}").status == 200
    fetched = asked(behind, "GET")
    assert len(fetched) == 2 + len(first.doc["layers"])


def test_a_tag_that_moved_is_seen_at_once(front: Site, behind: Site) -> None:
    old, new = datasets.image(), datasets.image_uncompressed()
    push(behind.wire(), old)
    wire = front.wire()
    assert wire.get("/v2/some/app/manifests/image", Accept=ACCEPT).body == old.manifests[0].data
    push(behind.wire(), new)
    moved = new.manifests[0]
    assert behind.wire().put("/v2/some/app/manifests/image", moved.data, Content_Type=MANIFEST).status == 201
    assert wire.get("/v2/some/app/manifests/image", Accept=ACCEPT).body == moved.data
    digest = old.manifests[0].digest
    assert wire.get(f"/v2/some/app/manifests/{digest}", Accept=ACCEPT).body == old.manifests[0].data


def test_what_was_fetched_is_served_without_the_upstream_and_says_so(tmp_path: Path, client: Client) -> None:
    data = datasets.image()
    with serving(tmp_path / "behind") as behind:
        push(behind.wire(), data)
        with in_front(tmp_path / "front", client, upstream(f"http://{behind.address}", Hosts())) as front:
            wire = front.wire()
            fresh = wire.get("/v2/some/app/manifests/image", Accept=ACCEPT)
            assert fresh.headers.get("Warning") is None
            wire.get(f"/v2/some/app/blobs/{digest_of(data.blobs[0])}")
    down = Upstream(failure=Unreachable("nobody there"))
    with in_front(tmp_path / "front", down, upstream("http://127.0.0.1:9", Hosts())) as front:
        wire = front.wire()
        stale = wire.get("/v2/some/app/manifests/image", Accept=ACCEPT)
        assert (stale.status, stale.body) == (200, data.manifests[0].data)
        assert stale.headers["Warning"].startswith("110 ")
        by_digest = wire.get(f"/v2/some/app/manifests/{data.manifests[0].digest}", Accept=ACCEPT)
        assert (by_digest.status, by_digest.headers.get("Warning")) == (200, None)
        assert wire.get(f"/v2/some/app/blobs/{digest_of(data.blobs[0])}").body == data.blobs[0]
        assert wire.get(f"/v2/some/app/blobs/{digest_of(data.blobs[1])}").status == 502


def test_an_upstream_that_is_down_is_not_waited_for_by_everybody(tmp_path: Path) -> None:
    data = datasets.empty_index().manifests[0]
    now = [100.0]
    there_and_gone = Upstream()
    there_and_gone.digest = data.digest
    there_and_gone.manifests = {data.digest: data.data}
    with serving(
        tmp_path / "front", make=lambda storage: {"proxy": PullThrough(storage, there_and_gone, there, lambda: now[0])}
    ) as front:
        wire = front.wire()

        def get() -> str | None:
            answer = wire.get("/v2/a/manifests/latest", Accept=ACCEPT)
            assert answer.body == data.data
            return answer.headers.get("Warning")

        assert get() is None
        there_and_gone.failure = Unreachable("gone")
        assert get()
        there_and_gone.failure = None
        asked = there_and_gone.heads
        assert get(), "not asked again yet"
        assert there_and_gone.heads == asked
        now[0] += 16
        assert get() is None


def test_a_push_is_refused(front: Site) -> None:
    answer = front.wire().post("/v2/some/app/blobs/uploads/")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert front.wire().put("/v2/some/app/manifests/x", b"{}", Content_Type=MANIFEST).status == 405


def test_what_the_upstream_does_not_have_is_not_found(front: Site, behind: Site) -> None:
    push(behind.wire(), datasets.image())
    wire = front.wire()
    assert wire.get("/v2/some/app/manifests/none", Accept=ACCEPT).status == 404
    assert wire.get("/v2/other/manifests/image", Accept=ACCEPT).status == 404
    assert wire.get(f"/v2/some/app/blobs/{digest_of(b'none')}").status == 404
    assert wire.head(f"/v2/some/app/blobs/{digest_of(b'none')}").status == 404


def test_a_blob_of_one_repository_is_not_shown_in_another_that_lacks_it(front: Site, behind: Site) -> None:
    data = datasets.image()
    push(behind.wire(), data)
    push_blob(behind.wire(), "other", b"something else")
    digest = digest_of(data.blobs[0])
    wire = front.wire()
    assert wire.get(f"/v2/some/app/blobs/{digest}").status == 200
    assert wire.get(f"/v2/other/blobs/{digest}").status == 404
    push_blob(behind.wire(), "other", data.blobs[0])
    assert wire.get(f"/v2/other/blobs/{digest}").body == data.blobs[0]
    assert len([path for path in asked(behind, "GET") if digest in path]) == 1, "the bytes were here already"


def test_the_size_of_a_blob_is_told_without_fetching_it(front: Site, behind: Site) -> None:
    push_blob(behind.wire(), "some/app", b"x" * 12345)
    answer = front.wire().head(f"/v2/some/app/blobs/{digest_of(b'x' * 12345)}")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "12345")
    assert asked(behind, "GET") == []


@pytest.mark.parametrize(("asked_for", "status", "size"), [("0-9", 206, 10), ("990-", 206, 10), ("5000-", 416, None)])
def test_a_range_is_served_once_the_blob_is_here(
    front: Site, behind: Site, asked_for: str, status: int, size: int | None
) -> None:
    digest = push_blob(behind.wire(), "some/app", noise("ranged", 1000))
    answer = front.wire().get(f"/v2/some/app/blobs/{digest}", Range=f"bytes={asked_for}")
    assert answer.status == status
    if size is not None:
        assert len(answer.body) == size


def test_an_empty_blob_comes_through(front: Site, behind: Site) -> None:
    digest = push_blob(behind.wire(), "some/app", b"")
    assert front.wire().get(f"/v2/some/app/blobs/{digest}").body == b""


def test_another_registrys_namespace_is_not_answered_for(front: Site, behind: Site) -> None:
    push(behind.wire(), datasets.image())
    wire = front.wire()
    assert wire.get("/v2/some/app/manifests/image?ns=quay.io", Accept=ACCEPT).status == 404
    assert wire.get(f"/v2/some/app/manifests/image?ns={behind.address}", Accept=ACCEPT).status == 200


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://", "https://user:secret@host", "https://host?x=1", "file:///etc/passwd"]
)
def test_an_upstream_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        upstream(url, Hosts())


def test_the_upstream_is_one_host_whatever_the_name() -> None:
    assert upstream("docker.io", Hosts())("library/python").host == "registry-1.docker.io"
    at = upstream("https://harbor.example/cache/", Hosts())("a/b")
    assert (at.host, at.repository, at.scheme) == ("harbor.example", "cache/a/b", "https")


# -- an upstream that plays tricks


class Upstream:
    """Stands for a Client: each repository is this. `data` comes piece by piece, each after a turn of `gate`."""

    def __init__(
        self, blobs: dict[str, bytes] | None = None, *, failure: Exception | None = None, gate: Any = None
    ) -> None:
        self.blobs, self.failure, self.gate = blobs or {}, failure, gate
        self.opened = self.heads = 0
        self.digest = ""
        self.manifests: dict[str, bytes] = {}

    def repository(self, endpoint: Endpoint, actions: tuple[str, ...] = ("pull",)) -> Repository:
        return cast("Repository", self)

    def head_manifest(self, tag: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        self.heads += 1
        if self.failure:
            raise self.failure
        return Descriptor(MANIFEST, Digest(self.digest), 1) if self.digest else None

    def manifest(self, tag: str, *, cancel: Cancel | None = None) -> FetchedManifest:
        if tag in self.manifests:
            return FetchedManifest(self.manifests[tag], INDEX, Digest(tag))
        raise IntegrityError("manifest", expected="a", actual="b")

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        if self.failure:
            raise self.failure
        return len(self.blobs[digest]) if digest in self.blobs else None

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Any:
        self.opened += 1
        return _Reader(self, self.blobs[descriptor.digest], descriptor)


class _Reader:
    def __init__(self, upstream: Upstream, data: bytes, descriptor: Descriptor) -> None:
        self._upstream, self._data, self._descriptor = upstream, data, descriptor
        self._at = 0

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def readinto(self, buffer: memoryview) -> int:
        if self._upstream.gate:
            self._upstream.gate.acquire()
        part = self._data[self._at : self._at + 1000]
        if not part:
            if digest_of(self._data) != self._descriptor.digest:
                raise IntegrityError("blob", expected=self._descriptor.digest, actual=digest_of(self._data))
            return 0
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def there(name: str) -> Endpoint:
    return Endpoint("upstream.example", name)


def test_a_wrong_blob_is_never_whole_and_never_kept(tmp_path: Path) -> None:
    right, wrong = noise("right", 5000), noise("wrong", 5000)
    lying = Upstream({digest_of(right): wrong})
    with in_front(tmp_path / "front", lying, there) as front:
        with pytest.raises(Exception, match="IncompleteRead"):
            front.wire().get(f"/v2/a/blobs/{digest_of(right)}")
        assert front.storage.find_blob("a", Digest(digest_of(right))) is None
        assert list(front.storage.layout.blobs()) == []
        assert list(front.storage.layout.uploads()) == []
        lying.blobs = {digest_of(right): right}
        assert front.wire().get(f"/v2/a/blobs/{digest_of(right)}").body == right


def test_a_wrong_manifest_is_never_kept(tmp_path: Path) -> None:
    lying = Upstream()
    lying.digest = digest_of(b"promised")
    with in_front(tmp_path / "front", lying, there) as front:
        for reference in ("latest", lying.digest):
            answer = front.wire().get(f"/v2/a/manifests/{reference}", Accept=ACCEPT)
            assert (answer.status, answer.codes) == (502, ["UNAVAILABLE"])
        assert front.storage.check().manifests == 0


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Unauthorized("no"), 404), (NotFound("no"), 404), (Unreachable("no"), 502), (RateLimited("no"), 429)],
)
def test_an_upstream_that_refuses_is_told_in_our_words(tmp_path: Path, failure: Exception, status: int) -> None:
    with in_front(tmp_path / "front", Upstream(failure=failure), there) as front:
        answer = front.wire().get("/v2/a/manifests/latest", Accept=ACCEPT)
        assert answer.status == status
        assert (answer.headers.get("Retry-After") is not None) == (status == 429)
        assert front.wire().get(f"/v2/a/blobs/{digest_of(b'')}").status == status


def test_many_clients_of_one_blob_share_one_transfer_and_get_it_while_it_comes(tmp_path: Path) -> None:
    data = noise("shared", 10_000)
    gate = threading.Semaphore(0)
    slow = Upstream({digest_of(data): data}, gate=gate)
    with in_front(tmp_path / "front", slow, there) as front:
        answers: list[Any] = []
        firsts = threading.Semaphore(0)

        def pull() -> None:
            import http.client

            connection = http.client.HTTPConnection("127.0.0.1", front.server.address[1], timeout=60)
            connection.request("GET", f"/v2/a/blobs/{digest_of(data)}")
            response = connection.getresponse()
            head = response.read(500)
            firsts.release()
            answers.append((response.status, head + response.read()))
            connection.close()

        pulling = [threading.Thread(target=pull) for _ in range(8)]
        for one in pulling:
            one.start()
        gate.release()
        for _ in pulling:
            assert firsts.acquire(timeout=60), "the first bytes come before the last ones are here"
        for _ in range(20):
            gate.release()
        for one in pulling:
            one.join(60)
        assert answers == [(200, data)] * 8
        assert slow.opened == 1


def test_a_client_that_leaves_stops_nobody_else(tmp_path: Path) -> None:
    import socket

    data = noise("left", 10_000)
    gate = threading.Semaphore(0)
    slow = Upstream({digest_of(data): data}, gate=gate)
    with in_front(tmp_path / "front", slow, there) as front:
        with socket.create_connection(("127.0.0.1", front.server.address[1])) as leaving:
            leaving.sendall(f"GET /v2/a/blobs/{digest_of(data)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            gate.release()
            assert leaving.recv(100)
        for _ in range(20):
            gate.release()
        assert front.wire().get(f"/v2/a/blobs/{digest_of(data)}").body == data
        assert slow.opened == 1


# -- an upstream that leads away (server-side request forgery)


class Misleading(http.server.BaseHTTPRequestHandler):
    """Everything is somewhere else."""

    protocol_version = "HTTP/1.1"
    status = 307
    header = ("Location", "http://169.254.169.254/latest/meta-data/")

    def _answer(self) -> None:
        self.send_response(self.status)
        self.send_header(*self.header)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


LED = {
    "link address": (307, ("Location", "http://169.254.169.254/latest/meta-data/")),
    "file": (302, ("Location", "file:///etc/passwd")),
    "gopher": (302, ("Location", "gopher://127.0.0.1:6379/_FLUSHALL")),
    "itself": (302, ("Location", "/v2/a/manifests/latest")),
    "realm": (401, ("WWW-Authenticate", 'Bearer realm="http://169.254.169.254/token",service="x"')),
    "realm of a file": (401, ("WWW-Authenticate", 'Bearer realm="file:///etc/passwd",service="x"')),
}


@pytest.mark.parametrize("kind", LED)
def test_an_upstream_cannot_lead_the_server_into_its_own_network(tmp_path: Path, client: Client, kind: str) -> None:
    """A connection to another machine would be a failure by itself: no unit test may make one."""
    status, header = LED[kind]
    handler = type("Led", (Misleading,), {"status": status, "header": header})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as leading:
        thread = threading.Thread(target=leading.serve_forever, args=(0.02,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{leading.server_address[1]}"
            with in_front(tmp_path / "front", client, upstream(address, Hosts())) as front:
                for path in ("manifests/latest", f"manifests/{digest_of(b'x')}", f"blobs/{digest_of(b'x')}"):
                    answer = front.wire().get(f"/v2/a/{path}", Accept=ACCEPT)
                    assert answer.status in {404, 502}, answer
                    assert b"169.254" not in answer.body
                    assert b"root:" not in answer.body
                assert front.storage.check().blobs == 0
        finally:
            leading.shutdown()
            thread.join()


def test_a_token_of_the_upstream_is_not_shown_to_clients(tmp_path: Path) -> None:
    telling = Upstream(failure=Unauthorized("token secret-token-123 was refused"))
    with in_front(tmp_path / "front", telling, there) as front:
        answer = front.wire().get("/v2/a/manifests/latest", Accept=ACCEPT)
    assert b"secret-token-123" not in answer.body
