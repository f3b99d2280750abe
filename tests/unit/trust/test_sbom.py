"""SBOM documents: valid by the libraries' own validators, the same each time, whatever an image holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from wherry.oci.digest import Digest
from wherry.trust.packages import Distribution, Package
from wherry.trust.sbom import FORMATS, Subject, cyclonedx, payload, spdx

SUBJECT = Subject(Digest.of(b"config"), "shop/api:1", 1_700_000_000 * 10**9)
DEBIAN = Distribution("debian", "13")
PACKAGES = [
    Package("deb", "libc6", "2.41-12+deb13u1", "amd64", "", "GNU Libc <x@y.z>", "https://www.gnu.org/", "glibc", "s"),
    Package("pypi", "Typing_Extensions", "4.1", license="MIT OR Apache-2.0", location="a/METADATA"),
    Package("pypi", "odd", "1", license="Some words of our own", homepage="not a url", location="b/METADATA"),
]  # fmt: skip


def check_spdx(data: bytes) -> dict[str, Any]:
    doc: dict[str, Any] = json.loads(data)
    document = JsonLikeDictParser().parse(doc)
    assert validate_full_spdx_document(document) == []
    return doc


def check_cyclonedx(data: bytes) -> dict[str, Any]:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    doc: dict[str, Any] = json.loads(data)
    return doc


def test_an_spdx_document_is_valid_and_lists_the_packages() -> None:
    doc = check_spdx(spdx(SUBJECT, DEBIAN, PACKAGES))
    assert doc["spdxVersion"] == "SPDX-2.3"
    assert doc["name"] == "shop/api:1"
    assert doc["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    packages = {one["name"]: one for one in doc["packages"]}
    assert packages["libc6"]["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13&upstream=glibc"
    )
    typing = packages["Typing_Extensions"]
    assert typing["externalRefs"][0]["referenceLocator"] == "pkg:pypi/typing-extensions@4.1"
    assert typing["licenseDeclared"] == "MIT OR Apache-2.0"
    assert packages["odd"]["licenseDeclared"] == "NOASSERTION"
    assert "Some words of our own" in packages["odd"]["licenseComments"]
    assert packages["shop/api:1"]["primaryPackagePurpose"] == "CONTAINER"
    contained = [one for one in doc["relationships"] if one["relationshipType"] == "CONTAINS"]
    assert len(contained) == len(PACKAGES)


def test_a_cyclonedx_document_is_valid_and_lists_the_packages() -> None:
    doc = check_cyclonedx(cyclonedx(SUBJECT, DEBIAN, PACKAGES))
    assert doc["specVersion"] == "1.6"
    assert doc["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    assert doc["metadata"]["component"]["name"] == "shop/api:1"
    found = {one["name"]: one for one in doc["components"]}
    assert found["Typing_Extensions"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert found["odd"]["licenses"] == [{"license": {"name": "Some words of our own"}}]
    assert found["libc6"]["purl"].startswith("pkg:deb/debian/libc6@")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_image_has_the_same_document(kind: str) -> None:
    first, second = (payload(kind, SUBJECT, DEBIAN, PACKAGES) for _ in range(2))
    assert first == second
    other = payload(kind, SUBJECT._replace(id=Digest.of(b"other")), DEBIAN, PACKAGES)
    assert other.data != first.data


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_with_nothing_known_in_it_has_a_valid_document(kind: str) -> None:
    data = payload(kind, SUBJECT._replace(name=""), Distribution(), []).data
    (check_spdx if kind == "spdx" else check_cyclonedx)(data)


@pytest.mark.parametrize("name", ["/", "//", " ", "\u00a0", "\u2028"])
@pytest.mark.parametrize("kind", ["deb", "pypi"])
def test_a_name_that_is_none_breaks_nothing(kind: str, name: str) -> None:
    listed = [Package(kind, name, name)]
    check_cyclonedx(cyclonedx(SUBJECT, Distribution("/", "/"), listed))
    assert len(json.loads(spdx(SUBJECT, Distribution("/", "/"), listed))["packages"]) == 2


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
packages = st.builds(
    Package, st.sampled_from(["deb", "pypi"]), words, words, st.sampled_from(["", "amd64"]), words, words, words,
    st.sampled_from(["", "src"]), words,
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(packages, max_size=3))
def test_what_an_image_says_can_not_break_the_documents(listed: list[Package]) -> None:
    check_cyclonedx(cyclonedx(SUBJECT, DEBIAN, listed))
    doc = json.loads(spdx(SUBJECT, DEBIAN, listed))
    assert len(doc["packages"]) == len(listed) + 1
    assert len({one["SPDXID"] for one in doc["packages"]}) == len(listed) + 1
