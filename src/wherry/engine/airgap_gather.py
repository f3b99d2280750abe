"""What goes into a bundle, as members of its archive: reads the store, writes nothing."""

from __future__ import annotations

import json
from typing import NamedTuple

from wherry.airgap.document import Absent, Attached, Image, Model, Since
from wherry.errors import Unsupported
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.mediatype import MANIFEST
from wherry.oci.reference import Reference
from wherry.store.index import LAYOUT, NAME, REF_NAME, blob_name
from wherry.store.save import File, Saver, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.airgap.document import Project
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.store.images import ImageRecord
    from wherry.store.lease import Lease
    from wherry.trust.referrer import Payload

__all__ = ["Gathered", "Gatherer", "Older"]


class Older(NamedTuple):
    """What an earlier bundle has: the blobs of its own, and those that it says an even earlier one has."""

    since: tuple[Since, ...]
    blobs: Mapping[Digest, Digest]
    """A blob to the id of the bundle that has it."""


class Gathered(NamedTuple):
    """`files` by name, in the archive's order; `digests` of the same."""

    images: tuple[Image, ...]
    models: tuple[Model, ...]
    attached: tuple[Attached, ...]
    project: Project | None
    since: tuple[Since, ...]
    absent: tuple[Absent, ...]
    files: tuple[tuple[File, Digest], ...]


