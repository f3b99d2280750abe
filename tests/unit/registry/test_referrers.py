from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.registry.scripted import Answer, Seen, client, endpoint, reply, scripted
from wherry.errors import IntegrityError, InvalidSpec, RegistryError
from wherry.oci import mediatype
from wherry.oci.digest import Digest
from wherry.registry.referrers import fallback_tag

SUBJECT = Digest.of(b"subject")
REFERRER = json.dumps(
    {
        "schemaVersion": 2, "mediaType": mediatype.MANIFEST, "artifactType": "a/sbom", "annotations": {"k": "v"},
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(b"{}"), "size": 2},
        "layers": [],
        "subject": {"mediaType": mediatype.MANIFEST, "digest": SUBJECT, "size": 7},
    }
).encode()  # fmt: skip


def entry(name: str, kind: str = "a/sbom") -> dict[str, Any]:
    return {"mediaType": mediatype.MANIFEST, "digest": Digest.of(name.encode()), "size": 3, "artifactType": kind}


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": entries}).encode()


class Store:
    """A registry without the referrers API: manifests by name."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, str]] = {}
        self.knows_subjects = False
        self.answer = reply(404)

    def __call__(self, seen: Seen) -> Answer:
        kind, name = seen.path.split("/")[-2:]
        if kind == "referrers":
            return self.answer
        if seen.method == "PUT":
            there = self.kept.get(name)
            if there and seen["if-match"] and seen["if-match"] != f'"{Digest.of(there[0]).hex}"':
                return reply(412)
            self.kept[name] = seen.body, seen["content-type"]
            more = {"OCI-Subject": SUBJECT} if self.knows_subjects else {}
            return reply(201, Docker_Content_Digest=Digest.of(seen.body), **more)
        if name not in self.kept:
            return reply(404)
        data, media = self.kept[name]
        return reply(body=data, Content_Type=media, ETag=f'"{Digest.of(data).hex}"')


def test_a_registry_without_the_api_gets_the_fallback_tag_and_what_is_there_stays() -> None:
    store = Store()
    tag = f"sha256-{SUBJECT.hex}"
    store.kept[tag] = index(entry("other")), mediatype.INDEX
    with scripted(store) as server, client() as registries:
        repository = registries.repository(endpoint(server), ("pull", "push"))
        digest = repository.put_manifest(Digest.of(REFERRER), REFERRER, mediatype.MANIFEST)
        repository.put_manifest(digest, REFERRER, mediatype.MANIFEST)
        listed = repository.referrers(SUBJECT)
        assert [one.digest for one in listed] == [Digest.of(b"other"), digest]
        assert (listed[1].artifact_type, dict(listed[1].annotations)) == ("a/sbom", {"k": "v"})
        assert [one.digest for one in repository.referrers(SUBJECT, "a/other")] == []
        puts = [one["if-match"] for one in server.seen if one.method == "PUT" and tag in one.path]
        assert puts == [f'"{Digest.of(index(entry("other"))).hex}"']


def test_a_registry_that_knows_the_subject_gets_no_tag() -> None:
    store = Store()
    store.knows_subjects = True
    with scripted(store) as server, client() as registries:
        registries.repository(endpoint(server)).put_manifest(Digest.of(REFERRER), REFERRER, mediatype.MANIFEST)
        assert list(store.kept) == [Digest.of(REFERRER)]


def test_who_writes_the_tag_at_the_same_time_loses_nothing() -> None:
    store = Store()
    tag = fallback_tag(SUBJECT)
    store.kept[tag] = index(entry("first")), mediatype.INDEX
    raced = False

    def handler(seen: Seen) -> Answer:
        nonlocal raced
        if seen.method == "PUT" and seen.path.endswith(tag) and not raced:
            raced = True
            store.kept[tag] = index(entry("first"), entry("theirs")), mediatype.INDEX
        return store(seen)

    with scripted(handler) as server, client() as registries:
        repository = registries.repository(endpoint(server))
        repository.put_manifest(Digest.of(REFERRER), REFERRER, mediatype.MANIFEST)
        assert len(repository.referrers(SUBJECT)) == 3


def test_a_tag_that_leads_to_the_subject_itself_lists_nothing() -> None:
    store = Store()
    for data, media in ((b"subject", mediatype.MANIFEST), (REFERRER, mediatype.MANIFEST), (index(), mediatype.INDEX)):
        store.kept[fallback_tag(SUBJECT)] = data, media
        with scripted(store) as server, client() as registries:
            if data == b"subject":
                with pytest.raises(InvalidSpec):
                    registries.repository(endpoint(server)).referrers(SUBJECT)
            else:
                assert registries.repository(endpoint(server)).referrers(SUBJECT) == []


def test_a_tag_that_leads_to_a_subject_that_is_an_index_does_not_list_its_platforms() -> None:
    store = Store()
    whole = index(entry("amd64"), entry("arm64"))
    store.kept[fallback_tag(Digest.of(whole))] = whole, mediatype.INDEX
    with scripted(store) as server, client() as registries:
        assert registries.repository(endpoint(server)).referrers(Digest.of(whole)) == []


def test_the_api_is_read_page_by_page_and_filtered_here_when_it_does_not() -> None:
    pages = [
        reply(body=index(entry("a")), Content_Type=mediatype.INDEX, Link='</v2/team/app/referrers/x?p=2>; rel="next"'),
        reply(body=index(entry("b", "a/other"), entry("c")), Content_Type=mediatype.INDEX),
    ]
    with scripted(lambda _: pages[(len(server.seen) - 1) % 2]) as server, client() as registries:
        repository = registries.repository(endpoint(server))
        assert [one.digest for one in repository.referrers(SUBJECT, "a/sbom")] == [Digest.of(b"a"), Digest.of(b"c")]
        assert server.seen[0].target == f"/v2/team/app/referrers/{SUBJECT}?artifactType=a%2Fsbom"
        assert len(repository.referrers(SUBJECT)) == 3


@pytest.mark.parametrize(
    "answer",
    [
        reply(404), reply(405), reply(400), reply(303, Location="http://127.0.0.1:9/"),
        reply(body=b"<html>", Content_Type="text/html"),
    ],
)  # fmt: skip
def test_whatever_is_no_index_means_that_there_is_no_api(answer: bytes) -> None:
    store = Store()
    store.kept[fallback_tag(SUBJECT)] = index(entry("a")), mediatype.INDEX
    with scripted(lambda _: reply(body=b"hello", Content_Type="text/html")) as web:
        store.answer = answer.replace(b"127.0.0.1:9/", f"{web.host}/".encode())
        with scripted(store) as server, client() as registries:
            assert len(registries.repository(endpoint(server)).referrers(SUBJECT)) == 1


def test_tags_are_read_over_pages_and_circles_are_ended() -> None:
    def handler(seen: Seen) -> Answer:
        last = "last=2" in seen.target
        more = {} if last else {"Link": '</v2/team/app/tags/list?n=1000&last=2>; rel="next"'}
        return reply(body=b'{"tags":null}' if last else b'{"tags":["1","2"]}', **more)

    with scripted(handler) as server, client() as registries:
        assert list(registries.repository(endpoint(server)).tags()) == ["1", "2"]
    circle = reply(body=b'{"tags":["1"]}', Link='</v2/team/app/tags/list?n=1000>; rel="next"')
    with scripted(lambda _: circle) as server, client() as registries, pytest.raises(RegistryError, match="circle"):
        list(registries.repository(endpoint(server)).tags())
    away = reply(body=b'{"tags":["1"]}', Link='<https://evil.example/>; rel="next"')
    with scripted(lambda _: away) as server, client() as registries, pytest.raises(RegistryError, match="refused"):
        list(registries.repository(endpoint(server)).tags())


def test_a_list_of_tags_without_end_is_ended() -> None:
    many = b'{"tags":[' + b'"a",' * 999_999 + b'"a"]}'

    def handler(seen: Seen) -> Answer:
        page = int(seen.target.rpartition("=")[2])
        return reply(body=many, Link=f'</v2/team/app/tags/list?n={page + 1}>; rel="next"')

    with scripted(handler) as server, client() as registries, pytest.raises(RegistryError, match="do not end"):
        list(registries.repository(endpoint(server)).tags())
    assert len(server.seen) < 5


def test_a_registry_that_keeps_other_bytes_than_were_sent_is_caught() -> None:
    lie = reply(201, Docker_Content_Digest=Digest.of(b"else"))
    with scripted(lambda _: lie) as server, client() as registries, pytest.raises(IntegrityError):
        registries.repository(endpoint(server)).put_manifest("v1", b"{}", mediatype.MANIFEST)
