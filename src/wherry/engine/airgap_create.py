"""`bundle create`: from what is wanted to the bytes of the archive."""

from __future__ import annotations

import os
from hashlib import new as new_hash
from typing import NamedTuple

from wherry.airgap.document import FIRST, LIMIT_BYTES, Bundle, Entry, Since, parse
from wherry.airgap.layout import CHECKSUM, checksum, layout, padding, tail
from wherry.cancel import Cancel
from wherry.engine.airgap_gather import Gatherer, Older
from wherry.engine.airgap_parts import open_parts
from wherry.engine.airgap_source import read_document
from wherry.errors import InputError, IntegrityError, InvalidReference, NotFound
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference
from wherry.store.save import tar_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from wherry.engine import Engine
    from wherry.engine.airgap_gather import Gathered
    from wherry.engine.airgap_project import ProjectFiles
    from wherry.engine.models import ModelRecord
    from wherry.registry.watch import TransferWatch
    from wherry.store.images import ImageRecord
    from wherry.store.save import File, Write
    from wherry.trust.referrer import Payload

    Sink = Callable[[int], AbstractContextManager[Write]]

__all__ = ["Created", "Wanted", "create"]


_LABEL = "bundle"


class Wanted(NamedTuple):
    """`names` are of images and models, as the user wrote them. `sbom` are formats for images that have none attached;
    `since` are paths of earlier bundles.
    """

    names: tuple[str, ...] = ()
    project: ProjectFiles | None = None
    since: tuple[str, ...] = ()
    sbom: tuple[str, ...] = ()


class Created(NamedTuple):
    """`size` of the whole archive in bytes."""

    id: Digest
    bundle: Bundle
    size: int


def create(engine: Engine, wanted: Wanted, sink: Sink, watch: TransferWatch, cancel: Cancel | None = None) -> Created:
    """Give the archive to the `write` of `sink(its size)`. Nothing is asked of it before all is found.

    Raises: NotFound, InputError, IntegrityError (the store is damaged), and what the sink raises.
    """
    older = _older(engine, wanted.since)
    with engine.leases.hold("create a bundle") as lease:
        gatherer = Gatherer(engine, lease, older)
        _add_named(engine, gatherer, wanted.names, wanted.sbom)
        if project := wanted.project:
            from wherry.engine import airgap_project

            packed = airgap_project.pack(engine, project, watch, cancel or Cancel())
            gatherer.add_project(packed.project, packed.manifest, airgap_project.ARTIFACT_TYPE, packed.files)
        gathered = gatherer.done()
        bundle = _bundle(gathered)
        data = bundle.to_bytes()
        if len(data) > LIMIT_BYTES:
            raise InputError("a bundle of so many files is too much", hint="make several bundles")
        places, total = layout(data, bundle.files)
        headers = {one.name: (one.at, one.header) for one in places}
        with sink(total) as write:
            watch.start(_LABEL, "Writing", total)
            _write(gathered, data, headers, write, watch, cancel or Cancel())
    watch.finish(_LABEL, "Written")
    return Created(Digest.of(data), bundle, total)


def _bundle(found: Gathered) -> Bundle:
    files = tuple(Entry(file.name, file.size, digest) for file, digest in found.files)
    return Bundle(found.images, found.models, found.attached, found.project, found.since, found.absent, files)


def _write(
    gathered: Gathered, first: bytes, headers: dict[str, tuple[int, bytes]], write: Write, watch: TransferWatch,
    cancel: Cancel,
) -> None:  # fmt: skip
    at = 0

    def put(data: bytes | bytearray | memoryview) -> None:
        nonlocal at
        write(data)
        at += len(data)

    put(tar_header(FIRST, len(first)))
    put(first)
    put(bytes(padding(len(first))))
    put(headers[CHECKSUM][1])
    put(checksum(first))
    put(bytes(padding(len(checksum(first)))))
    folders = [(offset, header) for name, (offset, header) in headers.items() if name.endswith("/")]
    for file, digest in gathered.files:
        while folders and folders[0][0] <= at:
            put(folders.pop(0)[1])
        put(headers[file.name][1])
        _copy(file, digest, put, lambda _: watch.advance(_LABEL, at), cancel)
        put(bytes(padding(file.size)))
    put(tail(at))


