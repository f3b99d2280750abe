"""Sections A, B and E: the ping, what is not there, and what is wrong."""

from __future__ import annotations

import os

import pytest

from tests.conformance import datasets
from tests.conformance.datasets import INDEX, MANIFEST
from tests.conformance.push import push_blob, uploads
from tests.conformance.targets import Target
from tests.conformance.wire import Wire, digest_of, with_query

CODES = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS", "TAG_INVALID", "PAGINATION_NUMBER_INVALID", "RANGE_INVALID", "UNKNOWN",
}  # fmt: skip
"""The spec's own, and those that distribution has beside them."""


def test_the_registry_answers_at_its_root(wire: Wire) -> None:
    answer = wire.get("/v2/")
    assert answer.status == 200
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"


def test_a_repository_that_is_not_there_has_no_tags(wire: Wire, repo: str) -> None:
    answer = wire.get(f"/v2/{repo}/tags/list")
    assert answer.status in {200, 404}
    if answer.status == 404:
        assert answer.codes == ["NAME_UNKNOWN"]
    else:
        assert not answer.json["tags"]


def test_what_is_not_there_has_an_empty_list_of_referrers(target: Target, wire: Wire, repo: str) -> None:
    answer = wire.get(f"/v2/{repo}/referrers/{digest_of(os.urandom(9))}")
    if status := target.otherwise.get("referrers"):
        assert answer.status == status
        return
    assert (answer.status, answer.headers["Content-Type"]) == (200, INDEX)
    assert (answer.json["schemaVersion"], answer.json["mediaType"], answer.json["manifests"]) == (2, INDEX, [])


def test_referrers_of_what_is_no_digest_are_refused(target: Target, wire: Wire, repo: str) -> None:
    answer = wire.get(f"/v2/{repo}/referrers/sha256:nonsense")
    assert answer.status == target.otherwise.get("referrers", 400)


@pytest.mark.parametrize("reference", ["latest", digest_of(b"never pushed"), digest_of(b"never pushed", "sha512")])
def test_an_unknown_manifest_is_not_found(wire: Wire, repo: str, reference: str) -> None:
    for _ in range(2):
        answer = wire.get(f"/v2/{repo}/manifests/{reference}", Accept=MANIFEST)
        assert answer.status == 404
        assert answer.codes[0] in {"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}
        assert answer.headers["Content-Type"].startswith("application/json")
        assert wire.head(f"/v2/{repo}/manifests/{reference}").status == 404
        push_blob(wire, repo, b"so that the repository is there")


def _pushed(wire: Wire, repo: str) -> datasets.Pushed:
    data = datasets.image()
    for blob in data.blobs:
        push_blob(wire, repo, blob)
    return data.manifests[0]


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(wire: Wire, repo: str) -> None:
    one = _pushed(wire, repo)
    answer = wire.put(f"/v2/{repo}/manifests/{one.digest}", one.data + b"\n", Content_Type=MANIFEST)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert wire.head(f"/v2/{repo}/manifests/{one.digest}", Accept=MANIFEST).status == 404


@pytest.mark.parametrize("digest", ["sha256:baddigeststring", "sha256:" + "a" * 63, "sha512:" + "a" * 64])
def test_a_manifest_by_what_is_no_digest_is_refused(target: Target, wire: Wire, repo: str, digest: str) -> None:
    one = _pushed(wire, repo)
    answer = wire.put(f"/v2/{repo}/manifests/{digest}", one.data, Content_Type=MANIFEST)
    assert answer.status == target.otherwise.get("bad digest of a manifest", 400)
    if answer.status == 400:
        assert wire.get(f"/v2/{repo}/manifests/{digest}").status in {400, 404}


BROKEN = {
    "no JSON": b"{",
    "a list": b"[]",
    "nothing": b"",
    "schema 1": b'{"schemaVersion": 1}',
    "both": b'{"schemaVersion":2,"mediaType":"%s","config":{},"layers":[],"manifests":[]}' % MANIFEST.encode(),
    "another type inside": b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % INDEX.encode(),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_manifest_is_refused(target: Target, wire: Wire, repo: str, kind: str) -> None:
    answer = wire.put(f"/v2/{repo}/manifests/broken", BROKEN[kind], Content_Type=MANIFEST)
    assert answer.status == target.otherwise.get(f"a manifest with {kind}", 400), answer
    if answer.status == 400:
        assert set(answer.codes) <= {"MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"}
    assert wire.head(f"/v2/{repo}/manifests/broken").status == 404


@pytest.mark.parametrize("digest", ["sha256:bad", "md5:" + "a" * 32, "sha256:" + "A" * 64, "nonsense", ""])
def test_an_upload_ended_by_what_is_no_digest_is_refused(wire: Wire, repo: str, digest: str) -> None:
    where = wire.post(uploads(repo)).location
    answer = wire.put(with_query(where, digest=digest), b"bytes")
    assert answer.status == 400, answer
    assert answer.codes == ["DIGEST_INVALID"]


def test_an_upload_that_was_never_opened_is_unknown(wire: Wire, repo: str) -> None:
    where = f"{uploads(repo)}00000000-0000-4000-8000-000000000000"
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        body = b"x" if method in {"PATCH", "PUT"} else None
        answer = wire.ask(method, f"{where}?digest={digest_of(b'x')}", body)
        assert answer.status in {404, 400}
        assert set(answer.codes) <= {"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "NAME_UNKNOWN"}


@pytest.mark.parametrize(
    "name", ["UPPER", "a//b", "-a", "a/", "a/-b", "a..b", "%2e%2e", "a/%2e%2e/b", "a%00b", "a%2fb%2f"]
)
def test_a_name_that_breaks_the_rule_opens_no_upload(wire: Wire, name: str) -> None:
    answer = wire.post(uploads(name))
    assert answer.status in {400, 404, 301, 308}, answer
    if answer.status == 400:
        assert set(answer.codes) <= CODES


def test_every_error_says_its_code_as_json(wire: Wire, repo: str) -> None:
    for path in (f"{repo}/manifests/none", f"{repo}/blobs/{digest_of(b'no')}", f"{repo}/tags/list"):
        answer = wire.get(f"/v2/{path}")
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("application/json")
        for one in answer.json["errors"]:
            assert one["code"] in CODES
            assert isinstance(one.get("message", ""), str)
