"""push: an image of the store to a registry, sending only what the registry does not have.

What a layer is sent as is chosen in `push_forms` and `push_layers`, the manifest that says so in `push_manifest`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine import push_forms, push_layers, push_manifest
from wherry.errors import Denied, InputError, NotFound, Unauthorized, WherryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.reference import DEFAULT_REGISTRY, Reference
from wherry.store.compressed import CompressedForms
from wherry.store.known_blobs import KnownBlobs, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.engine import Engine
    from wherry.engine.push_layers import LayerSite
    from wherry.engine.push_manifest import Own
    from wherry.registry.target import Reader, Target
    from wherry.registry.watch import TransferWatch
    from wherry.store.images import ImageRecord

__all__ = ["Destination", "PushRequest", "Pushed", "explained", "push", "push_tags", "send_image", "settle_all", "skip"]

_UPLOADS = 5
"""Layers at once, as docker; how many are compressed at once is another matter (`LayerSite.presses`)."""


class PushRequest(NamedTuple):
    """`reference` names the image here and where it goes. `compression` is "gzip", "zstd", "none", or "" for the
    image's own way: what is known of its layers first, then zstd when its base has it, else gzip.
    """

    reference: Reference
    compression: str = ""
    all_platforms: bool = False


class Pushed(NamedTuple):
    """What `reference` means at the registry now: the manifest's (or index's) digest and its size in bytes."""

    reference: Reference
    digest: Digest
    size: int


class Destination(NamedTuple):
    """`place` with an empty host is no registry: nothing is mounted, and nothing is known of it afterwards."""

    target: Target
    place: Place


def push(engine: Engine, request: PushRequest, watch: TransferWatch, cancel: Cancel | None = None) -> Pushed:
    """Send what is missing there, then the manifest. Afterwards the image is known here by name@digest too.

    Raises: NotFound (no such image here), Unauthorized, Denied, RegistryError, IntegrityError, Cancelled, DiskFull.
    """
    reference = request.reference
    if reference.digest:
        raise InputError("cannot push a digest reference", hint="push a tag: NAME:TAG")
    watch.note(_refers(reference))
    _check_known(engine, reference)
    return _push_tag(engine, request, watch, cancel or Cancel())


def _refers(reference: Reference) -> str:
    return f"The push refers to repository [{reference.registry}/{reference.repository}]"


def _push_tag(engine: Engine, request: PushRequest, watch: TransferWatch, cancel: Cancel) -> Pushed:
    reference = request.reference
    image = _tagged(engine, reference)
    engine.leases.sweep()
    engine.scratch.sweep()
    with _explained(reference):
        return _push_image(engine, image, request, watch, cancel)


@contextmanager
def _explained(reference: Reference) -> Iterator[None]:
    """A refusal in docker's words, with what to try."""
    try:
        yield
    except (Unauthorized, Denied) as fault:
        registry = "" if reference.registry == DEFAULT_REGISTRY else f" {reference.registry}"
        what = "authentication required" if isinstance(fault, Unauthorized) else "requested access to it is denied"
        raise type(fault)(
            f"{fault.code}: {what} to push to {reference.familiar_name}: {fault}",
            hint=f"wherry login{registry}",
            status=fault.status,
            spec_code=fault.spec_code,
        ) from None


def _push_image(
    engine: Engine, image: ImageRecord, request: PushRequest, watch: TransferWatch, cancel: Cancel
) -> Pushed:
    reference = request.reference
    endpoint = engine.registries.hosts.for_push(reference)
    there = Destination(
        engine.registries.client.repository(endpoint, ("pull", "push")), Place(endpoint.host, endpoint.repository)
    )
    if request.all_platforms:
        from wherry.engine.push_index import send_index

        sent = send_index(engine, image, there, request, watch, cancel)
    else:
        sent = send_image(engine, image, there, request, watch, cancel)
    engine.image_store.tag(image.id, reference._replace(tag="", digest=sent.digest))
    watch.note(f"{reference.tag}: digest: {sent.digest} size: {sent.size}")
    engine.events.transfer("push", image.id, reference)
    return sent


