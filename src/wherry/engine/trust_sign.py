"""Signing an image in its registry, in either layout of cosign's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from wherry.engine.trust_remote import Remote, Target, fetch_manifest, find, push_blob, push_referrer
from wherry.engine.trust_verify import verdicts
from wherry.errors import Conflict, NotFound
from wherry.oci import mediatype
from wherry.oci.manifest import Index
from wherry.store.images import rfc3339
from wherry.trust import bundle, simple_signing, statement
from wherry.trust.judge import BUNDLE, TAG, Asked
from wherry.trust.keyless import Keyless
from wherry.trust.keys import PrivateKey
from wherry.trust.referrer import make

__all__ = ["SignRequest", "Signed", "sign"]

_TRIES = 5


class SignRequest(NamedTuple):
    """`layouts` are of "bundle" and "tag"; exactly one of `key` and `keyless` is given.

    `recursive` signs the images in an index too. `annotations` are signed with it.
    """

    name: str
    layouts: tuple[str, ...] = (BUNDLE,)
    key: PrivateKey | None = None
    keyless: Keyless | None = None
    recursive: bool = False
    annotations: Mapping[str, str] = {}


class Signed(NamedTuple):
    """`is_new` is False when the same signature by the same key was there already, and nothing was pushed."""

    pinned: str
    layout: str
    is_new: bool


def sign(remote: Remote, request: SignRequest) -> list[Signed]:
    """Sign what the name stands for at its registry now. Raises: NotFound, RegistryError, Conflict, ..."""
    target = find(remote, request.name, push=True)
    done = []
    for one in [target, *(_members(target) if request.recursive else ())]:
        done += [_sign_one(one, request, layout) for layout in request.layouts]
    return done


def _members(target: Target) -> list[Target]:
    if target.subject.media_type not in mediatype.INDEXES:
        return []
    index = Index.from_bytes(target.repository.manifest(str(target.subject.digest)).data)
    return [target._replace(subject=one) for one in index.manifests]


def _sign_one(target: Target, request: SignRequest, layout: str) -> Signed:
    digest = target.subject.digest
    if request.key:
        asked = Asked(digest, frozenset({target.name}), request.key.public, annotations=request.annotations)
        if any(one.is_good and one.repository for one in verdicts(target, asked, layouts=(layout,))):
            return Signed(target.pinned, layout, False)
    if layout == TAG:
        assert request.key
        _push_simple(target, request.key, simple_signing.payload(digest, target.name, request.annotations))
        return Signed(target.pinned, layout, True)
    said = statement.image_signature(digest, target.name, request.annotations)
    if request.key:
        sealed = bundle.sign(said, request.key)
    else:
        assert request.keyless
        sealed = request.keyless.sign(said)
    created = rfc3339(time.time_ns() // 10**9 * 10**9)
    push_referrer(target.repository, make(bundle.artifact(sealed, statement.SIGN_PREDICATE, created), target.subject))
    return Signed(target.pinned, layout, True)


def _push_simple(target: Target, key: PrivateKey, payload: bytes) -> None:
    """Behind the signatures that are there. Two who sign at once: whoever finds theirs gone puts it back.

    Raises: Conflict.
    """
    tag = simple_signing.tag_of(target.subject.digest)
    signature = key.sign(payload)
    for _ in range(_TRIES):
        try:
            _, older = fetch_manifest(target.repository, tag)
        except NotFound:
            older = None
        data, config, layer = simple_signing.add_layer(older, payload, signature)
        if older and layer in older.layers:
            return
        push_blob(target.repository, layer, payload)
        from wherry.oci.manifest import Manifest

        manifest = Manifest.from_bytes(data)
        push_blob(target.repository, manifest.config, config)
        target.repository.put_manifest(tag, data, manifest.media_type)
        if layer in fetch_manifest(target.repository, tag)[1].layers:
            return
    raise Conflict(f"the signatures of {target.pinned} keep changing", hint="try again when nobody else signs it")
