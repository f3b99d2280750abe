from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable

import pytest

from tests.unit.registry.scripted import QUICK, Answer, Raw, Scripted, Seen, client, endpoint, reply, scripted
from wherry.cancel import Cancel
from wherry.errors import Cancelled, Denied, IntegrityError, NotFound, RegistryError, Unreachable
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.blob_read import BlobReader, Parallel
from wherry.registry.blob_source import source

DATA = b"".join(hashlib.sha512(n.to_bytes(4)).digest() for n in range(50_000))  # 3.2 MB that repeats nowhere
BLOB = Descriptor("x/y", Digest.of(DATA), len(DATA))


def span(seen: Seen) -> tuple[int, int]:
    """What a request's Range asks for, end exclusive; everything without one."""
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", seen["range"])
    return (int(match[1]), int(match[2]) + 1) if match else (0, len(DATA))


def partial(seen: Seen, data: bytes = DATA) -> bytes:
    """An honest answer."""
    if not seen["range"]:
        return reply(200, data, ETag='"e"')
    start, end = span(seen)
    return reply(206, data[start:end], Content_Range=f"bytes {start}-{end - 1}/{len(data)}", ETag='"e"')


def cut(answer: bytes, keep: int) -> Raw:
    """Only the head and `keep` bytes of the body, then the connection breaks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return Raw((head + b"\r\n\r\n" + body[:keep],), close=True)


def read(
    handler: Callable[[Seen], Answer], blob: Descriptor = BLOB, cancel: Cancel | None = None
) -> tuple[bytes, Scripted]:
    with scripted(handler) as server, client() as registries:
        with registries.repository(endpoint(server)).blob(blob, cancel=cancel) as reader:
            data = reader.read()
            assert reader.is_verified
        return data, server


def test_a_blob_is_read_in_one_request() -> None:
    data, server = read(partial)
    assert data == DATA
    (seen,) = server.seen
    assert (seen.path, seen["range"]) == (f"/v2/team/app/blobs/{BLOB.digest}", "")


def test_a_connection_that_breaks_is_taken_up_where_it_ended() -> None:
    def handler(seen: Seen) -> Answer:
        return cut(partial(seen), 1_000_000) if len(server.seen) < 3 else partial(seen)

    with scripted(handler) as server, client() as registries:
        assert registries.repository(endpoint(server)).blob(BLOB).read() == DATA
        assert [one["range"] for one in server.seen] == ["", "bytes=1000000-3199999", "bytes=2000000-3199999"]
        assert server.seen[1]["if-range"] == '"e"'


def test_a_registry_without_ranges_sends_all_again_and_what_is_had_is_skipped() -> None:
    def handler(seen: Seen) -> Answer:
        return cut(reply(200, DATA), 1_500_000) if len(server.seen) == 1 else reply(200, DATA)

    with scripted(handler) as server, client() as registries:
        assert registries.repository(endpoint(server)).blob(BLOB).read() == DATA


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": "bytes 5-3199999/3200000"},
        {"Content_Range": "bytes 1000000-3199998/3200000"},
        {"Content_Range": "bytes 1000000-3199999/3200001"},
        {"Content_Range": "bytes 1000000-3199999/*", "Content_Length": 7},
        {"Content_Range": "bytes */3200000"},
        {"Content_Range": "x" * 5000},
        {},
    ],
)
def test_a_range_that_was_not_asked_for_is_refused(headers: dict[str, str | int]) -> None:
    def handler(_: Seen) -> Answer:
        return cut(reply(200, DATA), 1_000_000) if len(server.seen) == 1 else reply(206, DATA[1_000_000:], **headers)

    with scripted(handler) as server, client() as registries, pytest.raises(RegistryError, match="asked for"):
        registries.repository(endpoint(server)).blob(BLOB).read()


def test_a_signed_url_that_ran_out_is_asked_for_again_at_the_registry() -> None:
    def store(seen: Seen) -> Answer:
        if seen.target.endswith("sig=1"):
            return cut(partial(seen), 1_200_000) if seen["range"] == "" else reply(403, b"<Code>AccessDenied</Code>")
        return partial(seen)

    with scripted(store) as bucket:

        def handler(_: Seen) -> Answer:
            signature = 1 if len(server.seen) < 3 else 2
            return reply(307, Location=f"http://{bucket.host}/blob?sig={signature}")

        with scripted(handler) as server, client() as registries:
            assert registries.repository(endpoint(server)).blob(BLOB).read() == DATA
            assert len(server.seen) == 3


def test_a_registry_that_says_no_is_not_asked_again() -> None:
    with pytest.raises(Denied):
        read(lambda _: reply(403))
    with pytest.raises(NotFound):
        read(lambda _: reply(404))


@pytest.mark.parametrize(
    "body",
    [
        b"X" + DATA[1:],  # as long, and other bytes
        DATA[:-1],
        DATA + b"!",
        b"",
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_other_bytes_or_another_size_are_caught_and_never_tried_again(body: bytes, framing: str) -> None:
    answer: Answer = reply(200, body)
    if framing == "chunked":
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
    elif framing == "close":
        answer = Raw((b"HTTP/1.1 200 OK\r\n\r\n" + body,), close=True)
    with scripted(lambda _: answer) as server, client() as registries:
        reader = registries.repository(endpoint(server)).blob(BLOB)
        with reader, pytest.raises(IntegrityError):
            reader.read()
        assert not reader.is_verified
        assert len(server.seen) == 1


def test_the_last_byte_is_not_handed_out_before_the_digest_is_right() -> None:
    got = bytearray()

    def read_on(reader: BlobReader) -> None:
        while piece := reader.read(10_000):
            got.extend(piece)

    wrong = b"X" + DATA[1:]
    with scripted(lambda _: reply(200, wrong)) as server, client() as registries, pytest.raises(IntegrityError):
        read_on(registries.repository(endpoint(server)).blob(BLOB))
    assert 0 < len(got) < len(DATA)


def test_an_endless_body_is_left_after_one_byte_too_many() -> None:
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    blob = Descriptor("x/y", Digest.of(bytes(100)), 100)
    endless = Raw((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 64), close=True)
    with pytest.raises(IntegrityError, match="more"):
        read(lambda _: endless, blob)


def test_an_empty_blob_needs_no_traffic() -> None:
    data, server = read(lambda _: reply(500), Descriptor("x", Digest.of(b""), 0))
    assert (data, server.seen) == (b"", [])
    with pytest.raises(IntegrityError):
        read(lambda _: reply(500), Descriptor("x", Digest.of(b"x"), 0))


def test_a_connection_that_always_breaks_is_given_up() -> None:
    with scripted(lambda seen: cut(partial(seen), 10)) as server, client() as registries:
        with registries.repository(endpoint(server)).blob(BLOB) as reader, pytest.raises(Unreachable):
            reader.read()
        assert len(server.seen) == QUICK.tries


def test_progress_starts_the_count_of_failures_anew() -> None:
    with scripted(lambda seen: cut(partial(seen), 1_100_000)) as server, client() as registries:
        assert registries.repository(endpoint(server)).blob(BLOB).read() == DATA
        assert len(server.seen) == 3


def test_a_sha512_is_checked_as_one() -> None:
    blob = Descriptor("x/y", Digest("sha512:" + hashlib.sha512(DATA).hexdigest()), len(DATA))
    assert read(partial, blob)[0] == DATA
    with pytest.raises(IntegrityError):
        read(lambda _: reply(200, b"X" + DATA[1:]), blob)


def test_a_cancelled_read_ends() -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        read(partial, cancel=cancel)


# -- foreign layers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/layer", "file:///etc/passwd", "ftp://x/", "not a url"])
def test_a_foreign_layer_is_fetched_over_https_only(url: str) -> None:
    with scripted(lambda _: reply(404)) as server, client() as registries:
        blob = BLOB._replace(urls=(url.format(port=server.port),))
        with (
            registries.repository(endpoint(server)).blob(blob) as reader,
            pytest.raises(RegistryError, match="kept elsewhere"),
        ):
            reader.read()
        assert len(server.seen) == 1


# -- in parts ---------------------------------------------------------------------------------------------------------

EAGER = Parallel(from_bytes=1 << 20, first_bytes=300_000, below_bytes_per_s=1e15, part_bytes=200_000, parts=3)


def in_parts(
    handler: Callable[[Seen], Answer], rule: Parallel = EAGER, budget: threading.Semaphore | None = None
) -> tuple[bytes, list[Seen]]:
    with scripted(handler) as server, client() as registries:
        exchange = registries.exchange(endpoint(server))
        with BlobReader(source(exchange, BLOB), BLOB, QUICK, None, rule, budget) as reader:
            return reader.read(), server.seen


def test_a_slow_large_blob_comes_in_bounded_parts_and_in_order() -> None:
    data, seen = in_parts(partial)
    assert data == DATA
    assert sorted(span(one) for one in seen) == [
        (0, 300_000), *((n, min(n + 200_000, len(DATA))) for n in range(300_000, len(DATA), 200_000)),
    ]  # fmt: skip


def test_on_a_fast_link_the_rest_comes_piece_after_piece() -> None:
    data, seen = in_parts(partial, EAGER._replace(below_bytes_per_s=0))
    assert data == DATA
    assert [span(one) for one in seen] == [
        (0, 300_000),
        *((n, min(n + (1 << 20), len(DATA))) for n in range(300_000, len(DATA), 1 << 20)),
    ]


def test_a_registry_without_ranges_sends_a_large_blob_in_one() -> None:
    data, seen = in_parts(lambda _: reply(200, DATA))
    assert (data, len(seen)) == (DATA, 1)


def test_readers_share_their_memory_and_none_starves() -> None:
    budget = threading.Semaphore(1)
    assert in_parts(partial, budget=budget)[0] == DATA
    assert budget.acquire(blocking=False), "what was borrowed is given back"
    assert in_parts(partial, budget=budget)[0] == DATA


def test_a_part_that_breaks_is_taken_up_and_one_with_other_bytes_is_caught() -> None:
    broken: set[str] = set()

    def breaks_once(seen: Seen) -> Answer:
        if seen["range"].startswith("bytes=700000-") and "x" not in broken:
            broken.add("x")
            return cut(partial(seen), 50_000)
        return partial(seen)

    assert in_parts(breaks_once)[0] == DATA
    with pytest.raises(IntegrityError):
        in_parts(lambda seen: partial(seen, DATA[:-5] + b"wrong"))


def test_a_reader_that_is_left_in_the_middle_ends_its_threads() -> None:
    before = threading.active_count()
    with scripted(partial) as server, client() as registries:
        exchange = registries.exchange(endpoint(server))
        reader = BlobReader(source(exchange, BLOB), BLOB, QUICK, None, EAGER)
        with reader:
            assert len(reader.read(400_000)) == 400_000
    assert threading.active_count() == before
