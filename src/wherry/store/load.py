"""Images from archives: docker-archive, OCI layout, skopeo's dir:, as docker, skopeo, umoci and podman write them.

Everything is verified: each blob by digest and size, each layer's content by its DiffID.
Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md; docker-archive: moby's image/spec/v1.2.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from wherry.errors import IntegrityError, InvalidReference, InvalidSpec, NotFound, Unsupported
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.reference import Reference
from wherry.store.index import NAME, REF_NAME, blob_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.oci.platform import Platform
    from wherry.store.source import Source

__all__ = ["ImagePlan", "IndexPlan", "LayerPart", "docker_plan", "plan_image", "plan_indexes", "plan_load"]

_MANIFEST_LIMIT = 4 << 20
_CONFIG_LIMIT = 8 << 20
_MAX_DEPTH = 8
_MAX_LAYERS = 1000
_HEX = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?\Z")


class LayerPart(NamedTuple):
    """One layer of an archive. `digest` is None when nothing but the DiffID says what its bytes should be."""

    diff_id: DiffID
    name: str
    size: int
    digest: Digest | None = None


class ImagePlan(NamedTuple):
    """One image to load; `manifest` is None for a docker-archive, which has none."""

    config: bytes
    manifest: bytes | None
    layers: tuple[LayerPart, ...]
    references: tuple[Reference, ...]


class IndexPlan(NamedTuple):
    """An image with all its platforms. `images` are in the index's order, with the digests of their manifests.

    `others` is what else it names: nested indexes, attestations, their configs and layers; the index itself is first.
    """

    digest: Digest
    reference: Reference
    images: tuple[tuple[Digest, ImagePlan], ...]
    others: tuple[Descriptor, ...]


def plan_indexes(source: Source) -> list[IndexPlan]:
    """Every named index of an OCI layout, whole. Reads only manifests and configs.

    Raises: InvalidSpec (also when something that an index names is not there), IntegrityError, Unsupported (no index).
    """
    if not (source.has("index.json") and source.has("oci-layout")):
        raise Unsupported("this archive has images for one platform only", hint="leave --all-platforms out")
    found = _Layout(source, None).indexes()
    if not found:
        raise Unsupported("the archive holds no named image for several platforms", hint="leave --all-platforms out")
    return found


def plan_load(source: Source, platform: Platform) -> list[ImagePlan]:
    """What `source` holds for `platform`. Reads only manifests and configs.

    Raises: InvalidSpec, IntegrityError, Unsupported (no image, or none for the platform).
    """
    if source.has("index.json") and source.has("oci-layout"):
        return _Layout(source, platform).plans()
    if source.has("version") and source.has("manifest.json") and not source.has("repositories"):
        return _Folder(source, platform).plans()
    if source.has("manifest.json"):
        entries = enumerate(_docker_entries(source))
        if plans := [_docker_plan(source, entry, f"manifest.json[{i}]") for i, entry in entries]:
            return plans
        raise InvalidSpec("manifest.json: expected a list of objects")
    if source.has("repositories"):
        raise Unsupported("this archive is of docker 1.9 or older", hint="save the image again with a newer docker")
    raise InvalidSpec(
        "this is no image archive: it has neither index.json nor manifest.json",
        hint="for a root file system use `wherry import`",
    )


def plan_image(source: Source, manifest: Descriptor, references: tuple[Reference, ...]) -> ImagePlan:
    """The image of one manifest among the blobs of `source`. Reads only it and its config.

    Raises: InvalidSpec, IntegrityError, Unsupported (an artifact).
    """
    return _Layout(source, None).plan(manifest, references)


class _Layout:
    """An OCI image layout."""

    def __init__(self, source: Source, platform: Platform | None) -> None:
        self._source = source
        self._platform = platform
        self._names = _docker_names(source) if source.has("index.json") else {}

    def plans(self) -> list[ImagePlan]:
        index = Index.from_bytes(self._source.read("index.json", _MANIFEST_LIMIT))
        groups: dict[str, list[Descriptor]] = {}
        for entry in index.manifests:
            # What `bundle create` puts beside images (models, SBOMs) is no image
            if _is_attestation(entry) or entry.artifact_type:
                continue
            # Without a name, several entries are several images, unless each says its platform
            key = (
                entry.annotations.get(NAME)
                or entry.annotations.get(REF_NAME)
                or ("" if entry.platform else entry.digest)
            )
            groups.setdefault(key, []).append(entry)
        found: dict[Digest, ImagePlan] = {}
        for entries in groups.values():
            chosen = self._choose(entries, 0)
            references = _named(entries[0])
            if known := found.get(chosen.digest):
                found[chosen.digest] = known._replace(references=(*known.references, *references))
            else:
                found[chosen.digest] = self.plan(chosen, references)
        if not found:
            raise Unsupported("the archive holds no image")
        return list(found.values())

    def indexes(self) -> list[IndexPlan]:
        """Those of index.json that have a name."""
        top = Index.from_bytes(self._source.read("index.json", _MANIFEST_LIMIT))
        plans = []
        for entry in top.manifests:
            if entry.media_type in mediatype.INDEXES and (names := _named(entry)):
                images: dict[Digest, ImagePlan] = {}
                others: dict[Digest, Descriptor] = {}
                self._gather(entry, images, others, 0)
                plans.append(IndexPlan(entry.digest, names[0], tuple(images.items()), tuple(others.values())))
        return plans

    def _gather(
        self, entry: Descriptor, images: dict[Digest, ImagePlan], others: dict[Digest, Descriptor], depth: int
    ) -> None:
        if depth > _MAX_DEPTH or len(images) + len(others) > _MAX_LAYERS:
            raise InvalidSpec(f"indexes are nested deeper than {_MAX_DEPTH}, or name too much")
        if entry.digest in others or entry.digest in images:
            return
        if entry.media_type in mediatype.INDEXES:
            others[entry.digest] = entry
            for one in Index.from_bytes(self._verified(entry, _MANIFEST_LIMIT)).manifests:
                self._gather(one, images, others, depth + 1)
        elif _is_attestation(entry):
            manifest = Manifest.from_bytes(self._verified(entry, _MANIFEST_LIMIT))
            others |= {one.digest: one for one in (entry, manifest.config, *manifest.layers)}
        else:
            images[entry.digest] = self.plan(entry, ())

    def _choose(self, entries: Sequence[Descriptor], depth: int) -> Descriptor:
        """The manifest for our platform, down through nested indexes. Raises: Unsupported, InvalidSpec."""
        if depth > _MAX_DEPTH:
            raise InvalidSpec(f"indexes are nested deeper than {_MAX_DEPTH}")
        candidates = [one for one in entries if not _is_attestation(one)]
        assert self._platform
        fitting = [one for one in candidates if one.platform is None or _fits(one.platform, self._platform)]
        if not fitting:
            there = ", ".join(sorted({str(one.platform) for one in candidates})) or "none"
            raise Unsupported(f"the image is not there for {self._platform}; there are: {there}")
        # An exact platform before one that says nothing, in the index's order
        best = next((one for one in fitting if one.platform == self._platform), fitting[0])
        if best.media_type in mediatype.INDEXES:
            below = Index.from_bytes(self._verified(best, _MANIFEST_LIMIT, is_manifest=True))
            return self._choose(below.manifests, depth + 1)
        return best

    def _blob(self, digest: Digest) -> str:
        return blob_name(digest)

    def _manifest(self, digest: Digest) -> str:
        return blob_name(digest)

    def plan(self, descriptor: Descriptor, references: tuple[Reference, ...]) -> ImagePlan:
        """Of the manifest that `descriptor` names; without `references`, under the names of docker's manifest.json."""
        data = self._verified(descriptor, _MANIFEST_LIMIT, is_manifest=True)
        manifest = Manifest.from_bytes(data)
        if manifest.config.media_type not in mediatype.CONFIGS:
            raise Unsupported(f"{descriptor.digest.short} is an artifact ({manifest.config.media_type}), not an image")
        config = self._verified(manifest.config, _CONFIG_LIMIT)
        diff_ids = ImageConfig.from_bytes(config).diff_ids
        _check_count(len(manifest.layers), len(diff_ids), "manifest")
        layers = []
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
            name = self._blob(layer.digest)
            _check_size(layer, self._source.size(name))
            layers.append(LayerPart(diff_id, name, layer.size, layer.digest))
        if not references:
            references = self._names.get(manifest.config.digest, ())
        return ImagePlan(config, data, tuple(layers), references)

    def _verified(self, descriptor: Descriptor, limit_bytes: int, *, is_manifest: bool = False) -> bytes:
        name = self._manifest(descriptor.digest) if is_manifest else self._blob(descriptor.digest)
        data = self._source.read(name, limit_bytes)
        _check_size(descriptor, len(data))
        _check_digest(data, descriptor.digest, descriptor.digest.short)
        return data


