"""A cache that the user named, read: its document checked against the manifest that came with it.

Only what was named is ever looked at: a base image may carry a cache, and nobody asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from wherry.build.travel_document import ARTIFACT, BUILDKIT, LIMIT_BYTES, MEDIA_TYPE, CacheDocument
from wherry.engine.pull_source import Blob, Site, Sources, sources
from wherry.engine.push_forms import kind_of
from wherry.errors import InvalidSpec, NotFound
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.registry import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.travel_spec import CacheFrom
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.registry.client import FetchedManifest

__all__ = ["Blobs", "Carrier", "open_cache"]

_CONFIG_LIMIT = 8 << 20
_MOST_REFERRERS = 8


class Blobs(Protocol):
    """What a cache's layers come out of, verified: `pull_source.Sources`, or one that wraps another kind of store."""

    def each(self, use: Callable[..., object]) -> object: ...


class Carrier(NamedTuple):
    """One cache. `name` is shown; every layer of the document has a blob, which `sources` gives."""

    name: str
    document: CacheDocument
    sources: Sources

    @property
    def blobs(self) -> dict[DiffID, Descriptor]:
        return {one.diff_id: one.blob for one in self.document.layers if one.blob}


class _Referring(Protocol):
    def referrers(
        self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None
    ) -> list[Descriptor]: ...


def open_cache(engine: Engine, spec: CacheFrom, stack: ExitStack, cancel: Cancel) -> Carrier:
    """Reads the document; no layer. `stack` closes what stays open for them.

    Raises: NotFound, RegistryError and its kin, InvalidSpec, IntegrityError, InputError, Unsupported.
    """
    if spec.kind == "local":
        return _from_layout(engine, spec, stack, cancel)
    if spec.kind == "gha":
        from wherry.engine.cache_gha import open_gha

        return open_gha(engine, spec, cancel)
    return _from_registry(engine, spec, cancel)


def _from_registry(engine: Engine, spec: CacheFrom, cancel: Cancel) -> Carrier:
    from wherry.oci.reference import Reference

    reference = Reference.parse(spec.ref)
    found = sources(engine.registries, reference, insecure=spec.insecure)
    top = found.manifest(reference.digest or reference.tag, cancel)
    return _read(reference.familiar, top, found, cancel)


def _from_layout(engine: Engine, spec: CacheFrom, stack: ExitStack, cancel: Cancel) -> Carrier:
    import os

    from wherry.registry.media.origin import LayoutOrigin
    from wherry.store.source import open_source

    path = os.path.join(engine.settings.cwd, spec.path)
    if not os.path.isfile(f"{path}/index.json"):
        raise NotFound(f"could not read {spec.path}/index.json: no such file", hint="--cache-to type=local makes it")
    layout = open_source(path, engine.scratch)
    stack.callback(layout.close)
    origin = LayoutOrigin(layout, "" if spec.digest else spec.tag)
    top = origin.manifest(spec.digest, cancel=cancel)
    return _read(spec.path, top, Sources([Site(_Layout(origin))]), cancel)


class _Layout:
    """A layout as a pull's source."""

    def __init__(self, origin: object) -> None:
        from wherry.registry.media.origin import LayoutOrigin

        assert isinstance(origin, LayoutOrigin)
        self._origin = origin

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> FetchedManifest:
        return self._origin.manifest(tag_or_digest, cancel=cancel)

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        return None

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Blob:
        return self._origin.blob(descriptor, cancel=cancel)

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]:
        return iter(())

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        return self._origin.referrers(digest, artifact_type, cancel=cancel)


def _read(name: str, top: FetchedManifest, found: Sources, cancel: Cancel) -> Carrier:
    """A manifest of ours, an index of ours, or an image that carries a cache."""
    document = select.document(top)
    listed = document.manifests if isinstance(document, Index) else (document.config, *document.layers)
    ours = next((one for one in listed if one.media_type == MEDIA_TYPE), None)
    if ours is not None:
        data = found.small_blob(ours, LIMIT_BYTES, f"the cache {name}", cancel)
        return Carrier(name, _checked(CacheDocument.from_bytes(data), listed), found)
    if any(one.media_type == BUILDKIT for one in listed):
        raise NotFound(
            f"{name} is a cache that BuildKit made: its keys are its own, and mean nothing to wherry",
            hint="give wherry's cache another name: --cache-to and --cache-from with ref=NAME:wherry-cache",
        )
    return _of_image(name, top, found, cancel)


def _checked(document: CacheDocument, listed: Iterable[Descriptor]) -> CacheDocument:
    """A document may name the blobs of its own manifest, and no others of the repository."""
    known = {(one.digest, one.size) for one in listed}
    for layer in document.layers:
        blob = layer.blob
        if blob is None or (blob.digest, blob.size) not in known:
            raise InvalidSpec(f"cache: layer {layer.diff_id.short} is none of its manifest's")
        if not kind_of(blob.media_type):
            raise InvalidSpec(f"cache: layer {layer.diff_id.short} is no layer but {blob.media_type[:120]}")
    return document


def _of_image(name: str, top: FetchedManifest, found: Sources, cancel: Cancel) -> Carrier:
    """The cache that refers to the image (--cache-to type=inline); its layers are the image's."""
    from wherry.engine.image_load import here
    from wherry.oci.config import ImageConfig

    selected = select.select(lambda one: found.manifest(one.digest, cancel), top, here(), name)
    manifest, digest = selected.manifest, selected.fetched.digest
    select.refuse_artifact(manifest, name)
    said = [_referring(one, digest, found, cancel) for one in _referrers(found, digest, cancel)]
    if not said:
        raise NotFound(f"{name} is an image without a cache", hint="build it with --cache-to type=inline, and push it")
    config = ImageConfig.from_bytes(found.small_blob(manifest.config, _CONFIG_LIMIT, "the image's config", cancel))
    if len(config.diff_ids) != len(manifest.layers):
        raise InvalidSpec(f"{name}: {len(manifest.layers)} layers, but the config has {len(config.diff_ids)}")
    blobs = {
        diff_id: Descriptor(layer.media_type, layer.digest, layer.size)
        for diff_id, layer in zip(config.diff_ids, manifest.layers, strict=True)
        if kind_of(layer.media_type) and not layer.urls
    }
    # The last that was attached says most; which one that is, no registry tells
    document = max((one.located(blobs) for one in said), key=lambda one: (len(one.traces), len(one.steps)))
    return Carrier(name, document, found)


def _referrers(found: Sources, digest: Digest, cancel: Cancel) -> list[Descriptor]:
    def ask(source: object) -> list[Descriptor]:
        referring: _Referring = source  # type: ignore[assignment]  # every source that has manifests has these
        return referring.referrers(digest, ARTIFACT, cancel=cancel)

    # Those of other types too: a fallback tag made by others does not say what it lists
    return [one for one in found.each(ask) if one.artifact_type in (ARTIFACT, "")][-_MOST_REFERRERS:]


def _referring(one: Descriptor, subject: Digest, found: Sources, cancel: Cancel) -> CacheDocument:
    """What a referrer says; nothing when it is of another kind, or refers to something else."""
    manifest = Manifest.from_bytes(found.manifest(one.digest, cancel).data)
    if manifest.subject is None or manifest.subject.digest != subject:
        return CacheDocument()
    for layer in manifest.layers:
        if layer.media_type == MEDIA_TYPE:
            return CacheDocument.from_bytes(found.small_blob(layer, LIMIT_BYTES, "the image's cache", cancel))
    return CacheDocument()
