"""`bundle load`: all is verified, then all layers and files come in, then the names."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine.airgap_parts import open_parts
from wherry.engine.airgap_source import BundleSource, missing, open_bundle
from wherry.engine.airgap_verify import verify
from wherry.errors import Conflict, InvalidSpec, NotFound, WherryError
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference
from wherry.store.index import blob_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.airgap.document import Attached, Bundle, Image, Model
    from wherry.engine import Engine
    from wherry.engine.airgap_parts import Parts
    from wherry.engine.airgap_source import Opened
    from wherry.registry.watch import TransferWatch
    from wherry.store.images import ImageRecord
    from wherry.store.lease import Lease
    from wherry.store.load import ImagePlan

__all__ = ["Loaded", "Request", "check", "load"]

_MANIFEST_LIMIT = 4 << 20
_ATTACHED_LIMIT = 256 << 20


class Request(NamedTuple):
    """`paths`: a file, its parts, or an fd. `folder` is where a project's files go: absolute, None for nowhere, ""
    for a folder of the project's name below `current`."""

    paths: tuple[str | int, ...]
    current: str
    folder: str | None = ""
    force: bool = False


class Loaded(NamedTuple):
    """`folder` has the project's files, "" when the bundle has none, or none were asked for."""

    id: Digest
    bundle: Bundle
    folder: str = ""
    files: tuple[str, ...] = ()


class _Plan(NamedTuple):
    """Everything that was read and found good, before anything is changed."""

    images: tuple[tuple[Image, ImagePlan], ...]
    models: tuple[tuple[Model, Manifest], ...]
    attached: tuple[Attached, ...]
    project: Manifest | None
    folder: str


def check(engine: Engine, paths: Sequence[str | int], watch: TransferWatch, cancel: Cancel | None = None) -> None:
    """That every byte is as it was written; changes nothing. Raises: InputError, InvalidSpec."""
    parts = open_parts(paths, engine.scratch)
    try:
        verify(parts, open_bundle(parts), engine.settings.jobs, watch, cancel or Cancel())
    finally:
        parts.close()


def load(engine: Engine, request: Request, watch: TransferWatch, cancel: Cancel | None = None) -> Loaded:
    """Idempotent: what is here already is not written again, so a load that was killed goes on.

    Raises: InputError, InvalidSpec, NotFound (an earlier bundle is not loaded here), Conflict, DiskFull. Then nothing
    has a name that had none before: layers and blobs that came in are taken by collection.
    """
    from wherry.engine.push import explained

    engine.leases.sweep()
    engine.scratch.sweep()
    stop = cancel or Cancel()
    parts = open_parts(request.paths, engine.scratch)
    try:
        opened = open_bundle(parts)
        verify(parts, opened, engine.settings.jobs, watch, stop)
        with engine.leases.hold(f"load bundle {parts.name}") as lease:
            return _load(engine, request, parts, opened, lease, watch, stop)
    except OSError as fault:
        if isinstance(fault, WherryError):
            raise
        raise explained(fault, f"loading {parts.name}") from fault
    finally:
        parts.close()


def _load(
    engine: Engine, request: Request, parts: Parts, opened: Opened, lease: Lease, watch: TransferWatch, cancel: Cancel
) -> Loaded:
    bundle = opened.bundle
    # Before we look: what is here then stays
    lease.add_blob(*(one.digest for one in bundle.files), *(one.digest for one in bundle.absent))
    _lease_plain_layers(lease, bundle)
    _check_here(engine, parts, bundle)
    source = BundleSource(engine, parts, opened)
    plan = _plan(engine, request, source, bundle)
    _bring(engine, source, plan, lease, watch, cancel)
    _name(engine, source, plan)
    files: list[str] = []
    if plan.project and bundle.project and plan.folder:
        from wherry.engine.airgap_project import place

        files = place(source, plan.project, bundle.project, plan.folder)
    return Loaded(opened.id, bundle, plan.folder, tuple(files))


def _lease_plain_layers(lease: Lease, bundle: Bundle) -> None:
    """A layer that came uncompressed is known by the same hash."""
    from wherry.oci.digest import DiffID

    lease.add_layer(*(DiffID(one.digest) for one in bundle.absent if one.digest.algorithm == "sha256"))


