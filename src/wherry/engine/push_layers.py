"""One layer to one place: found there, mounted, copied, made again as before, or compressed for the first time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from wherry.engine import push_forms
from wherry.engine.push_forms import Tars, kind_of
from wherry.errors import IntegrityError, NotFound, RegistryError, WherryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.registry.target import Reader, Target
from wherry.store.compressed import Form
from wherry.store.known_blobs import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader
    from threading import Semaphore

    from wherry.cancel import Cancel
    from wherry.registry.watch import TransferWatch
    from wherry.store.blobs import BlobStore
    from wherry.store.compressed import CompressedForms
    from wherry.store.known_blobs import KnownBlobs
    from wherry.store.scratch import Scratch

__all__ = ["LayerJob", "LayerSite", "first_failure", "open_file", "settle"]

_MOST_FORMS = 3


class LayerJob(NamedTuple):
    """`exact` is how the image's own manifest has the layer, when that is to be kept. `folder` is its tree, or ""."""

    diff_id: DiffID
    size: int
    folder: str = ""
    exact: Descriptor | None = None


class LayerSite(NamedTuple):
    """What every layer of one push shares. `place` is "" and "" for a target that is no registry.

    `kinds` is what may be sent, the one to make first. `elsewhere` gives what opens a blob of another registry.
    `presses` bounds how many compressors run.
    """

    target: Target
    place: Place
    tars: Tars
    blobs: BlobStore
    forms: CompressedForms
    known: KnownBlobs
    scratch: Scratch
    kinds: tuple[str, ...]
    docker: bool
    presses: Semaphore
    threads: int
    watch: TransferWatch
    cancel: Cancel
    elsewhere: Callable[[Place, Descriptor], Callable[[int], Reader]] | None = None


def settle(site: LayerSite, job: LayerJob) -> Descriptor:
    """Afterwards the target has the layer; how it has it, media type and all.

    Raises: RegistryError and what else the target says, IntegrityError, Cancelled, OSError.
    """
    site.cancel.check()
    forms = _forms(site, job)
    if job.exact is not None:
        # As it came, whatever other form of the layer is there already: the image keeps its digest
        form = forms.pop(0)
        if _is_there(site, job, form.blob) or _mounted(site, job, form.blob) or _sent_as(site, job, form):
            return _remembered(site, job, form)
    for form in forms:
        if _is_there(site, job, form.blob) or _mounted(site, job, form.blob):
            return _remembered(site, job, form)
    for form in forms:
        if _sent_as(site, job, form):
            return _remembered(site, job, form)
    return _made(site, job)


def _forms(site: LayerSite, job: LayerJob) -> list[Form]:
    """What the layer may be sent as without compressing it for the first time, the best first."""
    found = {form.blob.digest: form for form in site.forms.find(job.diff_id) if kind_of(form.blob.media_type)}
    known = sorted(
        (form for form in found.values() if kind_of(form.blob.media_type) in site.kinds),
        key=lambda form: site.kinds.index(kind_of(form.blob.media_type)),
    )[:_MOST_FORMS]
    if job.exact is None:
        return known
    same = found.get(job.exact.digest)
    maker = same.maker if same else ""
    if not maker and job.exact.digest.hex == job.diff_id.hex:
        maker = push_forms.maker_of("tar")
    # First as it came: then the manifest, and what others call the image, stays the same
    return [Form(job.exact, maker), *(form for form in known if form.blob.digest != job.exact.digest)]


def _is_there(site: LayerSite, job: LayerJob, blob: Descriptor) -> bool:
    if site.target.has_blob(blob.digest, cancel=site.cancel) is None:
        return False
    site.watch.finish(job.diff_id.short, "Layer already exists")
    return True


def _mounted(site: LayerSite, job: LayerJob, blob: Descriptor) -> bool:
    if not site.place.host:
        return False
    for repository in site.known.repositories(site.place.host, blob.digest):
        if repository == site.place.repository:
            continue
        with suppress(RegistryError):
            # A refusal (no right to read there) is no reason to fail: the bytes can be sent
            if site.target.mount(blob.digest, repository, cancel=site.cancel):
                site.watch.finish(job.diff_id.short, f"Mounted from {repository}")
                return True
        site.known.forget(Place(site.place.host, repository), blob.digest)
    return False