def push_tags(
    engine: Engine, request: PushRequest, watch: TransferWatch, cancel: Cancel | None = None
) -> Sequence[Pushed]:
    """Every tag that the repository has here (`-a`), in order. Raises: as `push`."""
    reference = request.reference
    watch.note(_refers(reference))
    _check_known(engine, reference)
    # A range, no pattern: the registry may be [::1]:5000
    rows = engine.db.read().execute("SELECT name FROM reference WHERE name >= ? AND name < ? ORDER BY name",
                                    _between(reference, ":"))  # fmt: skip
    names = [Reference.known(row[0]) for row in rows if "@" not in row[0]]
    if not names:
        raise NotFound(f"no tags to push for {reference.familiar_name}", hint="wherry tag IMAGE NAME:TAG")
    cancel = cancel or Cancel()
    return [_push_tag(engine, request._replace(reference=name), watch, cancel) for name in names]


def _between(reference: Reference, mark: str) -> tuple[str, str]:
    """The bounds of the names that go on with `mark` behind the repository."""
    name = f"{reference.registry}/{reference.repository}"
    return f"{name}{mark}", f"{name}{chr(ord(mark) + 1)}"


def _check_known(engine: Engine, reference: Reference) -> None:
    query = "SELECT 1 FROM reference WHERE (name >= ? AND name < ?) OR (name >= ? AND name < ?) LIMIT 1"
    if not engine.db.read().execute(query, (*_between(reference, ":"), *_between(reference, "@"))).fetchone():
        raise NotFound(
            f"An image does not exist locally with the tag: {reference.familiar_name}",
            hint=f"wherry tag IMAGE {reference.familiar_name}, or build it with -t",
        )


def _tagged(engine: Engine, reference: Reference) -> ImageRecord:
    try:
        return engine.image_store.resolve(str(reference))
    except NotFound:
        raise NotFound(f"tag does not exist: {reference.familiar}", hint="wherry images lists what is here") from None


def send_image(
    engine: Engine, image: ImageRecord, there: Destination, request: PushRequest, watch: TransferWatch, cancel: Cancel,
    *, by_digest: bool = False,
) -> Pushed:  # fmt: skip
    """Layers, config, manifest, then what is attached to the image. `by_digest` gives it no tag there."""
    with engine.leases.hold(f"push {request.reference.familiar}") as lease:
        lease.add_layer(*image.layers)
        lease.add_blob(image.id, image.manifest)
        image = engine.image_store.get(image.id)  # leased, and still there
        data = engine.blobs.read(image.manifest)
        mine = push_manifest.own(data, image.layers)
        lease.add_blob(*(layer.digest for layer in mine.manifest.layers))
        layers = _send_layers(engine, image, mine, there, request, watch, cancel)
        config = engine.blobs.read(image.id)
        described = Descriptor(mine.manifest.config.media_type, image.id, len(config))
        send_bytes(there.target, described, config, cancel)
        manifest, media_type = push_manifest.assemble(mine, layers)
        digest = there.target.put_manifest(
            str(Digest.of(manifest)) if by_digest else request.reference.tag, manifest, media_type, cancel=cancel
        )
        if there.place.host:
            KnownBlobs(engine.db).add(there.place, [image.id, digest])
        sent = Descriptor(media_type, digest, len(manifest))
        _send_attached(engine, image, sent, there.target, request.reference, cancel)
    return Pushed(request.reference, digest, len(manifest))


def send_bytes(target: Target, blob: Descriptor, data: bytes, cancel: Cancel) -> None:
    """A small blob, unless it is there."""
    target.push_blob(blob, lambda offset: io.BytesIO(data[offset:]), cancel=cancel)


def _send_attached(
    engine: Engine, image: ImageRecord, subject: Descriptor, target: Target, reference: Reference, cancel: Cancel
) -> None:
    from wherry.engine.attach import local_referrers

    for one in local_referrers(engine, image, subject, reference):
        for blob, data in one.blobs:
            send_bytes(target, blob, data, cancel)
        target.put_manifest(str(one.digest), one.manifest, one.media_type, cancel=cancel)


