from __future__ import annotations

import json

import pytest

from tests.unit.registry.scripted import client, endpoint, reply, scripted
from wherry.errors import IntegrityError, InvalidSpec, RegistryError
from wherry.oci import mediatype
from wherry.oci.digest import Digest

DATA = json.dumps({"schemaVersion": 2, "mediaType": mediatype.MANIFEST}).encode()


def fetched(answer: bytes, name: str = "v1") -> object:
    with scripted(lambda _: answer) as server, client() as registries:
        return registries.repository(endpoint(server)).manifest(name)


def test_a_manifest_comes_with_its_type_and_digest() -> None:
    assert fetched(reply(body=DATA, Content_Type=mediatype.MANIFEST + "; charset=utf-8")) == (
        DATA, mediatype.MANIFEST, Digest.of(DATA),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["v1", Digest.of(DATA)])
def test_a_header_that_lies_about_the_digest_is_caught(name: str) -> None:
    with pytest.raises(IntegrityError):
        fetched(reply(body=DATA, Docker_Content_Digest=Digest.of(b"x")), name)


def test_other_bytes_than_the_digest_asked_for_are_caught_whatever_the_header_says() -> None:
    with pytest.raises(IntegrityError):
        fetched(reply(body=DATA + b" ", Docker_Content_Digest=Digest.of(DATA)), Digest.of(DATA))


def test_a_sha512_is_checked_as_one() -> None:
    import hashlib

    name = "sha512:" + hashlib.sha512(DATA).hexdigest()
    assert fetched(reply(body=DATA, Content_Type=mediatype.MANIFEST), name)
    with pytest.raises(IntegrityError):
        fetched(reply(body=DATA + b" "), name)


def test_header_and_document_must_agree_on_what_it_is() -> None:
    with pytest.raises(InvalidSpec, match="but says"):
        fetched(reply(body=DATA, Content_Type=mediatype.INDEX))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"schemaVersion":1}', b"[" * 200_000])
def test_what_is_no_manifest_is_told(body: bytes) -> None:
    with pytest.raises(InvalidSpec):
        fetched(reply(body=body, Content_Type=mediatype.MANIFEST))


def test_a_manifest_of_a_hundred_megabytes_is_refused_by_its_length_and_without_one() -> None:
    with pytest.raises(RegistryError, match="over 4 MiB"):
        fetched(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\nx")
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    with pytest.raises(RegistryError, match="longer than"):
        fetched(endless + (b"100000\r\n" + b"x" * (1 << 20) + b"\r\n") * 5)


def test_head_tells_what_a_tag_stands_for() -> None:
    head = {"Content-Length": 77, "Docker-Content-Digest": Digest.of(DATA), "Content-Type": mediatype.MANIFEST}
    with scripted(lambda _: reply(200, **head)) as server, client() as registries:
        found = registries.repository(endpoint(server)).head_manifest("v1")
        assert found is not None
        assert (found.media_type, found.digest, found.size) == (mediatype.MANIFEST, Digest.of(DATA), 77)
    with scripted(lambda _: reply(404)) as server, client() as registries:
        assert registries.repository(endpoint(server)).head_manifest("v1") is None


def test_a_registry_whose_head_tells_nothing_is_asked_for_the_manifest() -> None:
    def handler(seen: object) -> bytes:
        return reply(200, Content_Length=0) if server.seen[-1].method == "HEAD" else reply(body=DATA)

    with scripted(handler) as server, client() as registries:
        found = registries.repository(endpoint(server)).head_manifest("v1")
        assert found is not None
        assert found.digest == Digest.of(DATA)
