"""How an image was built, as a SLSA provenance statement. Its subject is filled in when the image is pushed.

Spec: https://slsa.dev/spec/v1.0/provenance
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from wherry._version import __version__
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode
from wherry.oci.reference import Reference
from wherry.trust.referrer import IN_TOTO, Payload
from wherry.trust.statement import STATEMENT_TYPE

__all__ = ["BUILDER", "BUILD_TYPE", "PREDICATE_TYPE", "Dependency", "Facts", "is_same_build", "payload"]

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# What each of them means is written in docs/trust.md
BUILD_TYPE = "urn:wherry:dockerfile-build:v1"
BUILDER = "urn:wherry:local"
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "AUTH")
# Predefined arguments, which no image remembers: a proxy's URL may hold a password
_HIDDEN = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"})
HIDDEN_VALUE = "(not told: its name says that it is a secret)"


class Dependency(NamedTuple):
    """A base image: its name in the Dockerfile, its platform, and the digest it had ("" when unknown)."""

    name: str
    platform: str
    digest: Digest | None


class Facts(NamedTuple):
    """What a build was made from. `build_args` are all that were given; `context` is the digest of its files or None.

    `is_whole` ("max") also tells the values of build arguments, the labels and the Dockerfile's text. Times: RFC 3339.
    """

    dockerfile_name: str
    dockerfile: bytes
    target: str
    platform: str
    network: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    source_date_epoch: int
    context: Digest | None
    dependencies: tuple[Dependency, ...]
    started: str
    finished: str
    is_whole: bool


def payload(facts: Facts) -> Payload:
    """The artifact, its subject still open."""
    doc = {"_type": STATEMENT_TYPE, "subject": [], "predicateType": PREDICATE_TYPE, "predicate": _predicate(facts)}
    annotations = {"in-toto.io/predicate-type": PREDICATE_TYPE}
    return Payload(IN_TOTO, IN_TOTO, encode(doc), "provenance.slsa.json", annotations)


def is_same_build(one: bytes, other: bytes) -> bool:
    """Whether two statements differ in their times only: the same build, run again."""
    return bool(_without_times(one) == _without_times(other))


def _without_times(data: bytes) -> Any:
    doc = json.loads(data)
    doc["predicate"]["runDetails"].pop("metadata", None)
    return doc


def _predicate(facts: Facts) -> dict[str, Any]:
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _parameters(facts),
            "internalParameters": {
                "network": facts.network, "platform": facts.platform, "sourceDateEpoch": facts.source_date_epoch,
            },
            "resolvedDependencies": _dependencies(facts),
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"wherry": __version__}},
            "metadata": {"startedOn": facts.started, "finishedOn": facts.finished},
        },
    }  # fmt: skip


def _parameters(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dockerfile": {"name": facts.dockerfile_name, "digest": {"sha256": Digest.of(facts.dockerfile).hex}},
    }
    if facts.target:
        found["target"] = facts.target
    names = sorted(name for name in facts.build_args if name.upper() not in _HIDDEN)
    if facts.is_whole:
        found["dockerfile"]["content"] = facts.dockerfile.decode("utf-8", "replace")
        found["args"] = {name: _told(name, facts.build_args[name]) for name in names}
        found["labels"] = dict(sorted(facts.labels.items()))
    elif names:
        found["args"] = names
    return found


def _told(name: str, value: str) -> str:
    if any(word in name.upper() for word in _SECRET_WORDS):
        return HIDDEN_VALUE
    return value.encode("utf-8", "replace").decode()


def _dependencies(facts: Facts) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in facts.dependencies:
        entry: dict[str, Any] = {"uri": _purl(one)}
        if one.digest:
            entry["digest"] = {one.digest.algorithm: one.digest.hex}
        found.append(entry)
    if facts.context:
        found.append({"name": "context", "digest": {facts.context.algorithm: facts.context.hex}})
    return found


def _purl(one: Dependency) -> str:
    """As BuildKit names images. Spec: https://github.com/package-url/purl-spec/blob/v1.0.0/PURL-TYPES.rst#docker"""
    reference = Reference.parse(one.name)
    version = quote(reference.tag or str(reference.digest), safe="")
    return f"pkg:docker/{quote(reference.familiar_name, safe='/')}@{version}?platform={quote(one.platform, safe='')}"
