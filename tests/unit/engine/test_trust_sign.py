"""Signing and verifying through a registry: what counts, and every way in which it must not."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tests.unit.engine.registry_in_memory import MemoryRemote, MemoryRepository
from wherry.engine.trust_remote import find, push_referrer
from wherry.engine.trust_sign import SignRequest, sign
from wherry.engine.trust_verify import Verified, check, verify
from wherry.errors import BadSignature, Conflict, NotFound, Unreachable, Unsigned
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest, encode
from wherry.trust import bundle, simple_signing, statement
from wherry.trust.judge import Asked
from wherry.trust.keyless import Identity
from wherry.trust.keys import PrivateKey, PublicKey, generate, load_private
from wherry.trust.referrer import Payload, make

NAME = "reg.example/shop/api:1"
BOTH = pytest.mark.parametrize("layout", ["bundle", "tag"])


class Keys(NamedTuple):
    mine: PrivateKey
    other: PrivateKey


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(*(load_private(generate(b"", cost=2)[0], lambda: b"", "key") for _ in range(2)))


@pytest.fixture
def remote() -> MemoryRemote:
    made = MemoryRemote()
    made.repositories["reg.example/shop/api"] = MemoryRepository()
    made.repositories["reg.example/shop/api"].add_image()
    return made


def repository(remote: MemoryRemote, name: str = "reg.example/shop/api") -> MemoryRepository:
    return remote.repositories[name]


def judged(remote: MemoryRemote, key: PublicKey, name: str = NAME, **asked: object) -> Verified:
    return verify(remote, name, Asked(Digest(""), frozenset(), key)._replace(**asked))


def copy(remote: MemoryRemote, to: str) -> None:
    """All of the repository under another name, as a registry's administrator or a thief could."""
    source, target = repository(remote), MemoryRepository()
    target.manifests, target.tags, target.blobs = dict(source.manifests), dict(source.tags), dict(source.blobs)
    remote.repositories[to] = target


