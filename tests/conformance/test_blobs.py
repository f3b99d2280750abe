"""Section C: blobs, by every way of pushing them, for both algorithms."""

from __future__ import annotations

import os

import pytest

from tests.conformance import push
from tests.conformance.datasets import noise
from tests.conformance.push import METHODS, begin, push_blob, span, thirds, uploads
from tests.conformance.targets import Target
from tests.conformance.wire import Answer, Wire, digest_of, with_query

pytestmark = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
CONTENTS = {"some": noise("some", 1024 * 3 - 5), "nothing": b"", "braces": b"{}"}


def url(repo: str, digest: str) -> str:
    return f"/v2/{repo}/blobs/{digest}"


def test_a_blob_that_was_never_pushed_is_not_found(wire: Wire, repo: str, algorithm: str) -> None:
    digest = digest_of(os.urandom(20), algorithm)
    answer = wire.get(url(repo, digest))
    assert answer.status == 404
    assert answer.codes[0] in {"BLOB_UNKNOWN", "NAME_UNKNOWN"}
    assert wire.head(url(repo, digest)).status == 404


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_pushed_blob_is_had_back_and_can_be_deleted(
    target: Target, wire: Wire, repo: str, algorithm: str, method: push.Method, content: str
) -> None:
    data = CONTENTS[content]
    digest = digest_of(data, algorithm)
    answer = method(wire, repo, data, digest)
    assert answer.status == 201, answer
    assert wire.get(answer.location).body == data
    if algorithm in target.renames:
        assert answer.headers["Docker-Content-Digest"] == digest_of(data)
        assert wire.head(url(repo, digest)).headers["Docker-Content-Digest"] == digest_of(data)
        return
    assert answer.headers.get("Docker-Content-Digest", digest) == digest

    seen = wire.head(url(repo, digest))
    assert (seen.status, seen.headers["Content-Length"]) == (200, str(len(data)))
    got = wire.get(url(repo, digest))
    assert (got.status, got.headers["Content-Length"], got.body) == (200, str(len(data)), data)
    for one in (seen, got):
        assert one.headers.get("Docker-Content-Digest", digest) == digest

    assert wire.delete(url(repo, digest)).status == 202
    assert wire.head(url(repo, digest)).status == 404, "gone at once"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_blob_that_is_not_what_its_digest_says_is_refused(
    wire: Wire, repo: str, algorithm: str, method: push.Method
) -> None:
    data = noise("right", 2000)
    digest = digest_of(data, algorithm)
    answer = method(wire, repo, data + b" and more", digest)
    assert answer.status == 400, answer
    assert answer.codes == ["DIGEST_INVALID"]
    assert wire.head(url(repo, digest)).status == 404


def test_a_chunk_out_of_order_is_refused_and_the_upload_goes_on(
    target: Target, wire: Wire, repo: str, algorithm: str
) -> None:
    data = noise("in order", 3000)
    digest = digest_of(data, algorithm)
    (_, first), (second_at, second), (third_at, third) = thirds(data)
    opened = begin(wire, repo, digest)
    answer = wire.patch(opened.location, first, Content_Range=span(0, first))
    assert answer.status == 202
    where = answer.location

    refused = wire.patch(where, third, Content_Range=span(third_at, third))
    if target.otherwise.get("ranges of chunks") == "not checked":
        assert refused.status == 202
        return
    assert refused.status == 416
    status = wire.get(where)
    assert status.status == 204
    assert status.headers["Range"] == f"0-{len(first) - 1}"

    where = push.patched(wire, status.location, second, second_at)
    where = push.patched(wire, where, third, third_at)
    assert wire.put(with_query(where, digest=digest)).status == 201
    assert wire.get(url(repo, digest)).body == data


def test_a_last_chunk_out_of_order_is_refused(target: Target, wire: Wire, repo: str, algorithm: str) -> None:
    data = noise("last", 3000)
    digest = digest_of(data, algorithm)
    (_, first), (second_at, second), (third_at, third) = thirds(data)
    where = push.patched(wire, begin(wire, repo, digest).location, first, 0)
    answer = wire.put(with_query(where, digest=digest), third, Content_Range=span(third_at, third))
    if target.otherwise.get("ranges of chunks") == "not checked":
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
        return
    assert answer.status == 416
    where = wire.get(where).location
    where = push.patched(wire, where, second, second_at)
    assert wire.put(with_query(where, digest=digest), third, Content_Range=span(third_at, third)).status == 201


