"""From what a registry answered to the one manifest that a platform runs: documents checked, indexes walked.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from wherry.errors import InvalidSpec, NotFound, Unsupported
from wherry.oci import mediatype
from wherry.oci.manifest import Index, Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.oci.descriptor import Descriptor
    from wherry.oci.platform import Platform
    from wherry.registry.client import FetchedManifest
else:
    from wherry.lean import NamedTuple

__all__ = ["Selected", "document", "is_attestation", "rank", "refuse_artifact", "select"]

_MAX_DEPTH = 8
_MAX_DOCUMENTS = 64
_MAX_LAYERS = 1000
_SCHEMA1 = ("application/vnd.docker.distribution.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws")  # fmt: skip
_KNOWN = frozenset({
    mediatype.INDEX, mediatype.MANIFEST, mediatype.DOCKER_LIST, mediatype.DOCKER_MANIFEST, *_SCHEMA1,
})  # fmt: skip
# Docker 1.10 and the tools of its time had these for a config (moby#22378, moby#31727)
_CONFIGS = mediatype.CONFIGS | {"application/octet-stream", "application/json", ""}
_ARTIFACTS = {
    "application/vnd.docker.plugin.v1+json": "a plugin of docker",
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.cncf.model.config.v1+json": "a model of ModelPack",
    "application/vnd.docker.ai.model.config.v0.1+json": "a model of Docker Model Runner",
    "application/vnd.wasm.config.v0+json": "a WebAssembly module",
    "application/vnd.wasm.config.v1+json": "a WebAssembly module",
    "application/vnd.dev.cosign.simplesigning.v1+json": "a signature of cosign",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "a signature of sigstore",
    "application/vnd.cncf.notary.signature": "a signature of notation",
    "application/vnd.in-toto+json": "an attestation",
    "application/vnd.cyclonedx+json": "a software bill of materials",
    "application/spdx+json": "a software bill of materials",
}


class Selected(NamedTuple):
    """The manifest for the platform as it came, and what it says."""

    fetched: FetchedManifest
    manifest: Manifest


def document(fetched: FetchedManifest) -> Manifest | Index:
    """What the bytes are, when the header, the document's own `mediaType` and its fields agree (CVE-2021-41190).

    Raises: InvalidSpec, Unsupported (schema 1).
    """
    said, own = fetched.media_type.partition(";")[0].strip().lower(), _own_type(fetched.data)
    if said in _SCHEMA1 or own in _SCHEMA1:
        raise Unsupported(
            f"manifest {fetched.digest.short} is of Docker's old schema 1, which is not supported",
            hint="build and push the image again: docker writes schema 2 since version 1.10",
        )
    if said in _KNOWN and own and own != said:
        raise InvalidSpec(
            f"manifest {fetched.digest.short}: the registry calls it {said}, the document itself {own}",
            hint="the same bytes must mean the same to everybody: push the image again",
        )
    # Some registries and mirrors send application/json or text/plain, and OCI documents may say no type
    kind = own or (said if said in _KNOWN else "")
    if kind in mediatype.INDEXES or (not kind and b'"manifests"' in fetched.data):
        return Index.from_bytes(fetched.data)
    if kind and kind not in _KNOWN:
        raise Unsupported(f"manifest {fetched.digest.short} is of an unknown type: {kind[:120]}")
    manifest = Manifest.from_bytes(fetched.data)
    if len(manifest.layers) > _MAX_LAYERS:
        raise InvalidSpec(f"manifest: {len(manifest.layers)} layers is over the limit of {_MAX_LAYERS}")
    return manifest


def _own_type(data: bytes) -> str:
    """The document's `mediaType`, schema 1's by its version; "" when it does not say."""
    if len(data) > 4 << 20:
        raise InvalidSpec(f"manifest: {len(data)} bytes is over the limit of {4 << 20}")
    try:
        doc = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"manifest: not JSON: {fault}", hint="is this a registry?") from None
    if not isinstance(doc, dict):
        raise InvalidSpec("manifest: expected an object")
    if doc.get("schemaVersion") == 1:
        return _SCHEMA1[0]
    kind = doc.get("mediaType", "")
    if not isinstance(kind, str):
        raise InvalidSpec("mediaType: expected a string")
    return kind


def select(
    fetch: Callable[[Descriptor], FetchedManifest], top: FetchedManifest, platform: Platform, what: str
) -> Selected:
    """The manifest of `top` for `platform`; `top` itself when it is no index. `what` names it in messages.

    `fetch` gives the document of a descriptor, verified against its digest. The nearest variant wins; attestations are
    left out; an entry that names no platform is the last choice.
    Raises: NotFound (docker's words; the hint lists the platforms), InvalidSpec, Unsupported, and what `fetch` raises.
    """
    found = document(top)
    if isinstance(found, Manifest):
        return Selected(top, found)
    walk = _Walk(fetch, platform)
    for selected in walk.down(found, 0):
        return selected
    there = ", ".join(sorted({str(one) for one in walk.offered}))
    raise NotFound(
        f"no matching manifest for {platform} in the manifest list entries",
        hint=f"{what} is there for: {there}" if there else f"{what} lists no image at all",
    )


class _Walk:
    """Depth first, the best fitting entry first. An index that was seen is not entered again."""

    def __init__(self, fetch: Callable[[Descriptor], FetchedManifest], platform: Platform) -> None:
        self._fetch, self._platform = fetch, platform
        self._seen: set[str] = set()
        self.offered: list[Platform] = []

    def down(self, index: Index, depth: int) -> Iterator[Selected]:
        if depth > _MAX_DEPTH:
            raise InvalidSpec(f"indexes are nested deeper than {_MAX_DEPTH}")
        images = [one for one in index.manifests if not is_attestation(one)]
        self.offered += [one.platform for one in images if one.platform]
        ranked = [(rank, one) for one in images if (rank := self._rank(one)) is not None]
        for _, entry in sorted(ranked, key=lambda pair: pair[0]):
            if entry.digest in self._seen:
                continue
            self._seen.add(entry.digest)
            if len(self._seen) > _MAX_DOCUMENTS:
                raise InvalidSpec(f"an index leads to more than {_MAX_DOCUMENTS} documents")
            fetched = self._fetch(entry)
            if entry.media_type in _KNOWN and fetched.media_type in _KNOWN and entry.media_type != fetched.media_type:
                raise InvalidSpec(
                    f"manifest {entry.digest.short}: its index calls it {entry.media_type}, "
                    f"the registry {fetched.media_type}"
                )
            found = document(fetched)
            if isinstance(found, Index):
                yield from self.down(found, depth + 1)
            else:
                yield Selected(fetched, found)

    def _rank(self, entry: Descriptor) -> int | None:
        """0 is the best; None does not run there."""
        if entry.platform is None:
            return 100
        return rank(entry.platform, self._platform)


_ARM = ("v8", "v7", "v6", "v5")
_AMD64 = ("v4", "v3", "v2", "")


def rank(offered: Platform, wanted: Platform) -> int | None:
    """How well `offered` serves who asks for `wanted`: 0 is exact; None is not at all.

    As containerd's platforms.Only: a processor runs what was made for an older variant of it. Who names no variant
    gets the lowest one when there is no plain one, as docker does.
    """
    if offered.os != wanted.os or offered.architecture != wanted.architecture:
        return None
    if offered.variant == wanted.variant:
        return 0
    order = {"arm": _ARM, "amd64": _AMD64}.get(wanted.architecture, ())
    have = offered.variant or ("v7" if wanted.architecture == "arm" else "")
    want = wanted.variant or ("v7" if wanted.architecture == "arm" else "")
    if have in order and want in order and order.index(have) >= order.index(want):
        return order.index(have) - order.index(want)
    if wanted.variant:
        return None if offered.variant else 10
    number = offered.variant.removeprefix("v").partition(".")[0]
    return 20 + min(int(number), 9) if number.isascii() and number.isdecimal() and len(number) < 3 else 30


def is_attestation(entry: Descriptor) -> bool:
    """buildkit's provenance beside the images: unknown/unknown, or named so."""
    if entry.platform and "unknown" in (entry.platform.os, entry.platform.architecture):
        return True
    return entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest"


def refuse_artifact(manifest: Manifest, what: str) -> None:
    """Raises: Unsupported when the manifest is of no container image, in words that say what it is of."""
    kinds = [manifest.artifact_type, manifest.config.media_type, *(layer.media_type for layer in manifest.layers)]
    is_image = manifest.config.media_type in _CONFIGS and all(_is_layer(one.media_type) for one in manifest.layers)
    if is_image and manifest.artifact_type in ("", *mediatype.CONFIGS):
        return
    named = next((f"{_ARTIFACTS[kind]} ({kind})" for kind in kinds if kind in _ARTIFACTS), "")
    odd = (kind for kind in kinds if kind and kind not in _CONFIGS and not _is_layer(kind) and "empty" not in kind)
    raise Unsupported(
        f"{what} is no container image but {named or f'an artifact of type {next(odd, kinds[1])[:120]}'}",
        hint="wherry copy docker://NAME oci:FOLDER fetches it as it is",
    )


def _is_layer(media_type: str) -> bool:
    """A tar, under whatever label: its bytes say how it is compressed."""
    return ".tar" in media_type or media_type in mediatype.LAYERS or media_type == "application/octet-stream"
