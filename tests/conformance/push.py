"""The ways a blob may be pushed, each ending in the answer to its last request."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.wire import Answer, Wire, digest_of, with_query

__all__ = ["METHODS", "push_blob"]

Method = Callable[[Wire, str, bytes, str], Answer]


def uploads(repo: str) -> str:
    return f"/v2/{repo}/blobs/uploads/"


def begin(wire: Wire, repo: str, digest: str = "") -> Answer:
    url = uploads(repo)
    if digest.startswith("sha512:"):
        # The development version of the spec: told at the start, the registry can hash by it on the way
        url += "?digest-algorithm=sha512"
    answer = wire.post(url)
    assert answer.status == 202, answer
    return answer


def post_only(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    """One request, or two where the registry only opens a session for it (202)."""
    answer = wire.ask(
        "POST", f"{uploads(repo)}?digest={digest}", data, {"Content-Type": "application/octet-stream"}
    )  # an empty body too: Content-Length 0
    if answer.status == 202:
        answer = wire.put(with_query(answer.location, digest=digest), data)
    return answer


def post_put(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    where = begin(wire, repo, digest).location
    return wire.put(with_query(where, digest=digest), data)


def one_chunk(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    where = begin(wire, repo, digest).location
    if data:
        where = patched(wire, where, data, 0)
    return wire.put(with_query(where, digest=digest))


def three_chunks(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    where = begin(wire, repo, digest).location
    for first, part in thirds(data):
        where = patched(wire, where, part, first)
    return wire.put(with_query(where, digest=digest))


def last_chunk_in_put(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    where = begin(wire, repo, digest).location
    *before, (start, last) = thirds(data) or [(0, data)]
    for first, part in before:
        where = patched(wire, where, part, first)
    headers = {"Content_Range": span(start, last)} if last else {}
    return wire.put(with_query(where, digest=digest), last, **headers)


def streamed(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    """PATCH without a Content-Range, in HTTP chunks of no announced length."""
    where = begin(wire, repo, digest).location
    answer = wire.patch(where, iter([data[:1000], data[1000:]] if data else []))
    assert answer.status == 202, answer
    return wire.put(with_query(answer.location, digest=digest))


def streamed_of_known_length(wire: Wire, repo: str, data: bytes, digest: str) -> Answer:
    where = begin(wire, repo, digest).location
    answer = wire.patch(where, data)
    assert answer.status == 202, answer
    return wire.put(with_query(answer.location, digest=digest))


METHODS: tuple[Method, ...] = (
    post_only,
    post_put,
    one_chunk,
    three_chunks,
    last_chunk_in_put,
    streamed,
    streamed_of_known_length,
)


def span(first: int, part: bytes) -> str:
    """Inclusive, and without "bytes ": the distribution spec's own form."""
    return f"{first}-{first + len(part) - 1}"


def thirds(data: bytes) -> list[tuple[int, bytes]]:
    step = -(-len(data) // 3) or 1
    return [(first, data[first : first + step]) for first in range(0, len(data), step)]


def patched(wire: Wire, where: str, part: bytes, first: int) -> str:
    """One chunk sent; the next Location. The answer's Range counts from the first byte of all."""
    answer = wire.patch(where, part, Content_Range=span(first, part))
    assert answer.status == 202, answer
    assert answer.headers.get("Range") == f"0-{first + len(part) - 1}"
    return answer.location


def push_blob(wire: Wire, repo: str, data: bytes, algorithm: str = "sha256") -> str:
    """Put a blob there in the plainest way; its digest."""
    digest = digest_of(data, algorithm)
    answer = post_put(wire, repo, data, digest)
    assert answer.status == 201, answer
    return digest