class Gatherer:
    """Add what is wanted, then `done()`. The lease keeps all of it until the archive is written."""

    def __init__(self, engine: Engine, lease: Lease, older: Older) -> None:
        self._engine, self._lease, self._older = engine, lease, older
        self._saver = Saver(engine.image_store, engine.layers, engine.blobs)
        self._blobs: dict[Digest, File] = {}
        self._absent: dict[Digest, int] = {}
        self._entries: list[Descriptor] = []
        self._images: list[Image] = []
        self._models: list[Model] = []
        self._attached: list[Attached] = []
        self._docker: list[dict[str, object]] = []
        self._project: Project | None = None

    def add_image(self, image: ImageRecord, names: Sequence[str], extra: Sequence[Payload]) -> None:
        """`names` are whole references, `extra` what is attached in the bundle alone. Raises: NotFound, Unsupported."""
        engine = self._engine
        self._lease.add_layer(*image.layers)
        manifest = engine.image_store.manifest(image)
        self._lease.add_blob(image.id, image.manifest, *(layer.digest for layer in manifest.layers))
        engine.image_store.get(image.id)  # leased, and still there
        data = self._saver.manifest(image)
        manifest, digest = Manifest.from_bytes(data), Digest.of(data)
        for name in names:
            if (wanted := Reference.known(name).digest) and wanted != digest:
                raise Unsupported(
                    f"{Reference.known(name).familiar}: its compressed layers are no longer here, so it can't be "
                    "bundled under this digest",
                    hint="pull it again, or name it by its tag",
                )
        for layer, diff_id in zip(manifest.layers, image.layers, strict=True):
            self._add(layer.digest, self._saver.layer(layer, diff_id))
        self._add_bytes(engine.blobs.read(image.id))
        self._add_bytes(data)
        platform = engine.images.config(image.id).platform
        subject = Descriptor(manifest.media_type, digest, len(data))
        self._entries += [
            subject._replace(annotations=_named(name), platform=platform) for name in sorted(names) or ("",)
        ]
        self._images.append(Image(image.id, digest, tuple(sorted(names)), str(platform), image.size))
        self._add_docker(image, manifest, names)
        self._attach(image, subject, names, extra)

    def _add_docker(self, image: ImageRecord, manifest: Manifest, names: Sequence[str]) -> None:
        """For docker's own load, which takes whole images only."""
        if any(one in self._absent for one in (image.id, *(layer.digest for layer in manifest.layers))):
            return
        self._docker.append(
            {
                "Config": blob_name(image.id),
                "RepoTags": [Reference.known(name).familiar for name in sorted(names) if "@" not in name] or None,
                "Layers": [blob_name(layer.digest) for layer in manifest.layers],
            }
        )

    def _attach(self, image: ImageRecord, subject: Descriptor, names: Sequence[str], extra: Sequence[Payload]) -> None:
        """What is attached; a statement twice: as it is kept here, and as a referrer that names its subject."""
        from wherry.engine.attach import attachments
        from wherry.trust.referrer import IN_TOTO, Payload, make, with_subject

        payloads = list(extra)
        for one in attachments(self._engine, image):
            self._lease.add_blob(one.digest)
            data = self._engine.blobs.read(one.digest, limit_bytes=256 << 20)
            payloads.append(Payload(one.artifact_type, one.media_type, data, one.title, one.annotations))
        for payload in payloads:
            self._add_bytes(payload.data)
            self._attached.append(
                Attached(
                    image.id, payload.artifact_type, payload.media_type, Digest.of(payload.data), len(payload.data),
                    payload.title, dict(payload.annotations),
                )
            )  # fmt: skip
            said = payload
            if payload.media_type == IN_TOTO:
                said = payload._replace(data=with_subject(payload.data, _repository(names, image), subject.digest))
            referrer = make(said, subject)
            for _, data in referrer.blobs:
                self._add_bytes(data)
            self._add_bytes(referrer.manifest)
            self._entries.append(referrer.descriptor)

    def add_model(self, model: ModelRecord, names: Sequence[str]) -> None:
        """Raises: NotFound."""
        self._lease.add_blob(model.id)
        manifest = self._engine.models.manifest(model)
        parts = (manifest.config, *manifest.layers)
        self._lease.add_blob(*(one.digest for one in parts))
        for one in parts:
            self._add_stored(one)
        data = self._engine.blobs.read(model.id)
        self._add_bytes(data)
        entry = Descriptor(
            manifest.media_type, model.id, len(data),
            artifact_type=manifest.artifact_type or manifest.config.media_type,
        )  # fmt: skip
        self._entries += [entry._replace(annotations=_named(name)) for name in sorted(names) or ("",)]
        self._models.append(Model(model.id, tuple(sorted(names)), model.size))

    def add_project(self, project: Project, manifest: bytes, artifact_type: str, files: Mapping[Digest, File]) -> None:
        """Its files are never left out: the other side keeps no copy of them."""
        from wherry.trust.referrer import EMPTY_BYTES

        self._project = project
        self._blobs |= {digest: file._replace(name=blob_name(digest)) for digest, file in files.items()}
        for data in (EMPTY_BYTES, manifest):
            self._blobs[Digest.of(data)] = document(blob_name(Digest.of(data)), data)
        self._entries.append(Descriptor(MANIFEST, Digest.of(manifest), len(manifest), artifact_type=artifact_type))

    def _add_stored(self, one: Descriptor) -> None:
        name, size = blob_name(one.digest), self._engine.blobs.size(one.digest)
        self._add(one.digest, File(name, size, lambda write: self._saver.copy(one.digest, write)))

    def _add_bytes(self, data: bytes) -> None:
        digest = Digest.of(data)
        self._add(digest, document(blob_name(digest), data))

    def _add(self, digest: Digest, file: File) -> None:
        if digest in self._older.blobs:
            self._absent[digest] = file.size
        else:
            self._blobs[digest] = file

    def done(self) -> Gathered:
        """In the archive's order. The same content gives the same, in whatever order it was added."""
        order = sorted(self._entries, key=lambda one: (one.annotations.get(NAME, ""), one.digest))
        docker = sorted(self._docker, key=lambda one: str(one["Config"]))
        fixed = [
            document("oci-layout", LAYOUT),
            document("index.json", Index(tuple(order)).to_bytes()),
            document("manifest.json", json.dumps(docker, separators=(",", ":")).encode()),
        ]
        files = [(one, _digest_of(one)) for one in fixed]
        # What a project brings is there, even where an older bundle has it too
        files += [(self._blobs[digest], digest) for digest in sorted(self._blobs, key=blob_name)]
        absent = [
            Absent(digest, size, self._older.blobs[digest])
            for digest, size in sorted(self._absent.items())
            if digest not in self._blobs
        ]
        needed = {one.of for one in absent}
        since = tuple(sorted(one for one in self._older.since if one.id in needed))
        return Gathered(
            tuple(sorted(self._images)), tuple(sorted(self._models)),
            tuple(sorted(self._attached, key=lambda one: (one.image, one.artifact_type, one.digest))),
            self._project, since, tuple(absent), tuple(files),
        )  # fmt: skip


def _digest_of(file: File) -> Digest:
    data = bytearray()
    file.write(data.extend)
    return Digest.of(bytes(data))


def _repository(names: Sequence[str], image: ImageRecord) -> str:
    """How a statement names its subject."""
    first = Reference.known(min(names)) if names else None
    return f"{first.registry}/{first.repository}" if first else str(image.id)


def _named(name: str) -> dict[str, str]:
    """As docker and containerd name an entry; the other annotation has the whole name too, since a bundle may hold
    several with one tag, and skopeo and oras find an entry by it."""
    return {NAME: name, REF_NAME: Reference.known(name).familiar} if name else {}
