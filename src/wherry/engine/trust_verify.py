"""Verifying an image's signatures: all that are found are judged, one good one is enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wherry.engine.trust_remote import Remote, Target, fetch, fetch_manifest, find
from wherry.errors import BadSignature, IntegrityError, InvalidSpec, NotFound, Unsigned
from wherry.oci import mediatype
from wherry.trust import bundle, simple_signing
from wherry.trust.judge import BUNDLE, TAG, Asked, Verdict, judge_bundle, judge_simple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.oci.descriptor import Descriptor

__all__ = ["Verified", "check", "verdicts", "verify"]

# A registry can list any number; each costs two requests
LIMIT = 200
_BUNDLE_LIMIT_BYTES = 4 << 20
# What go-containerregistry writes as the type into a fallback tag, where the manifest knows better
_UNTYPED = frozenset({"", mediatype.EMPTY, mediatype.CONFIG})


class Verified(NamedTuple):
    """`pinned` is name@digest: what the verdicts are about."""

    pinned: str
    verdicts: tuple[Verdict, ...]

    @property
    def good(self) -> tuple[Verdict, ...]:
        return tuple(one for one in self.verdicts if one.is_good)


def verify(remote: Remote, name: str, asked: Asked) -> Verified:
    """Judge the signatures of what `name` stands for now; `asked.digest` and its own repository are filled in.

    Says nothing about whether that is enough: see `check`. Raises: NotFound, RegistryError, Unreachable.
    """
    target = find(remote, name)
    asked = asked._replace(digest=target.subject.digest, repositories=asked.repositories | {target.name})
    return Verified(target.pinned, tuple(verdicts(target, asked)))


def check(found: Verified) -> None:
    """Raises: Unsigned when there is no signature, BadSignature when none is good: with why not."""
    if not found.verdicts:
        raise Unsigned(
            f"{found.pinned} has no signature", hint="it was never signed, or its signatures were not copied with it"
        )
    if not found.good:
        reasons = sorted({one.reason for one in found.verdicts})
        shown = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if reasons[5:] else "")
        raise BadSignature(f"no signature of {found.pinned} is good: {shown}", hint=_hint(reasons))


def _hint(reasons: Sequence[str]) -> str | None:
    if any(one.startswith("signed for another repository") for one in reasons):
        return "if the image was copied from there on purpose: --signed-for REPOSITORY"
    return None


def verdicts(target: Target, asked: Asked, layouts: Sequence[str] = (BUNDLE, TAG)) -> Iterator[Verdict]:
    """In the order in which the registry has them, bundles first."""
    if BUNDLE in layouts:
        yield from _bundles(target, asked)
    if TAG in layouts:
        yield from _simple(target, asked)


def _bundles(target: Target, asked: Asked) -> Iterator[Verdict]:
    listed = [one for one in target.repository.referrers(target.subject.digest) if _may_be_bundle(one)]
    for one in listed[:LIMIT]:
        try:
            _, manifest = fetch_manifest(target.repository, one.digest)
            layer = next((layer for layer in manifest.layers if layer.media_type.startswith(bundle.PREFIX)), None)
            if layer is None:
                continue
            data = fetch(target.repository, layer, _BUNDLE_LIMIT_BYTES)
        except (NotFound, InvalidSpec, IntegrityError) as fault:
            if one.artifact_type.startswith(bundle.PREFIX):
                yield Verdict(BUNDLE, one.digest, f"it can't be read: {fault}"[:300])
            continue
        created = manifest.annotations.get("org.opencontainers.image.created", "")
        if verdict := judge_bundle(asked, one.digest, data, created):
            yield verdict


def _may_be_bundle(one: Descriptor) -> bool:
    return one.artifact_type in _UNTYPED or one.artifact_type.startswith(bundle.PREFIX)


def _simple(target: Target, asked: Asked) -> Iterator[Verdict]:
    try:
        where, manifest = fetch_manifest(target.repository, simple_signing.tag_of(target.subject.digest))
    except NotFound:
        return
    except (InvalidSpec, IntegrityError) as fault:
        # Whoever may push may write this tag: it must not hide the good signatures of the other layout
        yield Verdict(TAG, target.subject.digest, f"its tag of signatures can't be read: {fault}"[:300])
        return
    for layer in manifest.layers[:LIMIT]:
        if layer.media_type != simple_signing.MEDIA_TYPE:
            continue
        try:
            data = fetch(target.repository, layer, simple_signing.LIMIT_BYTES)
        except (NotFound, InvalidSpec, IntegrityError) as fault:
            yield Verdict(TAG, where, f"it can't be read: {fault}"[:300])
            continue

        def signature(layer: Descriptor = layer) -> bytes:
            return simple_signing.signature_of(layer)

        yield judge_simple(asked, where, signature, data)
