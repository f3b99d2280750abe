"""Section D: each data set pushed, listed, had back, asked for its referrers, and deleted."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.conformance import datasets
from tests.conformance.datasets import INDEX, MANIFEST, DataSet, Pushed, referrer
from tests.conformance.push import push_blob
from tests.conformance.targets import Target
from tests.conformance.wire import Answer, Wire

ACCEPT = f"{INDEX}, {MANIFEST}"
each = pytest.mark.parametrize("data", datasets.ALL, ids=lambda one: one.name)


def url(repo: str, reference: str) -> str:
    return f"/v2/{repo}/manifests/{reference}"


def push_all(target: Target, wire: Wire, repo: str, data: DataSet) -> bool:
    """All of a data set in its place; False when this registry is known to refuse it, which is asserted too."""
    for blob in data.blobs:
        push_blob(wire, repo, blob, data.algorithm)
    refusals = target.refuses.get(data.name, {})
    for number, one in enumerate(data.manifests):
        for reference in (one.digest, *one.tags):
            answer = wire.put(url(repo, reference), one.data, Content_Type=one.media_type)
            if number in refusals:
                assert (answer.status, answer.codes) == refusals[number]
                return False
            _check_put(target, wire, one, answer)
    return True


def _check_put(target: Target, wire: Wire, one: Pushed, answer: Answer) -> None:
    assert answer.status == 201, answer
    assert answer.headers.get("Docker-Content-Digest", one.digest) == one.digest
    has_referrers = target.otherwise.get("referrers") is None
    assert answer.headers.get("OCI-Subject", "") == (one.subject if has_referrers else "")
    got = wire.get(answer.location, Accept=ACCEPT)
    assert (got.status, got.body) == (200, one.data)
    assert got.headers["Content-Type"] == one.media_type
    assert got.headers["Content-Length"] == str(len(one.data))


@each
def test_a_data_set_is_had_back_byte_for_byte(target: Target, wire: Wire, repo: str, data: DataSet) -> None:
    if not push_all(target, wire, repo, data):
        return
    for one in data.manifests:
        for reference in (one.digest, *one.tags):
            for method in ("HEAD", "GET"):
                answer = wire.ask(method, url(repo, reference), headers={"Accept": ACCEPT})
                assert answer.status == 200
                assert answer.headers["Content-Type"] == one.media_type, "and no parameters"
                assert answer.headers["Content-Length"] == str(len(one.data))
                assert answer.headers["Docker-Content-Digest"] == one.digest
                if method == "GET":
                    assert answer.body == one.data


@each
def test_the_tags_of_a_data_set_are_listed(target: Target, wire: Wire, repo: str, data: DataSet) -> None:
    if not push_all(target, wire, repo, data):
        return
    tags = [tag for one in data.manifests for tag in one.tags]
    answer = wire.get(f"/v2/{repo}/tags/list")
    if not tags and "tags of a repository without any" in target.otherwise:
        assert answer.status == target.otherwise["tags of a repository without any"]
        return
    assert (answer.status, answer.json["name"]) == (200, repo)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert sorted(answer.json["tags"]) == sorted(tags)


@each
def test_what_refers_to_a_data_set_is_told(target: Target, wire: Wire, repo: str, data: DataSet) -> None:
    if not push_all(target, wire, repo, data):
        return
    subjects = {one.subject for one in data.manifests if one.subject}
    for subject in subjects or {data.manifests[0].digest}:
        answer = wire.get(f"/v2/{repo}/referrers/{subject}")
        if status := target.otherwise.get("referrers"):
            assert answer.status == status
            continue
        referring = [one for one in data.manifests if one.subject == subject]
        _check_referrers(answer, referring)
        kinds = {str(referrer(one).get("artifactType", "")) for one in referring} - {""}
        for kind in kinds | {"application/vnd.example.none"}:
            quoted = kind.replace("+", "%2B")
            some = wire.get(f"/v2/{repo}/referrers/{subject}?artifactType={quoted}")
            assert some.headers["OCI-Filters-Applied"] == "artifactType"
            _check_referrers(some, [one for one in referring if referrer(one).get("artifactType") == kind])


def _check_referrers(answer: Answer, expected: list[Pushed]) -> None:
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == INDEX
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, INDEX)

    def key(one: dict[str, object]) -> str:
        return str(one["digest"])

    found = sorted(answer.json["manifests"], key=key)
    assert found == sorted((referrer(one) for one in expected), key=key)


@each
def test_a_data_set_can_be_deleted(target: Target, wire: Wire, repo: str, data: DataSet) -> None:
    if not push_all(target, wire, repo, data):
        return
    for one in reversed(data.manifests):
        for tag in one.tags:
            deleted = wire.delete(url(repo, tag))
            assert deleted.status == target.otherwise.get("delete of a tag", 202)
            if deleted.status == 202:
                assert wire.head(url(repo, tag), Accept=ACCEPT).status == 404
    for one in reversed(data.manifests):
        assert wire.get(url(repo, one.digest), Accept=ACCEPT).status == 200, "a tag's removal leaves the manifest"
        assert wire.delete(url(repo, one.digest)).status == 202
        assert wire.head(url(repo, one.digest), Accept=ACCEPT).status == 404
        assert wire.delete(url(repo, one.digest)).status == 404
    for blob in data.blobs:
        digest = datasets.digest_of(blob, data.algorithm)
        assert wire.delete(f"/v2/{repo}/blobs/{digest}").status == 202
        assert wire.head(f"/v2/{repo}/blobs/{digest}").status == 404


def test_a_deleted_referrer_is_told_no_more(target: Target, wire: Wire, repo: str) -> None:
    data = datasets.artifacts_with_subject()
    push_all(target, wire, repo, data)
    subject, first, *rest = data.manifests
    assert wire.delete(url(repo, first.digest)).status == 202
    answer = wire.get(f"/v2/{repo}/referrers/{subject.digest}")
    if status := target.otherwise.get("referrers"):
        assert answer.status == status
        return
    _check_referrers(answer, rest)


def test_a_referrers_tag_from_older_days_is_told_by_the_api(target: Target, wire: Wire, repo: str) -> None:
    """Spec: a registry that gets the API folds in what clients kept under the fallback tag before."""
    data = datasets.artifacts_with_subject()
    push_all(target, wire, repo, data)
    subject = data.manifests[0].digest
    blobs, doc = datasets._artifact("older", "application/vnd.example.older")
    for blob in blobs:
        push_blob(wire, repo, blob)
    older = Pushed(datasets.dumped(doc))
    assert wire.put(url(repo, older.digest), older.data, Content_Type=MANIFEST).status == 201
    kept = Pushed(datasets.dumped(datasets._index([referrer(older)])))
    assert wire.put(url(repo, subject.replace(":", "-")), kept.data, Content_Type=INDEX).status == 201
    answer = wire.get(f"/v2/{repo}/referrers/{subject}")
    if status := target.otherwise.get("referrers"):
        assert answer.status == status
        return
    _check_referrers(answer, [*data.manifests[1:], older])


TAGS = ["Zeta", "_under", "a", "a.b", "b-1", "b_2", "latest", "v1.0", "v10", "v2"]


def _with_tags(wire: Wire, repo: str) -> Pushed:
    data = datasets.image()
    for blob in data.blobs:
        push_blob(wire, repo, blob)
    one = data.manifests[0]
    for tag in TAGS:
        assert wire.put(url(repo, tag), one.data, Content_Type=one.media_type).status == 201
    return one


def test_tags_come_in_order_and_after_the_last_one_named(target: Target, wire: Wire, repo: str) -> None:
    _with_tags(wire, repo)
    everything = wire.get(f"/v2/{repo}/tags/list").json["tags"]
    if target.otherwise.get("pages of tags") is False:
        assert sorted(everything) == sorted(TAGS)
        return
    orders = (sorted(TAGS), sorted(TAGS, key=str.lower))
    assert everything in orders
    for place, tag in enumerate(everything):
        rest = wire.get(f"/v2/{repo}/tags/list?n=100&last={tag}").json["tags"]
        assert (rest or []) == everything[place + 1 :]


@pytest.mark.parametrize("n", [1, 3, 5, 10, 11])
def test_tags_come_in_pages_that_a_link_joins(target: Target, wire: Wire, repo: str, n: int) -> None:
    _with_tags(wire, repo)
    if target.otherwise.get("pages of tags") is False:
        assert len(wire.get(f"/v2/{repo}/tags/list?n={n}").json["tags"]) == len(TAGS)
        return
    found: list[str] = []
    where = f"/v2/{repo}/tags/list?n={n}"
    for _ in itertools.repeat(None, len(TAGS) + 1):
        answer = wire.get(where)
        assert len(answer.json["tags"] or []) <= n
        found += answer.json["tags"] or []
        link = answer.headers.get("Link")
        if not link:
            break
        where, _, rel = link.partition(">")
        assert (where[0], rel.replace(" ", "")) == ("<", ';rel="next"')
        where = where[1:]
    assert found == wire.get(f"/v2/{repo}/tags/list").json["tags"]


def test_no_tags_asked_for_gives_none_and_no_link(target: Target, wire: Wire, repo: str) -> None:
    _with_tags(wire, repo)
    answer = wire.get(f"/v2/{repo}/tags/list?n=0")
    if target.otherwise.get("pages of tags") is False:
        assert len(answer.json["tags"]) == len(TAGS)
        return
    assert (answer.status, answer.json["tags"]) == (200, [])
    assert answer.headers.get("Link") is None


@pytest.mark.parametrize("n", ["-1", "x", "1000000000", "99999999999999999999999", "1.5", ""])
def test_an_odd_number_of_tags_asked_for_is_refused_or_bounded(wire: Wire, repo: str, n: str) -> None:
    _with_tags(wire, repo)
    answer = wire.get(f"/v2/{repo}/tags/list?n={n}")
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert set(answer.json["tags"]) <= set(TAGS)


def test_several_tags_come_with_one_manifest(target: Target, wire: Wire, repo: str) -> None:
    """The development version of the spec: `?tag=` once for each tag, and OCI-Tag says which were taken."""
    data = datasets.image()
    for blob in data.blobs:
        push_blob(wire, repo, blob)
    one = data.manifests[0]
    tags = [f"tag-{n}" for n in range(12)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = wire.put(f"{url(repo, one.digest)}?{query}", one.data, Content_Type=one.media_type)
    assert answer.status == 201
    if target.otherwise.get("tag parameters") is False:
        assert answer.headers.get("OCI-Tag") is None
        return
    told = [tag.strip() for line in answer.headers.get_all("OCI-Tag", []) for tag in line.split(",")]
    assert sorted(told) == sorted(tags)
    assert set(tags) <= set(wire.get(f"/v2/{repo}/tags/list").json["tags"])
    for tag in tags:
        assert wire.get(url(repo, tag), Accept=ACCEPT).body == one.data


def test_a_tag_moves_to_what_was_pushed_last(wire: Wire, repo: str) -> None:
    first, second = datasets.image(), datasets.image_uncompressed()
    for data in (first, second):
        for blob in data.blobs:
            push_blob(wire, repo, blob)
        one = data.manifests[0]
        assert wire.put(url(repo, "moving"), one.data, Content_Type=one.media_type).status == 201
    assert wire.get(url(repo, "moving"), Accept=ACCEPT).body == second.manifests[0].data
    assert wire.get(url(repo, first.manifests[0].digest), Accept=ACCEPT).body == first.manifests[0].data


def test_a_manifest_of_blobs_that_are_not_there_is_refused(wire: Wire, repo: str) -> None:
    one = datasets.image().manifests[0]
    answer = wire.put(url(repo, "early"), one.data, Content_Type=one.media_type)
    assert answer.status in {400, 404}
    assert set(answer.codes) <= {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_INVALID"}
    assert wire.head(url(repo, "early"), Accept=ACCEPT).status == 404


def test_the_catalog_names_the_repository(wire: Wire, repo: str) -> None:
    _with_tags(wire, repo)
    names = []
    where = "/v2/_catalog?n=100"
    while where:
        answer = wire.get(where)
        assert answer.status == 200
        names += answer.json["repositories"]
        link = answer.headers.get("Link", "")
        where = link[1 : link.index(">")] if link else ""
    assert repo in names
    assert names == sorted(names)


def test_a_manifest_over_four_mebibytes_is_too_large(wire: Wire, repo: str) -> None:
    doc = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"x": "y" * (5 << 20)}}
    answer = wire.put(url(repo, "huge"), json.dumps(doc).encode(), Content_Type=INDEX)
    assert answer.status in {413, 400}
    assert wire.head(url(repo, "huge"), Accept=ACCEPT).status == 404