@BOTH
def test_what_was_signed_verifies_with_the_public_key(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    (done,) = sign(remote, SignRequest(NAME, (layout,), keys.mine))
    found = judged(remote, keys.mine.public)
    check(found)
    (one,) = found.verdicts
    assert (one.layout, one.repository, one.is_good) == (layout, "reg.example/shop/api", True)
    assert done == (found.pinned, layout, True)
    assert found.pinned == f"reg.example/shop/api@{repository(remote).tags['1']}"


@BOTH
def test_another_key_does_not_verify(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    with pytest.raises(BadSignature, match="not signed by this key") as caught:
        check(judged(remote, keys.other.public))
    assert caught.value.exit_code == 12


def test_an_image_without_a_signature_is_unsigned_with_cosigns_exit_code(remote: MemoryRemote, keys: Keys) -> None:
    with pytest.raises(Unsigned) as caught:
        check(judged(remote, keys.mine.public))
    assert caught.value.exit_code == 10


@BOTH
def test_one_good_signature_among_several_is_enough(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    sign(remote, SignRequest(NAME, (layout,), keys.other))
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    found = judged(remote, keys.mine.public)
    check(found)
    assert [one.is_good for one in found.verdicts] == [False, True]
    check(judged(remote, keys.other.public))


@BOTH
def test_signing_again_adds_nothing(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    before = len(repository(remote).manifests)
    (again,) = sign(remote, SignRequest(NAME, (layout,), keys.mine))
    assert not again.is_new
    assert len(repository(remote).manifests) == before


@BOTH
def test_a_signature_does_not_count_for_another_image(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    """The signature of the good image is hung on the bad one."""
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    place = repository(remote)
    good = Digest(place.tags["1"])
    bad = place.add_image("1", b'{"evil":1}')
    if layout == "tag":
        place.tags[simple_signing.tag_of(bad)] = place.tags[simple_signing.tag_of(good)]
    else:
        (one,) = place.referrers(good)
        manifest = Manifest.from_bytes(place.manifests[one.digest][0])
        moved = manifest._replace(subject=Descriptor(mediatype.MANIFEST, bad, 1))
        place.put_manifest(str(Digest.of(moved.to_bytes())), moved.to_bytes(), mediatype.MANIFEST)
    with pytest.raises(BadSignature, match=f"signed for another image: {good}"):
        check(judged(remote, keys.mine.public))


@BOTH
def test_a_signature_does_not_count_in_another_repository(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    copy(remote, "reg.example/evil/api")
    with pytest.raises(BadSignature, match=r"signed for another repository: reg.example/shop/api") as caught:
        check(judged(remote, keys.mine.public, "reg.example/evil/api:1"))
    assert "--signed-for" in str(caught.value.hint)


@BOTH
def test_a_copy_verifies_when_its_origin_is_accepted(remote: MemoryRemote, keys: Keys, layout: str) -> None:
    sign(remote, SignRequest(NAME, (layout,), keys.mine))
    copy(remote, "mirror.example/api")
    accepted = frozenset({"reg.example/shop/api"})
    check(judged(remote, keys.mine.public, "mirror.example/api:1", repositories=accepted))


def test_a_stripped_signature_is_told(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("tag",), keys.mine))
    place = repository(remote)
    tag = simple_signing.tag_of(Digest(place.tags["1"]))
    manifest = Manifest.from_bytes(place.manifest(tag).data)
    stripped = manifest._replace(layers=tuple(one._replace(annotations={}) for one in manifest.layers))
    place.put_manifest(tag, stripped.to_bytes(), mediatype.MANIFEST)
    with pytest.raises(BadSignature, match="missing"):
        check(judged(remote, keys.mine.public))


def test_without_its_signatures_an_image_is_unsigned(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle", "tag"), keys.mine))
    place = repository(remote)
    kept = place.tags["1"]
    place.manifests = {kept: place.manifests[kept]}
    place.tags = {"1": kept}
    with pytest.raises(Unsigned):
        check(judged(remote, keys.mine.public))


def test_an_attestation_by_the_same_key_is_no_signature(remote: MemoryRemote, keys: Keys) -> None:
    """cosign counted such bundles once: who says how an image was built does not say that it is good."""
    target = find(remote, NAME)
    said = encode(
        {
            "_type": statement.STATEMENT_TYPE,
            "subject": [{"name": target.name, "digest": {"sha256": target.subject.digest.hex}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        }
    )
    sealed = bundle.sign(said, keys.mine)
    push_referrer(target.repository, make(bundle.artifact(sealed, statement.SIGN_PREDICATE, ""), target.subject))
    with pytest.raises(Unsigned):
        check(judged(remote, keys.mine.public))


def test_bundles_listed_without_their_type_are_found(remote: MemoryRemote, keys: Keys) -> None:
    repository(remote).untyped = True
    sign(remote, SignRequest(NAME, ("bundle",), keys.mine))
    check(judged(remote, keys.mine.public))


def test_a_bundle_of_cosigns_own_names_no_repository_and_counts(remote: MemoryRemote, keys: Keys) -> None:
    target = find(remote, NAME)
    said = json.loads(statement.image_signature(target.subject.digest, ""))
    del said["subject"][0]["name"]
    sealed = bundle.sign(encode(said), keys.mine)
    push_referrer(target.repository, make(bundle.artifact(sealed, statement.SIGN_PREDICATE, ""), target.subject))
    found = judged(remote, keys.mine.public)
    check(found)
    assert found.verdicts[0].repository == ""


def test_other_things_that_are_attached_do_not_matter(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle",), keys.mine))
    target = find(remote, NAME)
    push_referrer(
        target.repository, make(Payload("application/spdx+json", "application/spdx+json", b"{}"), target.subject)
    )
    push_referrer(target.repository, make(Payload(bundle.MEDIA_TYPE, bundle.MEDIA_TYPE, b"nonsense"), target.subject))
    found = judged(remote, keys.mine.public)
    check(found)
    assert sorted(one.is_good for one in found.verdicts) == [False, True]


def test_a_blob_that_is_gone_or_changed_is_one_bad_signature(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle", "tag"), keys.mine))
    place = repository(remote)
    for digest in list(place.blobs):
        if place.blobs[digest] != b"{}":
            place.blobs[digest] += b" "
    with pytest.raises(BadSignature, match="can't be read"):
        check(judged(remote, keys.mine.public))


def test_a_bundle_too_large_is_not_fetched(remote: MemoryRemote, keys: Keys) -> None:
    target = find(remote, NAME)
    data = b"{}" + b" " * (4 << 20)
    push_referrer(target.repository, make(Payload(bundle.MEDIA_TYPE, bundle.MEDIA_TYPE, data), target.subject))
    with pytest.raises(BadSignature, match="over the limit"):
        check(judged(remote, keys.mine.public))


def test_what_was_signed_with_it_can_be_asked_for(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle", "tag"), keys.mine, annotations={"env": "prod"}))
    assert len(judged(remote, keys.mine.public, annotations={"env": "prod"}).good) == 2
    with pytest.raises(BadSignature, match="env=test was not signed"):
        check(judged(remote, keys.mine.public, annotations={"env": "test"}))


def test_an_index_is_signed_with_its_images_when_asked(remote: MemoryRemote, keys: Keys) -> None:
    place = repository(remote)
    members = [place.add_image(f"m{number}", b'{"n":%d}' % number) for number in range(2)]
    index = Index(tuple(Descriptor(mediatype.MANIFEST, one, 1) for one in members)).to_bytes()
    place.put_manifest("multi", index, mediatype.INDEX)
    name = "reg.example/shop/api:multi"
    assert len(sign(remote, SignRequest(name, ("bundle",), keys.mine))) == 1
    assert len(sign(remote, SignRequest(name, ("bundle",), keys.mine, recursive=True))) == 3
    for digest in members:
        check(judged(remote, keys.mine.public, f"reg.example/shop/api@{digest}"))


def test_two_who_sign_at_once_both_keep_their_signature(remote: MemoryRemote, keys: Keys) -> None:
    place = repository(remote)
    tag = simple_signing.tag_of(Digest(place.tags["1"]))
    # Between our PUT and our look, somebody who read the tag before puts theirs
    place.after_put = [
        lambda: sign(remote, SignRequest(NAME, ("tag",), keys.other)) and None,
        lambda: _drop(place, tag),
    ]
    sign(remote, SignRequest(NAME, ("tag",), keys.mine))
    check(judged(remote, keys.mine.public))
    check(judged(remote, keys.other.public))


def _drop(place: MemoryRepository, tag: str) -> None:
    """Leave only the last signature: what a writer does who had read an empty tag."""
    manifest = Manifest.from_bytes(place.manifest(tag).data)
    last = manifest._replace(layers=manifest.layers[-1:]).to_bytes()
    place.put_manifest(tag, last, mediatype.MANIFEST)


def test_signatures_that_never_stay_are_an_error(remote: MemoryRemote, keys: Keys) -> None:
    place = repository(remote)
    tag = simple_signing.tag_of(Digest(place.tags["1"]))
    place.after_put = [lambda: place.tags.__setitem__(tag, place.tags["1"])] * 20
    with pytest.raises(Conflict, match="keep changing"):
        sign(remote, SignRequest(NAME, ("tag",), keys.mine))


def test_an_image_that_was_not_pushed_can_not_be_signed(remote: MemoryRemote, keys: Keys) -> None:
    with pytest.raises(NotFound, match="not in its registry") as caught:
        sign(remote, SignRequest("reg.example/shop/api:2", ("bundle",), keys.mine))
    assert "wherry push" in str(caught.value.hint)


def test_a_mirror_answers_when_the_registry_does_not(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle",), keys.mine))
    mirror = MemoryRepository()
    mirror.manifests, mirror.tags, mirror.blobs = (
        repository(remote).manifests, repository(remote).tags, repository(remote).blobs,
    )  # fmt: skip
    repository(remote).is_down = True
    with pytest.raises(Unreachable):
        judged(remote, keys.mine.public)
    remote.mirrors = [mirror]
    check(judged(remote, keys.mine.public))


class FakeKeyless:
    """Signs with a key of its own and calls that an identity."""

    def __init__(self, key: PrivateKey, who: Identity) -> None:
        self._key, self._who = key, who

    def sign(self, said: bytes) -> bytes:
        doc = json.loads(bundle.sign(said, self._key))
        doc["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{}]}
        return json.dumps(doc).encode()

    def verify(self, data: bytes, identity: Identity) -> bytes:
        parsed = bundle.parse(data)
        if identity != self._who:
            raise BadSignature(f"the certificate is for {self._who.name}")
        if not bundle.verifies(parsed, self._key.public):
            raise BadSignature("the certificate expired before it was used")
        return parsed.payload


WHO = Identity("me@example.org", "https://accounts.example.org")


def test_an_identity_signs_and_is_verified(remote: MemoryRemote, keys: Keys) -> None:
    keyless = FakeKeyless(keys.mine, WHO)
    sign(remote, SignRequest(NAME, ("bundle",), keyless=keyless))
    asked = Asked(Digest(""), frozenset(), identity=WHO, keyless=keyless)
    found = verify(remote, NAME, asked)
    check(found)
    assert found.good[0].signer == "me@example.org"
    with pytest.raises(BadSignature, match=r"the certificate is for me@example.org"):
        check(verify(remote, NAME, asked._replace(identity=Identity("you@example.org", WHO.issuer))))
    with pytest.raises(BadSignature, match="expired"):
        check(verify(remote, NAME, asked._replace(keyless=FakeKeyless(keys.other, WHO))))
    with pytest.raises(BadSignature, match="--certificate-identity"):
        check(judged(remote, keys.other.public))


def test_a_key_is_no_identity(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle", "tag"), keys.mine))
    asked = Asked(Digest(""), frozenset(), identity=WHO, keyless=FakeKeyless(keys.mine, WHO))
    with pytest.raises(BadSignature, match="with --key"):
        check(verify(remote, NAME, asked))


def test_an_index_as_the_tag_of_signatures_hides_no_good_one(remote: MemoryRemote, keys: Keys) -> None:
    sign(remote, SignRequest(NAME, ("bundle",), keys.mine))
    target = find(remote, NAME)
    hidden = Index(()).to_bytes()
    repository(remote).put_manifest(simple_signing.tag_of(target.subject.digest), hidden, mediatype.INDEX)
    found = judged(remote, keys.mine.public)
    check(found)
    assert [one.layout for one in found.verdicts if not one.is_good] == ["tag"]