def _check_here(engine: Engine, parts: Parts, bundle: Bundle) -> None:
    lost = missing(engine, bundle)
    if lost is None:
        return
    names = " and ".join(f"{name} ({id.short})" for name, id in lost.of)
    some = ", ".join(one.short for one in lost.digests[:4])
    more = f" and {len(lost.digests) - 4} more" if len(lost.digests) > 4 else ""
    raise NotFound(
        f"{parts.name} is incremental, and {len(lost.digests)} blobs ({lost.bytes} bytes: {some}{more}) that it left "
        f"out are not here: they are in {names}; nothing was loaded",
        hint=f"first `wherry bundle load {lost.of[0][0]}`" if lost.of else None,
    )


def _plan(engine: Engine, request: Request, source: BundleSource, bundle: Bundle) -> _Plan:
    from wherry.models.pack import files_of
    from wherry.store.load import plan_image

    images = []
    for image in bundle.images:
        references = tuple(Reference.parse(name) for name in image.names)
        plan = plan_image(source, _descriptor(source, image.manifest), references)
        if Digest.of(plan.config) != image.id:
            raise InvalidSpec(f"bundle.json: image {image.id.short} is not what its manifest says")
        images.append((image, plan))
    models = []
    for model in bundle.models:
        manifest = _manifest(source, model.id)
        files_of(manifest, model.id.short)  # its names lead nowhere else
        models.append((model, manifest))
    _check_names(engine, bundle)
    known = {image.id for image in bundle.images}
    if any(one.image not in known for one in bundle.attached):
        raise InvalidSpec("bundle.json: something is attached to an image that is not in the bundle")
    project, folder = None, ""
    if bundle.project and request.folder is not None:
        from wherry.engine.airgap_project import check_free

        project = _manifest(source, bundle.project.manifest)
        folder = os.path.normpath(os.path.join(request.current, request.folder or bundle.project.name))
        if not request.force:
            check_free(source, project, bundle.project, folder)
    return _Plan(tuple(images), tuple(models), bundle.attached, project, folder)


def _descriptor(source: BundleSource, manifest: Digest) -> Descriptor:
    return Descriptor(mediatype.MANIFEST, manifest, source.size(blob_name(manifest)))


def _manifest(source: BundleSource, digest: Digest) -> Manifest:
    return Manifest.from_bytes(source.read(blob_name(digest), _MANIFEST_LIMIT))


def _check_names(engine: Engine, bundle: Bundle) -> None:
    """A name means an image or a model, never both."""
    conn = engine.db.read()
    images = "SELECT 1 FROM reference WHERE name = ?"
    models = "SELECT 1 FROM model_name WHERE name = ?"
    for query, named, here in ((images, bundle.models, "an image"), (models, bundle.images, "a model")):
        for name in (Reference.parse(name) for one in named for name in one.names):
            if conn.execute(query, (str(name),)).fetchone():
                raise Conflict(f"{name.familiar} is the name of {here} here", hint="remove that first")


def _bring(
    engine: Engine, source: BundleSource, plan: _Plan, lease: Lease, watch: TransferWatch, cancel: Cancel
) -> None:
    """Layers and blobs, which nobody sees before they are named."""
    from wherry.store.loader import Loader

    def tell(layer: str, done: int, total: int) -> None:
        if not done or layer not in told:
            told.add(layer)
            watch.start(layer, "Loading", total)
        watch.advance(layer, done)

    told: set[str] = set()
    loader = Loader(engine.image_store, engine.layers, engine.blobs, engine.leases, engine.settings.jobs, tell)
    for _, image in plan.images:
        loader.bring(source, image, lease, cancel)
    for model, manifest in plan.models:
        loader.keep(source, [manifest.config, _descriptor(source, model.id)])
        for one in manifest.layers:
            cancel.check()
            watch.start(one.digest.short, "Loading", one.size)
            loader.keep(source, [one])
            watch.finish(one.digest.short, "Loaded")
    for layer in told:
        watch.finish(layer, "Loaded")


def _name(engine: Engine, source: BundleSource, plan: _Plan) -> None:
    """Rows alone, so it takes milliseconds: each image and each model appears with all that belongs to it."""
    from wherry.engine.attach import attach
    from wherry.trust.referrer import Payload

    records: dict[Digest, ImageRecord] = {}
    for image, each in plan.images:
        records[image.id] = engine.image_store.create(each.config, each.references, manifest=each.manifest)
        engine.events.image("load", image.id)
    for one in plan.attached:
        data = source.read(blob_name(one.digest), _ATTACHED_LIMIT)
        payload = Payload(one.artifact_type, one.media_type, data, one.title, one.annotations)
        attach(engine, records[one.image], payload)
    for model, manifest in plan.models:
        record = engine.models.add(model.id, manifest, None)
        for name in model.names:
            engine.models.tag(record.id, Reference.parse(name))
