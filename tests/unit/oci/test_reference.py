from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wherry.errors import InvalidReference
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("python:3.10", "docker.io/library/python:3.10", "python:3.10"),
        ("library/python", "docker.io/library/python:latest", "python:latest"),
        ("docker.io/python", "docker.io/library/python:latest", "python:latest"),
        ("index.docker.io/library/python", "docker.io/library/python:latest", "python:latest"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("a/b/c/d:1", "docker.io/a/b/c/d:1", "a/b/c/d:1"),
        ("ghcr.io/user/app:v1", "ghcr.io/user/app:v1", "ghcr.io/user/app:v1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("host:5000/a/b:c", "host:5000/a/b:c", "host:5000/a/b:c"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("a__b/c--d.e:A_b-C.9", "docker.io/a__b/c--d.e:A_b-C.9", "a__b/c--d.e:A_b-C.9"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}", f"python@{DIGEST}"),
        (f"python:3@{DIGEST}", f"docker.io/library/python:3@{DIGEST}", f"python:3@{DIGEST}"),
        ("app:" + "t" * 128, "docker.io/library/app:" + "t" * 128, "app:" + "t" * 128),
    ],
)
def test_names_are_filled_in_as_docker_does(text: str, whole: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == whole
    assert reference.familiar == familiar
    assert Reference.parse(whole) == Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "@", "/", "a/", "/a", "a//b", "App", "user/App", "a b", "a:b c", "a:", "a:-b", "a:.b", "a@", "a@b",
        "a@sha256:123", "..", "../a", "a/../b", "a/./b", "-a", "a-", "a_", "_a", "a___b", "a..b", "a:" + "t" * 129,
        "a" * 256, "host:port/a", "host:5000", "a\n", "a:b\n", "é", "a:ü", "http://x/y", "a:b:c", "localhost:5000/",
        "a.b/C", "\x1b[31m",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    if text == "host:5000":  # a name with a tag
        assert Reference.parse(text).tag == "5000"
        return
    with pytest.raises(InvalidReference, match="invalid reference format"):
        Reference.parse(text)


@example("a@sha256:" + "a" * 64)
@given(st.text(alphabet="abZ019./:@-_ \n[]é", max_size=40))
def test_whatever_is_accepted_is_accepted_again_as_itself(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
    assert ".." not in str(reference).split("/")