def _send_layers(
    engine: Engine, image: ImageRecord, mine: Own, there: Destination, request: PushRequest, watch: TransferWatch,
    cancel: Cancel,
) -> list[Descriptor]:  # fmt: skip
    """Base layer first, as in the manifest."""
    site = _site(engine, image, mine, there, request, watch, cancel)
    keep = not mine.is_local and not request.compression
    jobs: dict[DiffID, push_layers.LayerJob] = {}
    sent: dict[DiffID, Descriptor] = {}
    for diff_id, layer in zip(image.layers, mine.manifest.layers, strict=True):
        if layer.urls:
            # A foreign layer lives elsewhere: no registry of ours takes it, and every client fetches it there
            sent[diff_id] = layer
            continue
        size = engine.layers.get(diff_id).size
        jobs[diff_id] = push_layers.LayerJob(diff_id, size, engine.layers.path(diff_id), layer if keep else None)
    workers = max(_UPLOADS, engine.settings.jobs)
    for position, diff_id in enumerate(reversed(list(jobs))):
        watch.start(diff_id.short, "Preparing", 0)
        if position >= workers:
            watch.start(diff_id.short, "Waiting", 0)
    sent |= settle_all(site, list(jobs.values()), workers)
    return [sent[diff_id] for diff_id in image.layers]


def settle_all(
    site: LayerSite, jobs: Sequence[push_layers.LayerJob], workers: int = _UPLOADS
) -> dict[DiffID, Descriptor]:
    """Layers side by side. The first failure stops the others and is raised."""
    from concurrent.futures import ThreadPoolExecutor

    # The largest first: what takes longest must not start last
    order = sorted(jobs, key=lambda job: -job.size)
    with ThreadPoolExecutor(workers, thread_name_prefix="push") as pool:
        futures = {job.diff_id: pool.submit(_settle, site, job) for job in order}
        try:
            faults = [fault for future in futures.values() if (fault := future.exception())]
        except BaseException:
            site.cancel.set("the push was stopped")
            raise
    if fault := push_layers.first_failure(faults):
        raise fault
    return {diff_id: future.result() for diff_id, future in futures.items()}


def _settle(site: LayerSite, job: push_layers.LayerJob) -> Descriptor:
    try:
        return push_layers.settle(site, job)
    except BaseException as fault:
        site.cancel.set("another layer failed")
        if isinstance(fault, OSError) and not isinstance(fault, WherryError):
            raise explained(fault, f"pushing layer {job.diff_id.short}") from fault
        raise


def explained(fault: OSError, doing: str) -> WherryError:
    """The wherry error of a failed read or write here."""
    import errno

    from wherry.errors import DiskFull, HostError

    what = f"{doing}: {fault.strerror or fault}"
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(what, hint="wherry system df; wherry image prune")
    return HostError(what)


def _site(
    engine: Engine, image: ImageRecord, mine: Own, there: Destination, request: PushRequest, watch: TransferWatch,
    cancel: Cancel,
) -> LayerSite:  # fmt: skip
    from threading import Semaphore

    forms = CompressedForms(engine.db)
    base = ""
    if image.layers and mine.is_local:
        # The base as it came from its registry: zstd there means that whoever pulls can read zstd
        base = next((push_forms.kind_of(f.blob.media_type) for f in forms.find(image.layers[0]) if not f.maker), "")
    kinds = push_manifest.kinds_for(request.compression, mine, base)
    cores = len(os.sched_getaffinity(0))
    return push_layers.LayerSite(
        there.target, there.place, engine.layers, engine.blobs, forms, KnownBlobs(engine.db), engine.scratch, kinds,
        mine.is_docker and "zstd" not in kinds[:1], Semaphore(cores), cores if len(image.layers) < 2 * cores else 1,
        watch, cancel, _elsewhere(engine, cancel),
    )  # fmt: skip


def _elsewhere(engine: Engine, cancel: Cancel) -> Callable[[Place, Descriptor], Callable[[int], Reader]]:
    """Opens blobs of other registries with the credentials that are there for them."""

    def opener(place: Place, blob: Descriptor) -> Callable[[int], Reader]:
        from wherry.registry.hosts import HUB

        registry = "docker.io" if place.host == HUB else place.host
        endpoint = engine.registries.hosts.for_push(Reference(registry, place.repository, "latest"))
        repository = engine.registries.client.repository(endpoint, ("pull",))

        def open_at(offset: int) -> Reader:
            reader = repository.blob(blob, cancel=cancel)
            skip(reader, offset)
            return reader

        return open_at

    return opener


def skip(reader: Reader, count: int) -> None:
    """Read `count` bytes and drop them: the digest is of the whole, so that all of it must be read."""
    buffer = memoryview(bytearray(min(count, 1 << 20)))
    while count and (got := reader.readinto(buffer[:count])):
        count -= got
