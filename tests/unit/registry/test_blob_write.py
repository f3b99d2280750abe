from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.registry.scripted import QUICK, Answer, Raw, Seen, Wallet, client, endpoint, reply, scripted
from wherry.errors import Denied, IntegrityError, RegistryError, Unauthorized, Unreachable
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.client import Client
from wherry.registry.credentials import Credential

DATA = b"".join(hashlib.sha512(n.to_bytes(4)).digest() for n in range(150_000))  # 9.6 MB
BLOB = Descriptor("x/y", Digest.of(DATA), len(DATA))


class Registry:
    """Keeps what is uploaded. Each answer has another Location, and only the newest is good, as with `_state`."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.part = b""
        self.state = 0
        self.log: list[str] = []
        self.patch_status = 202
        self.largest: int | None = None

    def __call__(self, seen: Seen) -> Answer:
        if "/uploads/" not in seen.path:
            return reply(200 if seen.path.rpartition("/")[2] in self.blobs else 404)
        query = parse_qs(urlsplit(seen.target).query)
        self.log.append(f"{seen.method} {seen['content-range']}".strip())
        if seen.method == "POST":
            self.part = b""
            return self.next(202)
        if query.get("_state") != [str(self.state)]:
            return reply(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
        if self.largest is not None and len(seen.body) > self.largest:
            return reply(413)
        if seen.method == "DELETE":
            return reply(204)
        if seen.method == "GET":
            return self.next(204, Range=f"0-{max(0, len(self.part) - 1)}")
        start = int(seen["content-range"].partition("-")[0] or len(self.part))
        if start != len(self.part):
            return self.next(416, Range=f"0-{max(0, len(self.part) - 1)}")
        self.part += seen.body
        if seen.method == "PATCH":
            return self.next(self.patch_status, Range=f"0-{len(self.part) - 1}")
        (digest,) = query["digest"]
        if Digest.of(self.part) != digest:
            return reply(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}')
        self.blobs[digest] = self.part
        return reply(201, Docker_Content_Digest=digest)

    def next(self, status: int, **headers: str) -> bytes:
        self.state += 1
        return reply(status, Location=f"/v2/team/app/blobs/uploads/u?_state={self.state}", **headers)


def push(registries: Client, server: object, told: Callable[[int], None] | None = None) -> bool:
    repository = registries.repository(endpoint(server), ("pull", "push"))  # type: ignore[arg-type]
    return repository.push_blob(BLOB, lambda offset: io.BytesIO(DATA[offset:]), progress=told)


def test_a_blob_goes_up_in_one_put_without_a_content_range() -> None:
    registry, told = Registry(), []
    with scripted(registry) as server, client() as registries:
        assert push(registries, server, told.append)
        assert registry.blobs[BLOB.digest] == DATA
        assert registry.log == ["POST", "PUT"]
        assert told == sorted(told)
        assert told[-1] == len(DATA)
        assert not push(registries, server), "the second time it is there"
        assert registry.log == ["POST", "PUT"]


def broken_once(registry: Registry, keep: int, finished: bool = False) -> Callable[[Seen], Answer]:
    """The first PUT breaks after the registry had `keep` bytes of it, or all and could not say so."""

    def handler(seen: Seen) -> Answer:
        if seen.method == "PUT" and "PUT broken" not in registry.log:
            registry.log.append("PUT broken")
            registry.part = DATA[:keep]
            if finished:
                registry.blobs[BLOB.digest] = DATA
            return Raw((), close=True)
        return registry(seen)

    return handler


def test_a_put_that_broke_is_taken_up_where_the_registry_says() -> None:
    registry, told = Registry(), []
    with scripted(broken_once(registry, 4_000_000)) as server, client() as registries:
        assert push(registries, server, told.append)
        assert registry.log == ["POST", "PUT broken", "GET", f"PATCH 4000000-{len(DATA) - 1}", "PUT"]
        assert registry.blobs[BLOB.digest] == DATA
        assert told[-1] == len(DATA)


@pytest.mark.parametrize("keep", [0, 1])
def test_a_put_that_broke_with_nothing_kept_starts_anew(keep: int) -> None:
    registry = Registry()
    with scripted(broken_once(registry, keep)) as server, client() as registries:
        assert push(registries, server)
        assert registry.log == ["POST", "PUT broken", "GET", "POST", "PATCH", "PUT"]


def test_a_put_whose_answer_got_lost_is_found_to_have_arrived() -> None:
    registry = Registry()
    with scripted(broken_once(registry, 0, finished=True)) as server, client() as registries:
        assert push(registries, server)
        assert registry.log == ["POST", "PUT broken"]


def test_ecrs_201_for_a_patch_is_as_good_as_202() -> None:
    registry = Registry()
    registry.patch_status = 201
    with scripted(broken_once(registry, 4_000_000)) as server, client() as registries:
        assert push(registries, server)
        assert registry.blobs[BLOB.digest] == DATA


def test_a_registry_that_takes_no_large_bodies_gets_chunks_of_four_mebibytes() -> None:
    registry = Registry()
    registry.largest = 5 << 20
    with scripted(registry) as server, client() as registries:
        assert push(registries, server)
        assert registry.blobs[BLOB.digest] == DATA
        sizes = [re.fullmatch(r"PATCH (\d+)-(\d+)", line) for line in registry.log if line.startswith("PATCH")]
        assert [int(m[2]) - int(m[1]) + 1 for m in sizes if m] == [4 << 20, 4 << 20, len(DATA) - (8 << 20)]
        assert registry.log[-1] == "PUT"


def test_chunks_that_get_no_further_end() -> None:
    registry = Registry()
    registry.largest = 5 << 20

    def forgetful(seen: Seen) -> Answer:
        if seen.method == "PATCH" and not seen["content-range"].startswith(("0-", f"{1 << 20}-")):
            registry.part = DATA[: 1 << 20]
            return registry.next(416, Range=f"0-{(1 << 20) - 1}")
        return registry(seen)

    with scripted(forgetful) as server, client() as registries, pytest.raises(RegistryError):
        push(registries, server)
    assert sum(line.startswith("PATCH") for line in registry.log) <= QUICK.tries * QUICK.tries


def test_a_413_in_the_middle_of_the_body_is_understood() -> None:
    registry = Registry()

    def is_large(seen: Seen) -> bool:
        return int(seen["content-length"] or 0) > 5 << 20

    def handler(seen: Seen) -> Answer:
        return Raw((reply(413),), close=True) if is_large(seen) else registry(seen)

    with scripted(handler, is_early=is_large) as server, client() as registries:
        assert push(registries, server)
        assert registry.blobs[BLOB.digest] == DATA


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_tried_again_but_not_for_ever(status: int) -> None:
    registry, refusals = Registry(), [1]

    def handler(seen: Seen) -> Answer:
        if seen.method == "PUT" and refusals:
            return reply(status, Retry_After="0") if refusals[0] < 0 or refusals.pop() else b""
        return registry(seen)

    with scripted(handler) as server, client() as registries:
        assert push(registries, server)
    refusals.append(-1)
    registry.blobs.clear()
    with scripted(handler) as server, client() as registries, pytest.raises(RegistryError):
        push(registries, server)
    assert sum(one.method == "PUT" for one in server.seen) == QUICK.tries


def test_a_refused_push_is_told_once() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"no rights"}]}'

    def handler(seen: Seen) -> Answer:
        return reply(404) if seen.method == "HEAD" else reply(403, body)

    with scripted(handler) as server, client() as registries, pytest.raises(Denied, match="no rights"):
        push(registries, server)
    assert [one.method for one in server.seen] == ["HEAD", "POST"]


def test_a_source_with_other_bytes_is_refused_by_the_registry_and_not_tried_again() -> None:
    registry = Registry()
    with scripted(registry) as server, client() as registries:
        repository = registries.repository(endpoint(server))
        with pytest.raises(RegistryError, match="digest invalid"):
            repository.push_blob(BLOB, lambda offset: io.BytesIO(bytes(len(DATA) - offset)))
        assert registry.log == ["POST", "PUT"]


def test_a_registry_that_kept_other_bytes_is_caught() -> None:
    registry = Registry()

    def handler(seen: Seen) -> Answer:
        return reply(201, Docker_Content_Digest=Digest.of(b"else")) if seen.method == "PUT" else registry(seen)

    with scripted(handler) as server, client() as registries, pytest.raises(IntegrityError):
        push(registries, server)


def test_an_upload_that_is_sent_elsewhere_takes_no_credentials_along() -> None:
    wallet = Wallet()
    registry = Registry()
    with scripted(lambda _: reply(201)) as bucket:

        def handler(seen: Seen) -> Answer:
            if seen["authorization"] != "Basic bWU6c2VjcmV0":
                return reply(401, WWW_Authenticate="Basic realm=r")
            if seen.method == "POST":
                return reply(202, Location=f"http://{bucket.host}/put?X-Signature=abc")
            return registry(seen)

        with scripted(handler) as server, client(wallet) as registries:
            wallet.known = {server.host: Credential("me", "secret"), bucket.host: Credential("me", "secret")}
            assert push(registries, server)
        (seen,) = bucket.seen
        assert seen["authorization"] == ""
        assert seen.target == f"/put?X-Signature=abc&digest={BLOB.digest.replace(':', '%3A')}"
        assert seen.body == DATA


@pytest.mark.parametrize("place", ["file:///etc/passwd", "https://user:pw@x/", "gopher://x"])
def test_an_upload_is_not_sent_just_anywhere(place: str) -> None:
    def handler(seen: Seen) -> Answer:
        return reply(404) if seen.method == "HEAD" else reply(202, Location=place)

    with scripted(handler) as server, client() as registries, pytest.raises(RegistryError, match="redirected"):
        push(registries, server)


def test_a_401_in_the_middle_of_an_upload_gets_credentials_and_the_whole_body_again() -> None:
    registry, wallet = Registry(), Wallet()

    def handler(seen: Seen) -> Answer:
        if seen.method == "PUT" and seen["authorization"] == "":
            return Raw((reply(401, WWW_Authenticate="Basic realm=r"),), close=True)
        return registry(seen)

    def is_early(seen: Seen) -> bool:
        return seen.method == "PUT" and seen["authorization"] == ""

    with scripted(handler, is_early=is_early) as server, client(wallet) as registries:
        wallet.known[server.host] = Credential("me", "secret")
        assert push(registries, server)
        assert registry.blobs[BLOB.digest] == DATA
    with scripted(handler, is_early=is_early) as server, client() as registries:
        registry.blobs.clear()
        with pytest.raises(Unauthorized):
            push(registries, server)


def test_two_threads_that_push_the_same_blob_send_it_once() -> None:
    registry, answers = Registry(), []
    with scripted(registry) as server, client() as registries:
        threads = [threading.Thread(target=lambda: answers.append(push(registries, server))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [False, False, False, True]
    assert registry.log == ["POST", "PUT"]


def test_a_mount_that_the_registry_declines_gives_its_session_back() -> None:
    registry = Registry()
    with scripted(registry) as server, client() as registries:
        repository = registries.repository(endpoint(server), ("pull", "push"))
        assert not repository.mount(BLOB.digest, "other/app")
        assert [one.method for one in server.seen] == ["POST", "DELETE"]
        assert parse_qs(urlsplit(server.seen[0].target).query) == {"mount": [BLOB.digest], "from": ["other/app"]}


def test_a_registry_that_always_hangs_up_is_given_up() -> None:
    registry = Registry()

    def handler(seen: Seen) -> Answer:
        return Raw((), close=True) if seen.method == "PUT" else registry(seen)

    with scripted(handler) as server, client() as registries, pytest.raises(Unreachable):
        push(registries, server)
    # A closing PUT without a body may find its pooled connection dead, and is sent once more unseen
    assert sum(one.method == "POST" for one in server.seen) <= QUICK.tries
    assert sum(one.method == "PUT" for one in server.seen) <= 2 * QUICK.tries