class _Folder(_Layout):
    """skopeo's dir: one image, or one index, in `manifest.json`; blobs by their hex."""

    def plans(self) -> list[ImagePlan]:
        data = self._source.read("manifest.json", _MANIFEST_LIMIT)
        self._top = Digest.of(data)
        try:
            entries: Sequence[Descriptor] = Index.from_bytes(data).manifests
        except InvalidSpec:
            entries = (Descriptor(mediatype.MANIFEST, self._top, len(data)),)
        return [self.plan(self._choose(entries, 0), ())]

    def _blob(self, digest: Digest) -> str:
        return digest.hex

    def _manifest(self, digest: Digest) -> str:
        return "manifest.json" if digest == self._top else f"{digest.hex}.manifest.json"


def _docker_entries(source: Source) -> list[dict[str, object]]:
    try:
        doc = json.loads(source.read("manifest.json", _MANIFEST_LIMIT))
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"manifest.json: not JSON: {fault}") from None
    if not isinstance(doc, list) or not all(isinstance(one, dict) for one in doc):
        raise InvalidSpec("manifest.json: expected a list of objects")
    return doc


def _docker_plan(source: Source, entry: dict[str, object], at: str) -> ImagePlan:
    from wherry.oci import _decode

    name = _decode.get_required(entry, "Config", str, at)
    config = source.read(_inside(name), _CONFIG_LIMIT)
    if found := _HEX.match(name):
        _check_digest(config, Digest.from_hex(found[1]), name)
    diff_ids = ImageConfig.from_bytes(config).diff_ids
    layers = _decode.get_sequence(entry, "Layers", at, _decode.string) or ()
    _check_count(len(layers), len(diff_ids), at)
    parts = [
        LayerPart(diff_id, _inside(path), source.size(_inside(path)))
        for diff_id, path in zip(diff_ids, layers, strict=True)
    ]
    tags = _decode.get_sequence(entry, "RepoTags", at, _decode.string) or ()
    return ImagePlan(config, None, tuple(parts), tuple(Reference.parse(tag) for tag in tags))


