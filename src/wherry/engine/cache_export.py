"""--cache-to: what this build used and made, for other machines. The image is done before, and stays whatever happens.

A layer goes the way of a push (`push_layers`): what the place has is not sent, what was compressed once is not
compressed again, and what will not shrink goes as it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import NamedTuple

from wherry.build.travel_cache import LayersAway
from wherry.build.travel_document import ARTIFACT, LIMIT_BYTES, MEDIA_TYPE, MOST_LAYERS, CacheDocument
from wherry.engine.push import Destination, explained, send_bytes, settle_all
from wherry.engine.push_layers import LayerJob, LayerSite
from wherry.errors import BuildError, Cancelled, WherryError
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.store.known_blobs import KnownBlobs, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.build.progress import Progress
    from wherry.build.travel_cache import TravelCache
    from wherry.build.travel_spec import CacheTo
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["Export", "Goal", "export_all", "manifest_of"]

_NOWHERE = Place("", "")
_STALE_S = 3600


class Export(NamedTuple):
    """What every --cache-to of one build shares. The build's lease holds all its layers."""

    engine: Engine
    cache: TravelCache
    image: ImageRecord
    progress: Progress
    cancel: Cancel


class Goal(NamedTuple):
    """Where it goes. `finish` gets the document with its blobs, when all of them are there; it says what it wrote."""

    there: Destination
    finish: Callable[[CacheDocument], str]


def export_all(export: Export, specs: Sequence[CacheTo]) -> None:
    """Each in its turn. Raises: BuildError when one fails and may not (ignore-error), Cancelled."""
    for number, spec in enumerate(specs):
        key = f"cache-to {number}"
        for note in spec.notes:
            export.progress.note(f"--cache-to {note}")
        export.progress.start(key, f"exporting cache to {_kind(spec)}")
        try:
            said = _export(export, spec, key)
        except Cancelled:
            export.progress.cancelled(key)
            raise
        except (WherryError, OSError) as fault:
            _fail(export, spec, key, fault)
        else:
            export.progress.output(key, f"{said}\n".encode())
            export.progress.done(key)


def _kind(spec: CacheTo) -> str:
    return {"local": "client directory", "gha": "GitHub Actions Cache"}.get(spec.kind, spec.kind)


def _fail(export: Export, spec: CacheTo, key: str, fault: WherryError | OSError) -> None:
    if isinstance(fault, OSError) and not isinstance(fault, WherryError):
        fault = explained(fault, "writing the cache")
    assert isinstance(fault, WherryError)
    said = f"error exporting cache to {_kind(spec)}: {fault}"
    if spec.ignore_error:
        export.progress.done(key)
        export.progress.note(f"{said} (ignored: ignore-error=true)")
        return
    export.progress.failed(key, said)
    raise BuildError(
        said, hint=fault.hint or f"the image {export.image.id.short} is built; ignore-error=true lets the build succeed"
    ) from fault


def _export(export: Export, spec: CacheTo, key: str) -> str:
    layers = export.image.layers if spec.mode == "min" else None
    document = _bounded(export, export.cache.document(layers))
    if spec.kind == "inline":
        from wherry.engine.cache_inline import keep

        return keep(export.engine, export.image, document)
    export.progress.output(key, b"preparing build cache for export\n")
    with _opened(export, spec) as goal:
        if goal is None:
            return "no GitHub Actions cache here: nothing was exported"
        site = _site(export, spec, goal.there)
        there, here = _sorted(export, spec, goal.there, [one.diff_id for one in document.layers])
        jobs = [LayerJob(one, export.engine.layers.get(one).size, export.engine.layers.path(one)) for one in here]
        blobs = there | settle_all(site, jobs, max(5, export.engine.settings.jobs))
        for blob in blobs.values():
            export.progress.output(key, f"writing layer {blob.digest} done\n".encode())
        return goal.finish(document.located(blobs))


def _sorted(
    export: Export, spec: CacheTo, there: Destination, diff_ids: Sequence[DiffID]
) -> tuple[dict[DiffID, Descriptor], list[DiffID]]:
    """(what the place has already, though it is not here; what is here). The rest can't be had, and is left out.

    A stage that was found in another cache, and of which nothing was needed, has not been fetched.
    """
    known: dict[DiffID, Descriptor] = {}
    here = []
    for diff_id in diff_ids:
        blob = None if spec.is_forced or not export.cache.promises([diff_id]) else export.cache.remote.blob(diff_id)
        if blob and there.target.has_blob(blob.digest, cancel=export.cancel) is not None:
            known[diff_id] = blob
            continue
        with suppress(LayersAway):
            export.cache.need([diff_id])
            here.append(diff_id)
    return known, here


def _bounded(export: Export, document: CacheDocument) -> CacheDocument:
    """What others will take: the image's own layers first."""
    own = set(export.image.layers)
    diff_ids = sorted((one.diff_id for one in document.layers), key=lambda one: one not in own)
    if len(diff_ids) > MOST_LAYERS - 1:
        export.progress.note(f"the cache has {len(diff_ids)} layers: only {MOST_LAYERS - 1} of them are exported")
        document = document.only(diff_ids[: MOST_LAYERS - 1])
    kept, room = [], LIMIT_BYTES // 2
    for trace in sorted(document.traces, key=lambda one: len(one.paths)):
        room -= 2 * len(trace.paths)
        if room > 0:
            kept.append(trace)
    if len(kept) < len(document.traces):
        count = len(document.traces) - len(kept)
        export.progress.note(f"what {count} steps read is too much for a cache: it is left out")
    return document._replace(traces=tuple(sorted(kept)))


