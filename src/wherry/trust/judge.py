"""Is this signature the one that was asked for? Pure: what was fetched goes in, a verdict comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.errors import BadSignature, InvalidReference, InvalidSpec
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference
from wherry.trust import bundle as bundles
from wherry.trust import simple_signing, statement
from wherry.trust.keyless import Identity, Keyless
from wherry.trust.keys import PublicKey

__all__ = ["BUNDLE", "TAG", "Asked", "Verdict", "judge_bundle", "judge_simple"]

BUNDLE, TAG = "bundle", "tag"


class Asked(NamedTuple):
    """What a signature must say: this manifest, this repository, signed by `key`, or by `identity` through `keyless`.

    `repositories` are the names ("registry/repository") for which the signature may have been made: the one it was
    fetched from, and others the caller accepts. `annotations` must have been signed too.
    """

    digest: Digest
    repositories: frozenset[str]
    key: PublicKey | None = None
    identity: Identity | None = None
    keyless: Keyless | None = None
    annotations: Mapping[str, str] = {}

    @property
    def signer(self) -> str:
        if self.key:
            return f"key {self.key.fingerprint}"
        return self.identity.name if self.identity else ""


class Verdict(NamedTuple):
    """Of one signature. `where` is the digest of the manifest that holds it; `reason` is "" when it is good.

    `repository` is the one that was signed, "" when none was: cosign 3 leaves it out of its bundles.
    """

    layout: str
    where: Digest
    reason: str
    signer: str = ""
    repository: str = ""
    annotations: Mapping[str, str] = {}
    created: str = ""

    @property
    def is_good(self) -> bool:
        return not self.reason


def judge_simple(asked: Asked, where: Digest, signature: Callable[[], bytes], data: bytes) -> Verdict:
    """A signature of the older layout: `signature` (read late: it may be broken) over the text `data`."""
    if not asked.key:
        return Verdict(TAG, where, "this layout is verified with a key: --key")
    try:
        if not asked.key.verifies(signature(), data):
            return Verdict(TAG, where, "not signed by this key")
        said = simple_signing.claim(data)
    except InvalidSpec as fault:
        return Verdict(TAG, where, str(fault))
    reason = _differs(asked, {said.digest}, said.repository, said.annotations)
    return Verdict(TAG, where, reason, asked.signer, said.repository, said.annotations)


def judge_bundle(asked: Asked, where: Digest, data: bytes, created: str = "") -> Verdict | None:
    """A Sigstore bundle; None when it is no signature of an image but an attestation, as of its provenance."""
    try:
        parsed = bundles.parse(data)
        said = statement.parse(parsed.payload)
    except InvalidSpec as fault:
        return Verdict(BUNDLE, where, str(fault), created=created)
    if said.predicate_type != statement.SIGN_PREDICATE:
        # Signed by the same key, perhaps: but who says how it was built does not say that it is good to run
        return None
    if parsed.payload_type != statement.PAYLOAD_TYPE:
        return Verdict(BUNDLE, where, f"signed as {parsed.payload_type[:80]!r}, which is no statement", created=created)
    if reason := _not_signed(asked, parsed, data):
        return Verdict(BUNDLE, where, reason, created=created)
    verdict = Verdict(BUNDLE, where, "it names no image", asked.signer, created=created)
    for subject in said.subjects:
        digests = {f"{algorithm}:{digits}" for algorithm, digits in subject.digests.items()}
        reason = _differs(asked, digests, subject.name, subject.annotations)
        verdict = verdict._replace(reason=reason, repository=subject.name, annotations=subject.annotations)
        if not reason:
            break
    return verdict


def _not_signed(asked: Asked, parsed: bundles.Bundle, data: bytes) -> str:
    """Why the envelope is not signed by who was asked for, or ""."""
    if asked.key:
        if bundles.verifies(parsed, asked.key):
            return ""
        if parsed.certificate:
            return "signed with a certificate, not with this key: --certificate-identity"
        return "not signed by this key"
    if not parsed.certificate:
        return "signed with a key: verify it with --key"
    assert asked.keyless
    assert asked.identity
    try:
        payload = asked.keyless.verify(data, asked.identity)
    except BadSignature as fault:
        return str(fault)
    return "" if payload == parsed.payload else "the library verified another statement than the bundle's"


def _differs(asked: Asked, digests: set[str], repository: str, annotations: Mapping[str, str]) -> str:
    """Why what was signed is not what was asked for, or ""."""
    if str(asked.digest) not in digests:
        return f"signed for another image: {', '.join(sorted(digests))[:160] or 'none'}"
    if repository and _whole(repository) not in asked.repositories:
        return f"signed for another repository: {repository[:200]}"
    for key, value in asked.annotations.items():
        if annotations.get(key) != value:
            return f"{key}={value} was not signed"
    return ""


def _whole(name: str) -> str:
    """As `Reference` spells it: cosign calls Docker Hub index.docker.io, and may have signed a tag too."""
    try:
        found = Reference.parse(name)
    except InvalidReference:
        return name
    return f"{found.registry}/{found.repository}"