def docker_plan(source: Source, name: str) -> ImagePlan:
    """The one image of a docker-archive that `name` means: a tag of it, "@N" its place, "" the only one.

    Raises: NotFound, InvalidSpec, IntegrityError.
    """
    if not source.has("manifest.json"):
        raise InvalidSpec("this is no docker-archive: it has no manifest.json")
    plans = [_docker_plan(source, entry, f"manifest.json[{i}]") for i, entry in enumerate(_docker_entries(source))]
    if name.startswith("@"):
        found = [plan for i, plan in enumerate(plans) if name == f"@{i}"]
    elif name:
        wanted = Reference.parse(name)
        found = [plan for plan in plans if wanted in plan.references]
    else:
        found = plans
    if len(found) == 1:
        return found[0]
    there = ", ".join(one.familiar for plan in plans for one in plan.references) or "none"
    if found:
        raise InvalidSpec(f"the archive holds {len(plans)} images", hint=f"name one of them: {there}")
    raise NotFound(f"the archive has no image {name!r}", hint=f"it has: {there}")


def _docker_names(source: Source) -> dict[Digest, tuple[Reference, ...]]:
    """Names by config, from the manifest.json that docker puts beside its OCI layout."""
    if not source.has("manifest.json"):
        return {}
    names = {}
    for i, entry in enumerate(_docker_entries(source)):
        plan = _docker_plan(source, entry, f"manifest.json[{i}]")
        names[Digest.of(plan.config)] = plan.references
    return names


def _named(entry: Descriptor) -> tuple[Reference, ...]:
    """docker and containerd write the whole name; skopeo and umoci what their user typed: a name, or a tag alone."""
    text = entry.annotations.get(NAME) or entry.annotations.get(REF_NAME, "")
    if NAME not in entry.annotations and ":" not in text and "/" not in text:
        return ()
    try:
        return (Reference.parse(text),)
    except InvalidReference:
        return ()


def _is_attestation(entry: Descriptor) -> bool:
    unknown = entry.platform is not None and entry.platform.os == "unknown"
    return unknown or entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest"


def _fits(offered: Platform, wanted: Platform) -> bool:
    if offered.os != wanted.os or offered.architecture != wanted.architecture:
        return False
    # v7 runs v6 and v5; amd64's v2-v4 are newer than what we can promise
    if offered.architecture == "arm":
        return not wanted.variant or (offered.variant or "v7") <= wanted.variant
    return not offered.variant or offered.variant == wanted.variant


def _inside(name: str) -> str:
    from wherry.store.source import clean

    return clean(name)


def _check_count(layers: int, diff_ids: int, at: str) -> None:
    if layers != diff_ids:
        raise InvalidSpec(f"{at}: {layers} layers, but the config has {diff_ids} diff_ids")
    if layers > _MAX_LAYERS:
        raise InvalidSpec(f"{at}: {layers} layers is over the limit of {_MAX_LAYERS}")


def _check_size(descriptor: Descriptor, actual: int) -> None:
    if descriptor.size != actual:
        raise IntegrityError(f"size of {descriptor.digest.short}", expected=f"{descriptor.size}", actual=f"{actual}")


def _check_digest(data: bytes, expected: Digest, what: str) -> None:
    from hashlib import new

    actual = f"{expected.algorithm}:{new(expected.algorithm, data).hexdigest()}"
    if actual != expected:
        raise IntegrityError(what, expected=expected, actual=actual)
