"""What is pushed in section D: images, indexes, artifacts and odd but allowed manifests.

A data set is made of blobs and of manifests in the order to push them in. Each is small, and always the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.conformance.wire import digest_of

__all__ = ["ALL", "CONFIG", "EMPTY", "INDEX", "LAYER", "MANIFEST", "DataSet", "Pushed", "descriptor", "referrer"]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"

Doc = dict[str, Any]


class Pushed(NamedTuple):
    """One manifest, with the tags it gets. `subject` is the digest it refers to, or ""."""

    data: bytes
    tags: tuple[str, ...] = ()
    algorithm: str = "sha256"

    @property
    def doc(self) -> Doc:
        found: Doc = json.loads(self.data)
        return found

    @property
    def media_type(self) -> str:
        return str(self.doc["mediaType"])

    @property
    def digest(self) -> str:
        return digest_of(self.data, self.algorithm)

    @property
    def subject(self) -> str:
        return str(self.doc.get("subject", {}).get("digest", ""))


class DataSet(NamedTuple):
    name: str
    blobs: tuple[bytes, ...]
    manifests: tuple[Pushed, ...]
    algorithm: str = "sha256"


def descriptor(content: bytes, media_type: str, algorithm: str = "sha256", **more: Any) -> Doc:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def referrer(one: Pushed) -> Doc:
    """How the referrers API must describe this manifest."""
    found = descriptor(one.data, one.media_type, one.algorithm)
    kind = one.doc.get("artifactType") or one.doc.get("config", {}).get("mediaType", "")
    if kind:
        found["artifactType"] = kind
    if notes := one.doc.get("annotations"):
        found["annotations"] = notes
    return found


def dumped(doc: Doc) -> bytes:
    return json.dumps(doc, indent=2).encode()


def noise(seed: str, size: int = 1024) -> bytes:
    """Bytes that nothing can guess or squeeze, and that are the same each time."""
    return b"".join(hashlib.sha256(f"{seed}{n}".encode()).digest() for n in range(size // 32 + 1))[:size]


class _Image(NamedTuple):
    blobs: tuple[bytes, ...]
    manifest: Doc
    platform: Mapping[str, str]


def _image(seed: str, architecture: str = "amd64", *, squeezed: bool = True, algorithm: str = "sha256") -> _Image:
    layers = [noise(f"{seed} layer {n}") for n in range(2)]
    platform = {"os": "linux", "architecture": architecture}
    rootfs = {"type": "layers", "diff_ids": [digest_of(one) for one in layers]}
    config = dumped({**platform, "rootfs": rootfs, "author": seed})
    stored = [gzip.compress(one, mtime=0) for one in layers] if squeezed else layers
    kind = LAYER + "+gzip" if squeezed else LAYER
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG, algorithm),
        "layers": [descriptor(one, kind, algorithm) for one in stored],
    }
    return _Image((config, *stored), manifest, platform)


def _index(manifests: list[Doc], **more: Any) -> Doc:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more}


def _artifact(seed: str, kind: str = "application/vnd.example.thing", **more: Any) -> tuple[tuple[bytes, ...], Doc]:
    content = noise(seed, 333)
    doc = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor(b"{}", EMPTY),
        "layers": [descriptor(content, "application/vnd.example.content")],
        **more,
    }
    return (b"{}", content), doc


def image() -> DataSet:
    made = _image("image")
    return DataSet("image", made.blobs, (Pushed(dumped(made.manifest), ("image", "another")),))


def image_uncompressed() -> DataSet:
    made = _image("plain", squeezed=False)
    return DataSet("image-uncompressed", made.blobs, (Pushed(dumped(made.manifest), ("plain",)),))


def large_manifest() -> DataSet:
    """3.9 MB of annotations: a registry takes manifests of at least 4 MiB."""
    made = _image("large")
    notes = {f"org.example.note-{n}": "x" * 10_000 for n in range(390)}
    data = dumped({**made.manifest, "annotations": notes})
    assert 3_800_000 < len(data) < 4 << 20
    return DataSet("large-manifest", made.blobs, (Pushed(data, ("large",)),))


def _two_platforms() -> tuple[tuple[bytes, ...], list[Pushed], list[Doc]]:
    images = [_image(f"of {one}", one) for one in ("amd64", "arm64")]
    pushed = [Pushed(dumped(one.manifest)) for one in images]
    entries = [
        descriptor(one.data, MANIFEST, platform=image.platform) for one, image in zip(pushed, images, strict=True)
    ]
    return tuple(blob for one in images for blob in one.blobs), pushed, entries


def index() -> DataSet:
    blobs, pushed, entries = _two_platforms()
    return DataSet("index", blobs, (*pushed, Pushed(dumped(_index(entries)), ("index",))))


def nested_index() -> DataSet:
    blobs, pushed, entries = _two_platforms()
    inner = Pushed(dumped(_index(entries)))
    outer = Pushed(dumped(_index([descriptor(inner.data, INDEX)])), ("nested",))
    return DataSet("nested-index", blobs, (*pushed, inner, outer))


def empty_index() -> DataSet:
    return DataSet("empty-index", (), (Pushed(dumped(_index([])), ("empty",)),))


def artifact() -> DataSet:
    blobs, doc = _artifact("artifact")
    return DataSet("artifact", blobs, (Pushed(dumped(doc), ("artifact",)),))


def artifact_index() -> DataSet:
    made = [_artifact(f"artifact {n}") for n in range(2)]
    pushed = [Pushed(dumped(doc)) for _, doc in made]
    top = _index([descriptor(one.data, MANIFEST) for one in pushed], artifactType="application/vnd.example.pair")
    blobs = (b"{}", *(found[1] for found, _ in made))
    return DataSet("artifact-index", blobs, (*pushed, Pushed(dumped(top), ("pair",))))


def artifact_without_layers() -> DataSet:
    _, doc = _artifact("no layers", layers=[descriptor(b"{}", EMPTY)])
    return DataSet("artifact-without-layers", (b"{}",), (Pushed(dumped(doc), ("bare",)),))


def artifacts_with_subject() -> DataSet:
    made = _image("subject")
    subject = Pushed(dumped(made.manifest), ("subject",))
    of = descriptor(subject.data, MANIFEST)
    things = [
        _artifact("sbom 1", "application/spdx+json", subject=of, annotations={"org.example.by": "one", "n": "1"}),
        _artifact("sbom 2", "application/spdx+json", subject=of),
        _artifact("signature", "application/vnd.example.signature", subject=of, annotations={"org.example.by": "two"}),
    ]
    # Without an artifactType of its own, a manifest is of its config's type
    del things[1][1]["artifactType"]
    pushed = [Pushed(dumped(doc), (f"thing-{n}",)) for n, (_, doc) in enumerate(things)]
    blobs = (*made.blobs, b"{}", *(found[1] for found, _ in things))
    return DataSet("artifacts-with-subject", blobs, (subject, *pushed))


def index_with_subject() -> DataSet:
    made = _image("subject of an index")
    subject = Pushed(dumped(made.manifest), ("subject",))
    of = descriptor(subject.data, MANIFEST)
    top = _index([of], subject=of, annotations={"org.example.by": "index"})
    typed = _index([], subject=of, artifactType="application/vnd.example.list")
    return DataSet("index-with-subject", made.blobs, (subject, Pushed(dumped(top), ("top",)), Pushed(dumped(typed))))


def missing_subject() -> DataSet:
    """The subject may come later, or never."""
    blobs, doc = _artifact("orphan", subject=descriptor(b"never pushed", MANIFEST))
    return DataSet("missing-subject", blobs, (Pushed(dumped(doc), ("orphan",)),))


def data_field() -> DataSet:
    blobs, doc = _artifact("data", config=descriptor(b"{}", EMPTY, data="e30="))
    return DataSet("data-field", blobs, (Pushed(dumped(doc), ("data",)),))


def non_distributable_layers() -> DataSet:
    """Layers that are got from elsewhere: never pushed, and the manifest is taken all the same."""
    made = _image("foreign")
    layer = descriptor(b"never pushed", FOREIGN, urls=["https://example.com/layer"])
    doc = {**made.manifest, "layers": [layer, *made.manifest["layers"]]}
    return DataSet("non-distributable-layers", made.blobs, (Pushed(dumped(doc), ("foreign",)),))


def custom_fields() -> DataSet:
    made = _image("custom")
    doc = {**made.manifest, "org.example.unknown": {"kept": [1, 2.5, None, "\u00e9"]}, "zeta": True}
    config = json.loads(made.blobs[0]) | {"org.example.more": "kept"}
    kept = dumped(config)
    doc["config"] = {**descriptor(kept, CONFIG), "org.example.odd": 1}
    top = _index([{**descriptor(dumped(doc), MANIFEST), "x": "y"}], custom="field")
    blobs = (kept, *made.blobs[1:])
    return DataSet("custom-fields", blobs, (Pushed(dumped(doc), ("custom",)), Pushed(dumped(top), ("custom-index",))))


def no_layers() -> DataSet:
    config = dumped({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}})
    doc = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config, CONFIG), "layers": []}
    return DataSet("no-layers", (config,), (Pushed(dumped(doc), ("no-layers",)),))


def sha512() -> DataSet:
    """By digest alone: a tag has no way to say by which algorithm its manifest is known."""
    made = _image("sha512", algorithm="sha512")
    return DataSet("sha512", made.blobs, (Pushed(dumped(made.manifest), algorithm="sha512"),), "sha512")


def sparse() -> DataSet:
    """An index of which only one platform is there: what a mirror of one platform looks like."""
    blobs, pushed, entries = _two_platforms()
    return DataSet("sparse", blobs, (pushed[0], Pushed(dumped(_index(entries)), ("sparse",))))


_MAKERS: tuple[Callable[[], DataSet], ...] = (
    image, image_uncompressed, large_manifest, index, nested_index, empty_index, artifact, artifact_index,
    artifact_without_layers, artifacts_with_subject, index_with_subject, missing_subject, data_field,
    non_distributable_layers, custom_fields, no_layers, sha512, sparse,
)  # fmt: skip


def _made() -> Iterator[DataSet]:
    for make in _MAKERS:
        yield make()


ALL: tuple[DataSet, ...] = tuple(_made())
