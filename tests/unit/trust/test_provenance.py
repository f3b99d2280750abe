"""Provenance: what it tells, and what it must never tell."""

from __future__ import annotations

import json
from typing import Any

from wherry.oci.digest import Digest
from wherry.trust.provenance import HIDDEN_VALUE, Dependency, Facts, is_same_build, payload

FACTS = Facts(
    dockerfile_name="Dockerfile",
    dockerfile=b"FROM python:3.10\n",
    target="test",
    platform="linux/amd64",
    network="default",
    build_args={"VERSION": "1.2", "API_TOKEN": "s3cret", "https_proxy": "http://me:s3cret@proxy"},
    labels={"a": "b"},
    source_date_epoch=315532800,
    context=Digest.of(b"context"),
    dependencies=(
        Dependency("python:3.10", "linux/amd64", Digest.of(b"base")),
        Dependency("localhost:5000/x/y", "linux/amd64", None),
    ),
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:00:09Z",
    is_whole=False,
)


def predicate(facts: Facts) -> dict[str, Any]:
    made = payload(facts)
    assert b"s3cret" not in made.data
    doc = json.loads(made.data)
    assert doc["_type"] == "https://in-toto.io/Statement/v1"
    assert doc["predicateType"] == "https://slsa.dev/provenance/v1"
    assert doc["subject"] == []
    found: dict[str, Any] = doc["predicate"]
    return found


def test_the_short_form_tells_names_and_digests() -> None:
    definition = predicate(FACTS)["buildDefinition"]
    assert definition["buildType"] == "urn:wherry:dockerfile-build:v1"
    assert definition["externalParameters"] == {
        "dockerfile": {"name": "Dockerfile", "digest": {"sha256": Digest.of(FACTS.dockerfile).hex}},
        "target": "test",
        "args": ["API_TOKEN", "VERSION"],
    }
    assert definition["resolvedDependencies"] == [
        {"uri": "pkg:docker/python@3.10?platform=linux%2Famd64", "digest": {"sha256": Digest.of(b"base").hex}},
        {"uri": "pkg:docker/localhost:5000/x/y@latest?platform=linux%2Famd64".replace("localhost:", "localhost%3A")},
        {"name": "context", "digest": {"sha256": Digest.of(b"context").hex}},
    ]


def test_the_long_form_tells_values_but_no_secrets() -> None:
    parameters = predicate(FACTS._replace(is_whole=True))["buildDefinition"]["externalParameters"]
    assert parameters["args"] == {"API_TOKEN": HIDDEN_VALUE, "VERSION": "1.2"}
    assert parameters["labels"] == {"a": "b"}
    assert parameters["dockerfile"]["content"] == "FROM python:3.10\n"


def test_it_says_who_built_and_when() -> None:
    details = predicate(FACTS)["runDetails"]
    assert details["builder"]["id"] == "urn:wherry:local"
    assert details["metadata"] == {"startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:00:09Z"}


def test_a_second_run_of_the_same_build_is_told_from_another_build() -> None:
    one = payload(FACTS).data
    assert is_same_build(one, payload(FACTS._replace(started="2027-01-01T00:00:00Z")).data)
    assert not is_same_build(one, payload(FACTS._replace(target="")).data)
