"""Where copies come from: layouts and archives, as a registry would answer of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from wherry.errors import IntegrityError, InvalidSpec, NotFound, Unsupported
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.registry.client import FetchedManifest
from wherry.registry.media.stream import Checked, digest_of
from wherry.store.index import NAME, REF_NAME, blob_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.store.source import Source

__all__ = ["DirectoryOrigin", "DockerArchiveOrigin", "LayoutOrigin", "Origin", "Reader"]

_LIMIT = 4 << 20
_CONFIG_LIMIT = 8 << 20


class Reader(Protocol):
    """Exactly the verified bytes; closed by whoever asked for it."""

    def readinto(self, buffer: memoryview, /) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class Origin(Protocol):
    """A `Repository`, or one of the classes here. `manifest("")` is what the location itself means."""

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> FetchedManifest: ...

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Reader: ...

    def referrers(
        self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None
    ) -> list[Descriptor]: ...


class LayoutOrigin:
    """An OCI image layout: a folder (oci:) or a tar of one (oci-archive:). Thread-safe.

    Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        if not (source.has("oci-layout") and source.has("index.json")):
            raise InvalidSpec("this is no OCI image layout: it has no oci-layout or no index.json")
        self._index = Index.from_bytes(source.read("index.json", _LIMIT))
        self._name = name

    def manifest(self, tag_or_digest: str = "", *, cancel: Cancel | None = None) -> FetchedManifest:
        """Raises: NotFound, InvalidSpec (several images and no name), IntegrityError."""
        if tag_or_digest:
            digest = Digest.parse(tag_or_digest)
            data = self._source.read(blob_name(digest), _LIMIT)
            media_type = ""
        else:
            top = self._named()
            digest, media_type = top.digest, top.media_type
            data = self._source.read(blob_name(digest), _LIMIT)
            if len(data) != top.size:
                raise IntegrityError(f"manifest {digest.short}", expected=f"{top.size} bytes", actual=f"{len(data)}")
        if digest_of(data, digest) != digest:
            raise IntegrityError(f"manifest {digest.short}", expected=digest, actual=digest_of(data, digest))
        return FetchedManifest(data, media_type or media_type_of(data), digest)

    def _named(self) -> Descriptor:
        entries = self._index.manifests
        if self._name:
            found = [one for one in entries if self._name in (one.annotations.get(REF_NAME), one.annotations.get(NAME))]
            if not found:
                names = sorted(filter(None, (one.annotations.get(REF_NAME) for one in entries)))
                raise NotFound(f"the layout has no image {self._name!r}", hint=f"it has: {', '.join(names) or 'none'}")
            return found[0]
        if len({one.digest for one in entries}) != 1:
            raise InvalidSpec(
                f"the layout holds {len(entries)} images", hint="name one of them behind the path: oci:PATH:NAME"
            )
        return entries[0]

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Checked:
        part = self._source.open(blob_name(descriptor.digest))
        return Checked(part, descriptor, lambda: part.__exit__(None, None, None))

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        """What index.json lists and has `digest` as its subject."""
        found = []
        for one in self._index.manifests:
            if one.media_type not in mediatype.INDEXES and self._source.has(blob_name(one.digest)):
                manifest = Manifest.from_bytes(self.manifest(one.digest).data)
                if manifest.subject and manifest.subject.digest == digest:
                    found.append(one)
        return found


class DirectoryOrigin:
    """skopeo's dir: `manifest.json`, `HEX.manifest.json` for those of an index, and blobs by their hex."""

    def __init__(self, source: Source) -> None:
        self._source = source
        if not source.has("manifest.json"):
            raise InvalidSpec("this is no folder of an image: it has no manifest.json")

    def manifest(self, tag_or_digest: str = "", *, cancel: Cancel | None = None) -> FetchedManifest:
        name = f"{Digest.parse(tag_or_digest).hex}.manifest.json" if tag_or_digest else "manifest.json"
        data = self._source.read(name, _LIMIT)
        digest = digest_of(data, Digest.parse(tag_or_digest)) if tag_or_digest else Digest.of(data)
        if tag_or_digest and digest != tag_or_digest:
            raise IntegrityError(name, expected=tag_or_digest, actual=digest)
        return FetchedManifest(data, media_type_of(data), digest)

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Checked:
        part = self._source.open(descriptor.digest.hex)
        return Checked(part, descriptor, lambda: part.__exit__(None, None, None))

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        return []


class _Part(NamedTuple):
    name: str
    size: int


class DockerArchiveOrigin:
    """What `docker save` writes: no manifest of a registry in it, so one is made, of Docker's types.

    Layers are plain tars, whose digest is their DiffID; it is checked while they are read.
    """

    def __init__(self, source: Source, name: str) -> None:
        from wherry.oci.config import ImageConfig
        from wherry.store.load import docker_plan

        self._source = source
        plan = docker_plan(source, name)
        diff_ids = ImageConfig.from_bytes(plan.config).diff_ids
        self._config = plan.config
        self._parts = {Digest(one.diff_id): _Part(one.name, one.size) for one in plan.layers}
        self._refuse_compressed()
        layers = tuple(
            Descriptor(mediatype.DOCKER_LAYER, Digest(diff_id), self._parts[Digest(diff_id)].size)
            for diff_id in diff_ids
        )
        config = Descriptor(mediatype.DOCKER_CONFIG, Digest.of(plan.config), len(plan.config))
        self._manifest = Manifest(config, layers, mediatype.DOCKER_MANIFEST).to_bytes()

    def _refuse_compressed(self) -> None:
        from wherry.image.tar.compress import sniff

        for part in self._parts.values():
            with self._source.open(part.name) as stream:
                if sniff(stream.read(6)):
                    raise Unsupported(
                        f"layer {part.name} of the archive is compressed", hint="wherry load takes it: then copy local:"
                    )

    def manifest(self, tag_or_digest: str = "", *, cancel: Cancel | None = None) -> FetchedManifest:
        return FetchedManifest(self._manifest, mediatype.DOCKER_MANIFEST, Digest.of(self._manifest))

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Checked:
        if descriptor.digest == Digest.of(self._config):
            import io

            return Checked(io.BytesIO(self._config), descriptor, lambda: None)
        part = self._source.open(self._parts[descriptor.digest].name)
        return Checked(part, descriptor, lambda: part.__exit__(None, None, None))

    def referrers(self, digest: Digest, artifact_type: str = "", *, cancel: Cancel | None = None) -> list[Descriptor]:
        return []

    def write_tar(self, diff_id: DiffID, write: Callable[[bytes], object]) -> None:
        """As `store.layers.LayerStore.write_tar`: what a push compresses."""
        part = self._parts[Digest(diff_id)]
        reader = self.blob(Descriptor(mediatype.DOCKER_LAYER, Digest(diff_id), part.size))
        with reader:
            while chunk := reader.read(1 << 20):
                write(chunk)


def media_type_of(data: bytes) -> str:
    """What a manifest says that it is; OCI's, which need not say, by what it holds. Raises: InvalidSpec."""
    import json

    try:
        doc = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"manifest: not JSON: {fault}") from None
    if not isinstance(doc, dict):
        raise InvalidSpec("manifest: not an object")
    said = doc.get("mediaType")
    if isinstance(said, str) and said:
        return said
    return mediatype.INDEX if "manifests" in doc else mediatype.MANIFEST