def _copy(file: File, digest: Digest, put: Write, told: Callable[[int], None], cancel: Cancel) -> None:
    """Checked on the way: what is damaged here would only be found where nobody can get it again."""
    hashed, done = new_hash(digest.algorithm), 0

    def both(data: bytes | bytearray | memoryview) -> None:
        nonlocal done
        cancel.check()
        hashed.update(data)
        put(data)
        done += len(data)
        told(len(data))

    file.write(both)
    actual = f"{digest.algorithm}:{hashed.hexdigest()}"
    if actual != digest or done != file.size:
        raise IntegrityError(f"{file.name} in the store", expected=digest, actual=actual)


def _older(engine: Engine, paths: Sequence[str]) -> Older:
    """The later ones named win: a blob is said to be in the last bundle that has it."""
    since: dict[Digest, Since] = {}
    blobs: dict[Digest, Digest] = {}
    for path in paths:
        id, bundle = _read(engine, path)
        name = os.path.basename(path.removesuffix(".001"))
        for one in bundle.absent:
            blobs.setdefault(one.digest, one.of)
        since |= {one.id: one for one in bundle.since if one.id not in since}
        since[id] = Since(id, name)
        blobs |= {one.digest: id for one in bundle.files if one.name.startswith("blobs/")}
    return Older(tuple(since.values()), blobs)


def _read(engine: Engine, path: str) -> tuple[Digest, Bundle]:
    """A bundle, its first part, or the bundle.json of one. Raises: InputError, InvalidSpec."""
    try:
        with open(path, "rb") as file:
            data = file.read(1)
            if data == b"{":
                data += file.read(LIMIT_BYTES)
                return Digest.of(data), parse(data)
    except FileNotFoundError:
        pass  # it may be what the parts of a split bundle are named
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
    parts = open_parts([path], engine.scratch)
    try:
        data, bundle = read_document(parts)
        return Digest.of(data), bundle
    finally:
        parts.close()


def _add_named(engine: Engine, gatherer: Gatherer, texts: Sequence[str], sbom: Sequence[str]) -> None:
    """Images and models alike: a name is one of either. A name brings it under that name, an id under all of its."""
    images: dict[str, tuple[ImageRecord, list[str]]] = {}
    models: dict[str, tuple[ModelRecord, list[str]]] = {}
    for text in texts:
        try:
            image = engine.images.resolve(text)
        except NotFound:
            if (model := engine.models.find(text)) is None:
                raise
            names = models.setdefault(model.id, (model, []))[1]
            names += [name for name in _names(text, model.names) if name not in names]
        else:
            names = images.setdefault(image.id, (image, []))[1]
            names += [name for name in _names(text, image.references) if name not in names]
    for image, names in images.values():
        gatherer.add_image(image, names, _sboms(engine, image, sbom))
    for model, names in models.values():
        gatherer.add_model(model, names)


def _names(text: str, known: Sequence[str]) -> Sequence[str]:
    try:
        name = str(Reference.parse(text))
    except InvalidReference:
        return known
    return [name] if name in known else known


def _sboms(engine: Engine, image: ImageRecord, formats: Sequence[str]) -> list[Payload]:
    """Those of the formats that are not attached already. Raises: HostError (the extra is not installed)."""
    from wherry.engine.attach import attachments
    from wherry.engine.trust_sbom import sbom

    have = {one.artifact_type for one in attachments(engine, image)}
    return [one for one in sbom(engine, image, formats) if one.artifact_type not in have] if formats else []