def _site(export: Export, spec: CacheTo, there: Destination) -> LayerSite:
    from threading import Semaphore

    from wherry.registry.watch import Silent
    from wherry.store.compressed import CompressedForms

    engine, cores = export.engine, len(os.sched_getaffinity(0))
    forms = CompressedForms(engine.db)
    return LayerSite(
        there.target, there.place, engine.layers, engine.blobs, forms, KnownBlobs(engine.db), engine.scratch,
        _forms(spec, forms, export.image.layers), spec.is_docker, Semaphore(cores), 1, Silent(), export.cancel,
    )  # fmt: skip


def _forms(spec: CacheTo, forms: object, layers: Sequence[DiffID]) -> tuple[str, ...]:
    """What may be sent, the form to make first: as a push of the image would, so that both share their layers."""
    from wherry.engine.push_forms import KINDS, kind_of
    from wherry.store.compressed import CompressedForms

    assert isinstance(forms, CompressedForms)
    if spec.compression:
        first = "tar" if spec.compression == "none" else spec.compression
        return (first,) if spec.is_forced else (first, *(kind for kind in KINDS if kind != first))
    base = next((kind_of(one.blob.media_type) for one in forms.find(layers[0]) if not one.maker), "") if layers else ""
    return ("zstd", "gzip", "tar") if base == "zstd" and not spec.is_docker else ("gzip", "tar")


def _opened(export: Export, spec: CacheTo) -> AbstractContextManager[Goal | None]:
    if spec.kind == "gha":
        from wherry.engine.cache_gha import goal_of

        return nullcontext(goal_of(export.engine, spec, export.cancel))
    return nullcontext(_registry(export, spec) if spec.kind == "registry" else _layout(export, spec))


def _registry(export: Export, spec: CacheTo) -> Goal:
    from wherry.errors import InputError
    from wherry.oci.reference import Reference

    reference = Reference.parse(spec.ref)
    if reference.digest:
        raise InputError(f"a cache can't be written to a digest: {spec.ref}", hint="name a tag")
    engine = export.engine
    endpoint = engine.registries.hosts.for_push(reference)
    if spec.insecure:
        endpoint = endpoint._replace(verify=False, fallback_http=True)
    repository = engine.registries.client.repository(endpoint, ("pull", "push"))
    there = Destination(repository, Place(endpoint.host, endpoint.repository))

    def finish(document: CacheDocument) -> str:
        config, data = _config(document)
        send_bytes(repository, config, data, export.cancel)
        manifest, media_type = manifest_of(document, config, spec)
        digest = repository.put_manifest(reference.tag, manifest, media_type, cancel=export.cancel)
        KnownBlobs(engine.db).add(there.place, [config.digest])
        return f"writing cache manifest {digest} done"

    return Goal(there, finish)


def _layout(export: Export, spec: CacheTo) -> Goal:
    """index.json is written last, by a rename: until then whoever reads sees the cache of before."""
    from wherry.errors import InputError
    from wherry.registry.media.sink import LayoutSink

    path = os.path.join(export.engine.settings.cwd, spec.path)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise InputError(f"{spec.path} is not a folder")
    sink = LayoutSink(path, spec.tag)
    _sweep(f"{path}/blobs/sha256")

    def finish(document: CacheDocument) -> str:
        config, data = _config(document)
        send_bytes(sink, config, data, export.cancel)
        manifest, media_type = manifest_of(document, config, spec)
        return f"writing cache manifest {sink.put_manifest(spec.tag, manifest, media_type, cancel=export.cancel)} done"

    return Goal(Destination(sink, _NOWHERE), finish)


def _sweep(folder: str) -> None:
    """Half a blob that a killed export left; what another one is writing is younger."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".tmp") and entry.stat(follow_symlinks=False).st_mtime < time.time() - _STALE_S:
                os.unlink(entry.path)


def _config(document: CacheDocument) -> tuple[Descriptor, bytes]:
    data = document.to_bytes()
    return Descriptor(MEDIA_TYPE, Digest.of(data), len(data)), data


def manifest_of(document: CacheDocument, config: Descriptor, spec: CacheTo) -> tuple[bytes, str]:
    """(bytes, media type): a manifest that names all layers, so that no registry collects them. Pure."""
    blobs = tuple(one.blob for one in document.layers if one.blob)
    if spec.is_index:
        index = Index((*blobs, config), mediatype.DOCKER_LIST if spec.is_docker else mediatype.INDEX)
        return index.to_bytes(), index.media_type
    if spec.is_docker:
        return Manifest(config, blobs, mediatype.DOCKER_MANIFEST).to_bytes(), mediatype.DOCKER_MANIFEST
    return Manifest(config, blobs, artifact_type=ARTIFACT).to_bytes(), mediatype.MANIFEST