def _sent_as(site: LayerSite, job: LayerJob, form: Form) -> bool:
    """Send exactly these bytes, from wherever they can be had; False when they can't."""
    if site.blobs.has(form.blob.digest):
        path = site.blobs.path(form.blob.digest)
        _send(site, job, form.blob, lambda offset: open_file(path, offset))
        return True
    kind = kind_of(form.blob.media_type)
    if form.maker and form.maker == push_forms.maker_of(kind):
        try:
            with site.presses:
                opener = push_forms.stream(site.tars, job.diff_id, form, threads=site.threads, cancel=site.cancel)
                _send(site, job, form.blob, opener)
        except IntegrityError:
            # Another processor or build of the same version may compress otherwise: then it is made anew
            if kind == "tar":
                raise
        else:
            return True
    return job.exact is not None and form.blob.digest == job.exact.digest and _copied(site, job, form.blob)


def _copied(site: LayerSite, job: LayerJob, blob: Descriptor) -> bool:
    """From the registry that the image came from, to keep its digest."""
    if site.elsewhere is None:
        return False
    for place in site.known.places(blob.digest):
        if place.host == site.place.host:
            continue
        with suppress(RegistryError, NotFound, IntegrityError):
            _send(site, job, blob, site.elsewhere(place, blob))
            return True
        site.known.forget(place, blob.digest)
        site.cancel.check()
    return False


def _made(site: LayerSite, job: LayerJob) -> Descriptor:
    """Compress it, unless that does not pay, and send it."""
    kind = site.kinds[0]
    # Differs from docker: what does not shrink, such as the weights of a model, is sent as it is
    if "tar" in site.kinds and (kind == "tar" or (job.folder and not push_forms.shrinks(job.folder, job.size))):
        plain = Descriptor(push_forms.media_type("tar", docker=site.docker), Digest(job.diff_id), job.size)
        form = Form(plain, push_forms.maker_of("tar"))
        if not (_is_there(site, job, plain) or _mounted(site, job, plain)):
            _sent_as(site, job, form)
        return _remembered(site, job, form)
    with site.presses:
        site.watch.start(job.diff_id.short, "Compressing", job.size)
        made = push_forms.squeeze(
            site.tars, job.diff_id, kind, site.scratch, threads=site.threads, cancel=site.cancel,
            progress=lambda done: site.watch.advance(job.diff_id.short, done),
        )  # fmt: skip
    form = Form(made.blob, push_forms.maker_of(kind))
    try:
        # Before it is sent: a push that breaks off need not compress it again
        site.forms.remember(job.diff_id, form.blob, form.maker)
        _send_made(site, job, form, made.fd)
    finally:
        if made.fd >= 0:
            os.close(made.fd)
    return _remembered(site, job, form)


def _send_made(site: LayerSite, job: LayerJob, form: Form, fd: int) -> None:
    if fd >= 0:
        _send(site, job, form.blob, lambda offset: open_file(f"/proc/self/fd/{fd}", offset))
        return
    # The scratch disk was full: twice the work, but no room
    with site.presses:
        _send(site, job, form.blob, push_forms.stream(
            site.tars, job.diff_id, form, threads=site.threads, cancel=site.cancel))  # fmt: skip


def _send(site: LayerSite, job: LayerJob, blob: Descriptor, open_at: Callable[[int], Reader]) -> None:
    short = job.diff_id.short
    site.watch.start(short, "Pushing", blob.size)
    sent = site.target.push_blob(
        blob, open_at, cancel=site.cancel, progress=lambda done: site.watch.advance(short, done)
    )
    site.watch.finish(short, "Pushed" if sent else "Layer already exists")


def _remembered(site: LayerSite, job: LayerJob, form: Form) -> Descriptor:
    site.forms.remember(job.diff_id, form.blob, form.maker)
    if site.place.host:
        site.known.add(site.place, [form.blob.digest])
    return form.blob


def open_file(path: str, offset: int = 0) -> BufferedReader:
    """A file from an offset on: a plain one, so that the kernel can send it. The caller closes."""
    file = open(path, "rb")  # noqa: SIM115  # whoever asked closes it
    file.seek(offset)
    return file


def first_failure(faults: list[BaseException]) -> BaseException | None:
    """The one that made the others stop: what is not Cancelled, of ours before foreign ones."""
    from wherry.errors import Cancelled

    real = [fault for fault in faults if not isinstance(fault, Cancelled)]
    ours = [fault for fault in real if isinstance(fault, WherryError)]
    return next(iter(ours or real or faults), None)
