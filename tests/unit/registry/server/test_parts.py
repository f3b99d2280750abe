"""Routes, ranges, manifests as documents, and log lines: each alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.registry.server.asking import request
from wherry.registry.server.access_log import access_line, quoted
from wherry.registry.server.document import read_document
from wherry.registry.server.fault import Fault
from wherry.registry.server.ranges import UNSATISFIABLE, wanted_range
from wherry.registry.server.route import Route, find
from wherry.web.server import Exchange

DIGEST = "sha256:" + "a" * 64
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2/", Route("ping")),
        ("/v2", Route("ping")),
        ("/v2/_catalog", Route("catalog")),
        ("/v2/a/tags/list", Route("tags", "a")),
        ("/v2/tags/list/tags/list", Route("tags", "tags/list")),
        ("/v2/a/manifests/latest", Route("manifest", "a", "latest")),
        ("/v2/manifests/manifests/manifests", Route("manifest", "manifests", "manifests")),
        (f"/v2/a/b/blobs/{DIGEST}", Route("blob", "a/b", DIGEST)),
        ("/v2/a/blobs/sha256%3Aabc", Route("blob", "a", "sha256:abc")),
        ("/v2/a/blobs/uploads/", Route("start", "a")),
        ("/v2/a/blobs/uploads", Route("start", "a")),
        ("/v2/a/blobs/uploads/x", Route("upload", "a", "x")),
        ("/v2/a/blobs/uploads/blobs/uploads/", Route("start", "a/blobs/uploads")),
        (f"/v2/a/referrers/{DIGEST}", Route("referrers", "a", DIGEST)),
        ("/", None),
        ("/v2x", None),
        ("/v2/a", None),
        ("/v2/a/b/c", None),
    ],
)
def test_a_path_is_read_from_the_right(path: str, route: Route | None) -> None:
    assert find(path) == route


@pytest.mark.parametrize(
    "name",
    ["", "..", "a/..", "../a", "a//b", "/a", "a/", "A", "a%2fb", "a%2Fb", "%2e%2e", "a%00", "a%0a", "_catalog", "a..b",
     "-a", "a-", "a___b", "a b", "\u00e9", "%C3%A9", "a:b", "a@b", "n" * 256],
)  # fmt: skip
def test_a_name_that_breaks_the_rule_is_400(name: str) -> None:
    with pytest.raises(Fault) as caught:
        find(f"/v2/{name}/manifests/latest")
    assert (caught.value.status, caught.value.code) == (400, "NAME_INVALID")


@given(st.text(alphabet="abz09._-/%2eF:~", max_size=30))
def test_no_path_gives_a_name_that_leads_anywhere(text: str) -> None:
    try:
        route = find(f"/v2/{text}/manifests/latest")
    except Fault:
        return
    assert route
    parts = route.repository.split("/")
    assert all(part and part[0].isalnum() and ".." not in part for part in parts)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=500-1499", (500, 1000)),
        ("bytes=500-", (500, 1548)),
        ("bytes=-500", (1548, 500)),
        ("bytes=-5000", (0, 2048)),
        ("bytes=2000-5000", (2000, 48)),
        ("BYTES= 1-2 ", (1, 2)),
        ("bytes=2048-", UNSATISFIABLE),
        ("bytes=500-0", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-1 x", None),
        ("bytes=99999999999999999999-", None),
    ],
)
def test_a_range_is_one_part_all_or_416(text: str, wanted: tuple[int, int] | None) -> None:
    assert wanted_range({"range": text}, 2048, '"e"') == wanted


def test_a_range_of_something_else_gives_all() -> None:
    assert wanted_range({"range": "bytes=0-1", "if-range": '"other"'}, 10, '"e"') is None
    assert wanted_range({"range": "bytes=0-1", "if-range": '"e"'}, 10, '"e"') == (0, 2)
    assert wanted_range({"range": "bytes=0-"}, 0, '"e"') == UNSATISFIABLE
    assert wanted_range({}, 10, '"e"') is None


@given(st.text(alphabet="bytes=0123456789-, ", max_size=20), st.integers(0, 100))
def test_a_range_never_leaves_the_blob(text: str, size: int) -> None:
    found = wanted_range({"range": text}, size, "")
    if found not in (None, UNSATISFIABLE):
        assert found
        assert 0 <= found[0] < found[0] + found[1] <= size


def image(**more: object) -> bytes:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], **more}).encode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (image(manifests=[]), MANIFEST),
        (image(mediaType=INDEX, manifests=[]), INDEX),
        (image(), INDEX),
        (image(mediaType=5), MANIFEST),
        (image(mediaType="text/html"), ""),
        (image(schemaVersion=1), MANIFEST),
        (image(schemaVersion=True), MANIFEST),
        (image(config=None), MANIFEST),
        (image(config={"digest": "sha256:../../x", "mediaType": "x", "size": 1}), MANIFEST),
        (image(config={"digest": DIGEST, "mediaType": "x", "size": -1}), MANIFEST),
        (image(config={"digest": DIGEST, "mediaType": "x", "size": True}), MANIFEST),
        (image(layers={}), MANIFEST),
        (image(layers=[5]), MANIFEST),
        (image(subject="x"), MANIFEST),
        (image(annotations={"a": 5}), MANIFEST),
        (image(artifactType=5), MANIFEST),
        (image(fsLayers=[]), MANIFEST),
        (b"[]", MANIFEST),
        (b"", MANIFEST),
        (b"{", MANIFEST),
        (b"\xff", MANIFEST),
        (b'{"a":NaN}', MANIFEST),
        (b'{"a":' * 100_000, MANIFEST),
    ],
    ids=range(23),
)
def test_what_is_no_manifest_is_refused(data: bytes, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        read_document(data, kind)
    assert (caught.value.status, caught.value.code) == (400, "MANIFEST_INVALID")


def test_a_content_type_may_have_parameters() -> None:
    assert read_document(image(), f"{MANIFEST}; charset=utf-8").media_type == MANIFEST


@given(st.text())
def test_nothing_that_is_logged_ends_its_line(text: str) -> None:
    assert quoted(text).isprintable()
    assert '"' not in quoted(text)


def test_a_line_of_the_log() -> None:
    asked = request("GET", "/v2/a?b=secret", remote="::1")
    asked.user = 'anna "x"\nb'
    assert (
        access_line(Exchange(asked, 200, 5, 0.0012345), 1_700_000_000.25)
        == '2023-11-14T22:13:20.250Z ::1 anna\\x20\\x22x\\x22\\x0ab "GET /v2/a" 200 5 0.001234'
    )
