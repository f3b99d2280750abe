"""What hangs on an image, as its registry lists it: also when the registry lists nonsense."""

from __future__ import annotations

from tests.unit.engine.registry_in_memory import MemoryRemote, MemoryRepository
from wherry.engine.image_tree import Node, lines, remote_tree
from wherry.engine.trust_remote import find, push_referrer
from wherry.engine.trust_sign import SignRequest, sign
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform
from wherry.trust.keys import generate, load_private
from wherry.trust.referrer import EMPTY, EMPTY_BYTES, Payload, make

NAME = "reg.example/shop/api:1"
ARM, AMD = Platform.of("linux", "arm64"), Platform.of("linux", "amd64")
SBOM = Payload("application/spdx+json", "application/spdx+json", b"{}", "sbom.spdx.json")


def drawn(node: Node) -> list[str]:
    return [name for name, _ in lines(node)]


def registry(**options: bool) -> tuple[MemoryRemote, MemoryRepository]:
    remote = MemoryRemote()
    place = remote.repositories["reg.example/shop/api"] = MemoryRepository(**options)
    return remote, place


def test_an_image_with_nothing_is_one_line() -> None:
    remote, place = registry()
    place.add_image()
    assert drawn(remote_tree(remote, NAME)) == [NAME]


def test_referrers_and_both_layouts_of_signatures_are_shown() -> None:
    remote, place = registry()
    digest = place.add_image()
    push_referrer(place, make(SBOM, find(remote, NAME).subject))
    key = load_private(generate(b"")[0], lambda: b"", "key")
    sign(remote, SignRequest(NAME, ("bundle", "tag"), key))
    tree = remote_tree(remote, NAME)
    assert drawn(tree) == [
        NAME,
        "├─ application/spdx+json",
        "├─ application/vnd.dev.sigstore.bundle.v0.3+json",
        f"└─ cosign signatures (sha256-{digest.hex[:12]}....sig)",
    ]
    assert [one.note for one in tree.children] == ["sbom.spdx.json", "https://sigstore.dev/cosign/sign/v1", ""]
    assert tree.children[0].size > len(SBOM.data)


def test_an_index_shows_platforms_with_what_hangs_on_each() -> None:
    remote, place = registry()
    members = [
        Descriptor(mediatype.MANIFEST, place.add_image(f"m{n}", b'{"n":%d}' % n), 9, platform=platform)
        for n, platform in enumerate([AMD, ARM])
    ]
    beside = Descriptor(
        mediatype.MANIFEST, place.add_image("att", b'{"att":1}'), 9,
        {"vnd.docker.reference.digest": members[0].digest, "vnd.docker.reference.type": "attestation-manifest"},
        Platform("unknown", "unknown"),
    )  # fmt: skip
    place.put_manifest("1", Index((*members, beside)).to_bytes(), mediatype.INDEX)
    push_referrer(place, make(SBOM, members[1]))
    assert drawn(remote_tree(remote, NAME)) == [
        NAME,
        "├─ linux/amd64",
        "│  └─ attestation-manifest",
        "└─ linux/arm64",
        "   └─ application/spdx+json",
    ]


def test_what_a_fallback_tag_lists_without_a_type_gets_its_own() -> None:
    remote, place = registry(untyped=True)
    place.add_image()
    push_referrer(place, make(SBOM, find(remote, NAME).subject))
    assert drawn(remote_tree(remote, NAME))[1] == "└─ application/spdx+json"


def test_referrers_of_referrers_end() -> None:
    """Two artifacts that refer to each other can't be made, but a registry can say so."""
    remote, place = registry()
    subject = Descriptor(mediatype.MANIFEST, place.add_image(), 1)
    place.blobs[EMPTY.digest] = EMPTY_BYTES
    for number in range(8):
        data = Manifest(EMPTY, (), artifact_type=f"x/{number}", subject=subject).to_bytes()
        subject = Descriptor(mediatype.MANIFEST, place.put_manifest(f"r{number}", data, mediatype.MANIFEST), len(data))
    assert len(drawn(remote_tree(remote, NAME))) <= 6
    place.referrers = lambda digest: [subject]  # type: ignore[method-assign]
    assert len(drawn(remote_tree(remote, NAME))) == 3


def test_a_manifest_that_is_gone_is_shown_as_such() -> None:
    remote, place = registry()
    place.add_image()
    gone = Descriptor(mediatype.MANIFEST, find(remote, NAME).subject.digest, 1)._replace(
        digest=make(SBOM, find(remote, NAME).subject).digest, artifact_type="x/y"
    )
    place.referrers = lambda digest: [gone] if digest != gone.digest else []  # type: ignore[method-assign]
    (one,) = remote_tree(remote, NAME).children
    assert (one.name, one.note) == ("x/y", "its manifest can't be read")
