"""copy: an image from one medium to another, as it is, through memory: nothing of it lands in the store.

The digest stays the same whenever the target can hold the same bytes. A docker-archive can't: it holds plain tars.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine.copy_media import From, opened_origin, opened_target
from wherry.engine.push import Destination, explained, skip
from wherry.errors import InputError, IntegrityError, InvalidSpec, RegistryError, Unsupported, WherryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.reference import Reference
from wherry.registry import select
from wherry.store.known_blobs import KnownBlobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.oci.platform import Platform
    from wherry.registry.client import FetchedManifest
    from wherry.registry.media.location import Location
    from wherry.registry.target import Reader
    from wherry.registry.watch import TransferWatch

__all__ = ["Copied", "CopyRequest", "copy_image"]

_WORKERS = 5
_MOST_MANIFESTS = 1000
_DEEPEST = 8


class CopyRequest(NamedTuple):
    """`everything` copies an index whole, else the image for `platform` (None: this machine's) is chosen.

    `preserve_digests` fails rather than write other bytes. `referrers` takes along what is attached (docker:// only).
    `verify_source`, `verify_target`: False takes any certificate, and plain http.
    """

    source: Location
    target: Location
    everything: bool = False
    preserve_digests: bool = False
    platform: Platform | None = None
    referrers: bool = False
    verify_source: bool = True
    verify_target: bool = True


class Copied(NamedTuple):
    """What the target's name means now; `size` of the manifest or index in bytes."""

    digest: Digest
    size: int


def copy_image(engine: Engine, request: CopyRequest, watch: TransferWatch, cancel: Cancel | None = None) -> Copied:
    """Raises: NotFound, Unauthorized, RegistryError, IntegrityError, InvalidSpec, InputError, Cancelled, DiskFull."""
    cancel = cancel or Cancel()
    engine.db.read()  # the file is made by one thread, before the others come
    if request.referrers and request.target.kind != "docker":
        raise Unsupported("--referrers copies to a registry only: an archive has no list of what is attached")
    if request.preserve_digests and request.target.kind == "docker-archive":
        raise InputError("a docker-archive can't keep digests: it holds uncompressed layers", hint="use oci-archive:")
    try:
        if request.source.kind == "local":
            return _from_local(engine, request, watch, cancel)
        if request.target.kind == "local":
            return _into_local(engine, request, watch, cancel)
        return _through(engine, request, watch, cancel)
    except OSError as fault:
        if isinstance(fault, WherryError):
            raise
        raise explained(fault, f"copying {request.source} to {request.target}") from fault


def _from_local(engine: Engine, request: CopyRequest, watch: TransferWatch, cancel: Cancel) -> Copied:
    from wherry.engine.push import PushRequest, send_image

    image = engine.image_store.resolve(request.source.name)
    if request.target.kind == "local":
        engine.image_store.tag(image.id, request.target.reference)
        return Copied(image.manifest, engine.blobs.size(image.manifest))
    to_registry = request.target.kind == "docker"
    reference = request.target.reference if to_registry else Reference.parse("copied")
    asked = PushRequest(reference, "none" if request.target.kind == "docker-archive" else "")
    engine.scratch.sweep()
    with opened_target(engine, request.target, verify=request.verify_target) as target:
        sent = send_image(engine, image, target.there, asked, watch, cancel)
        if request.preserve_digests and sent.digest != image.manifest:
            raise InputError(f"{request.source} has no digest to keep: its blobs are not here as they came")
        target.commit()
    return Copied(sent.digest, sent.size)


def _into_local(engine: Engine, request: CopyRequest, watch: TransferWatch, cancel: Cancel) -> Copied:
    """A registry's image is pulled; what files hold goes through a layout in ROOT/tmp, and is loaded from there."""
    name = request.target.reference
    if request.source.kind == "docker":
        from wherry.engine.pull import PullRequest, pull

        pulled = pull(engine, PullRequest(request.source.reference, request.platform), watch, cancel)
        engine.image_store.tag(pulled.image.id, name)
        return Copied(pulled.image.manifest, engine.blobs.size(pulled.image.manifest))
    engine.scratch.sweep()
    with engine.scratch.folder("copy") as folder:
        through = request._replace(target=request.target._replace(kind="oci", path=folder, name=""))
        copied = _through(engine, through, watch, cancel)
        (loaded,) = engine.images.load(folder, platform=request.platform, cancel=cancel)
        engine.image_store.tag(loaded.image.id, name)
    return copied


def _through(engine: Engine, request: CopyRequest, watch: TransferWatch, cancel: Cancel) -> Copied:
    with (
        opened_origin(engine, request.source, cancel, verify=request.verify_source) as origin,
        opened_target(engine, request.target, verify=request.verify_target) as target,
    ):
        work = _Copy(engine, request, origin, target.there, watch, cancel)
        fetched = origin.top
        if not request.everything:
            fetched = work.chosen(fetched)
        name = target.name or str(fetched.digest)
        if request.target.kind == "docker-archive" or _must_compress(request):
            from wherry.engine.copy_plain import compressed, plain

            change = plain if request.target.kind == "docker-archive" else compressed
            data, media_type = change(engine, origin, target.there, fetched, watch, cancel)
            digest = target.there.target.put_manifest(name, data, media_type, cancel=cancel)
            copied = Copied(digest, len(data))
        else:
            copied = work.tree(fetched, name)
        target.commit()
    return copied


def _must_compress(request: CopyRequest) -> bool:
    """A docker-archive's plain layers, on their way to a registry, unless its made-up digest is to be kept."""
    return request.source.kind == "docker-archive" and request.target.kind == "docker" and not request.preserve_digests


class _Became(NamedTuple):
    """A manifest as the target has it."""

    data: bytes
    media_type: str


class _Copy:
    """One copy: manifests are put after all that they name."""

    def __init__(
        self, engine: Engine, request: CopyRequest, origin: From, there: Destination, watch: TransferWatch,
        cancel: Cancel,
    ) -> None:  # fmt: skip
        self._origin, self._there, self._watch, self._cancel = origin, there, watch, cancel
        self._request = request
        self._known = KnownBlobs(engine.db)
        self._engine = engine
        self._done: dict[Digest, _Became] = {}
        # skopeo and umoci read a layout only when its manifests are OCI's, and so skopeo writes it
        self._converts = request.target.kind in ("oci", "oci-archive") and not request.preserve_digests

    def chosen(self, top: FetchedManifest) -> FetchedManifest:
        """The image for one platform; `top` itself when it is no index."""
        if not isinstance(select.document(top), Index):
            return top
        from wherry.engine.image_load import here

        platform = self._request.platform or here()
        return select.select(lambda one: self._fetch(one.digest), top, platform, str(self._request.source)).fetched

    def _fetch(self, digest: Digest) -> FetchedManifest:
        found = self._origin.origin.manifest(str(digest), cancel=self._cancel)
        if found.digest != digest:
            raise IntegrityError("manifest", expected=digest, actual=found.digest)
        return found

    def tree(self, fetched: FetchedManifest, name: str, depth: int = 0) -> Copied:
        """A manifest or an index with all that it names; put as `name`, byte for byte but for `_converts`."""
        self._cancel.check()
        became = self._done.get(fetched.digest)
        if became is None:
            if len(self._done) >= _MOST_MANIFESTS or depth > _DEEPEST:
                raise InvalidSpec(f"{self._request.source} is an index of too many, or too deeply nested, manifests")
            # Before its children: an index that names itself, however it got there, ends here
            self._done[fetched.digest] = _Became(fetched.data, fetched.media_type)
            became = self._done[fetched.digest] = self._below(fetched, depth)
        digest = self._there.target.put_manifest(name, became.data, became.media_type, cancel=self._cancel)
        if digest != Digest.of(became.data) and digest != fetched.digest:
            raise RegistryError(f"{self._request.target} took {fetched.digest} as {digest}")
        if self._there.place.host:
            self._known.add(self._there.place, [digest])
        if self._request.referrers:
            self._referrers(fetched.digest, depth)
        return Copied(digest, len(became.data))

    def _below(self, fetched: FetchedManifest, depth: int) -> _Became:
        """Everything that it names; then what it is called at the target."""
        document = select.document(fetched)
        replaced = {}
        if isinstance(document, Index):
            for entry in document.manifests:
                child = self.tree(self._fetch(entry.digest), str(entry.digest), depth + 1)
                kind = self._done[entry.digest].media_type
                replaced[entry.digest] = Descriptor(kind, child.digest, child.size)
        else:
            self._blobs(document)
        if not self._converts:
            return _Became(fetched.data, fetched.media_type)
        from wherry.registry.media.convert import as_oci

        return _Became(*as_oci(fetched.data, fetched.media_type, replaced))

    def _referrers(self, subject: Digest, depth: int) -> None:
        for one in self._origin.origin.referrers(subject, cancel=self._cancel):
            if one.digest not in self._done:
                self.tree(self._fetch(one.digest), str(one.digest), depth + 1)

    def _blobs(self, manifest: Manifest) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from wherry.engine.push_layers import first_failure

        # Foreign layers stay where their URLs say
        blobs = {one.digest: one for one in (*manifest.layers, manifest.config) if not one.urls}
        for one in blobs.values():
            self._watch.start(one.digest.short, "Preparing", 0)
        order = sorted(blobs.values(), key=lambda one: -one.size)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="copy") as pool:
            futures = [pool.submit(self._stopping, one) for one in order]
            try:
                faults = [fault for future in futures if (fault := future.exception())]
            except BaseException:
                self._cancel.set("the copy was stopped")
                raise
        if fault := first_failure(faults):
            raise fault
        if self._there.place.host:
            self._known.add(self._there.place, list(blobs))

    def _stopping(self, blob: Descriptor) -> None:
        try:
            self._blob(blob)
        except BaseException:
            self._cancel.set("another blob failed")
            raise

    def _blob(self, blob: Descriptor) -> None:
        self._cancel.check()
        short = blob.digest.short
        target = self._there.target
        if (repository := self._mountable()) and target.mount(blob.digest, repository, cancel=self._cancel):
            self._watch.finish(short, f"Mounted from {repository}")
            return

        def open_at(offset: int) -> Reader:
            reader = self._origin.origin.blob(blob, cancel=self._cancel)
            skip(reader, offset)
            return reader

        self._watch.start(short, "Pushing", blob.size)
        sent = target.push_blob(
            blob, open_at, cancel=self._cancel, progress=lambda done: self._watch.advance(short, done)
        )
        self._watch.finish(short, "Copied" if sent else "Already exists")

    def _mountable(self) -> str:
        """The repository to mount from: of the same registry, and another than the target's."""
        here, there = self._origin.place, self._there.place
        return here.repository if here.host and here.host == there.host and here != there else ""