def test_a_new_upload_says_that_nothing_is_there_yet(wire: Wire, repo: str, algorithm: str) -> None:
    opened = begin(wire, repo, f"{algorithm}:")
    assert opened.body == b""
    status = wire.get(opened.location)
    assert status.status == 204
    assert status.location
    assert status.headers["Range"] in {"0-0", "0--1"}


def test_a_mount_takes_a_blob_from_another_repository(target: Target, wire: Wire, repo: str, algorithm: str) -> None:
    data = noise("mounted", 500)
    digest = push_blob(wire, f"{repo}/from", data, algorithm)
    if algorithm in target.renames:
        digest = digest_of(data)
    answer = wire.post(f"{uploads(repo)}?mount={digest}&from={repo}/from")
    assert answer.status == 201, answer
    assert wire.get(answer.location).body == data
    assert wire.get(url(repo, digest)).body == data


def test_a_mount_without_from_finds_a_blob_or_opens_an_upload(
    target: Target, wire: Wire, repo: str, algorithm: str
) -> None:
    data = noise("mounted from anywhere", 500)
    digest = push_blob(wire, f"{repo}/from", data, algorithm)
    answer = wire.post(f"{uploads(repo)}?mount={digest}")
    assert answer.status == target.otherwise.get("mount without from", 201)
    if answer.status == 201:
        assert wire.get(answer.location).body == data
    else:
        assert wire.put(with_query(answer.location, digest=digest), data).status == 201


def test_a_mount_of_what_is_not_there_opens_an_upload(wire: Wire, repo: str, algorithm: str) -> None:
    data = os.urandom(99)
    digest = digest_of(data, algorithm)
    for query in (f"?mount={digest}&from={repo}/from", f"?mount={digest}"):
        answer = wire.post(uploads(repo) + query)
        assert answer.status == 202, answer
        assert wire.put(with_query(answer.location, digest=digest), data).status == 201
        assert wire.delete(url(repo, digest)).status == 202


def test_an_upload_can_be_cancelled(wire: Wire, repo: str, algorithm: str) -> None:
    where = push.patched(wire, begin(wire, repo, f"{algorithm}:").location, b"some bytes", 0)
    assert wire.delete(where).status == 204
    gone = wire.get(where)
    assert (gone.status, gone.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    again = wire.put(with_query(where, digest=digest_of(b"some bytes", algorithm)))
    assert again.status == 404


SIZE = 2048


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047), ("0-0", 0, 0)],
)
def test_a_range_of_a_blob_is_just_that(
    wire: Wire, repo: str, algorithm: str, asked: str, first: int, last: int
) -> None:
    data = noise("ranges", SIZE)
    where = url(repo, push_blob(wire, repo, data, algorithm))
    answer = wire.get(where, Range=f"bytes={asked}")
    assert answer.status == 206
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["Content-Range"] in {f"bytes {first}-{last}/{SIZE}", f"bytes {first}-{last}/*"}
    assert answer.body == data[first : last + 1]


def test_a_range_past_the_end_cannot_be_satisfied(wire: Wire, repo: str, algorithm: str) -> None:
    where = url(repo, push_blob(wire, repo, noise("ranges", SIZE), algorithm))
    answer = wire.get(where, Range="bytes=5000-10000")
    assert answer.status == 416
    assert answer.headers.get("Content-Range", f"bytes */{SIZE}") == f"bytes */{SIZE}"


def test_a_range_that_runs_backwards_gives_no_part(wire: Wire, repo: str, algorithm: str) -> None:
    """RFC 9110 calls it malformed, to be ignored; the suite wants a 416."""
    where = url(repo, push_blob(wire, repo, noise("ranges", SIZE), algorithm))
    assert wire.get(where, Range="bytes=500-0").status == 416


def _sizes(answer: Answer) -> tuple[int, int]:
    return answer.status, len(answer.body)


@pytest.mark.parametrize("odd", ["lines=0-5", "bytes=", "bytes=a-b", "bytes=--5", "bytes=5", "bytes 0-5"])
def test_a_range_that_is_none_is_ignored_or_refused(wire: Wire, repo: str, algorithm: str, odd: str) -> None:
    where = url(repo, push_blob(wire, repo, noise("ranges", SIZE), algorithm))
    status, size = _sizes(wire.get(where, Range=odd))
    assert (status, size) == (200, SIZE) or status in {400, 416}
