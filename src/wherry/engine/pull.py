"""pull: an image from a registry into the store. Layers arrive side by side and are unpacked while they arrive.

What is kept of the image as it came: config, manifest and index, byte for byte; of each layer its tree, the recipe
that gives its tar again, and the name of its compressed form, but not those bytes (docs/adr/0110-what-a-pull-keeps.md).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from wherry.errors import Denied, DiskFull, InvalidSpec, NotFound, Unauthorized, Unreachable
from wherry.oci.reference import DEFAULT_REGISTRY, Reference
from wherry.registry import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.pull_source import Sources
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import Digest
    from wherry.oci.manifest import Manifest
    from wherry.oci.platform import Platform
    from wherry.registry.client import FetchedManifest
    from wherry.registry.select import Selected
    from wherry.registry.watch import TransferWatch
    from wherry.store.compressed import CompressedForms
    from wherry.store.images import ImageRecord

__all__ = ["PullRequest", "Pulled", "pull", "pull_tags"]

_CONFIG_LIMIT = 8 << 20
_LEAST_JOBS, _MOST_JOBS = 3, 8


class PullRequest(NamedTuple):
    """`reference` with a digest is pulled by it, whatever its tag says. `platform` None is this machine's."""

    reference: Reference
    platform: Platform | None = None


class Pulled(NamedTuple):
    """`digest` is what the registry calls it: the index's when it was an index. `reference` is the name it got here.

    `is_new` False: the name stood for this very image before.
    """

    image: ImageRecord
    reference: Reference
    digest: Digest
    is_new: bool


def pull(engine: Engine, request: PullRequest, watch: TransferWatch, cancel: Cancel | None = None) -> Pulled:
    """Fetch what is not here yet, check all of it, then give it its names. On failure nothing of it is visible.

    Raises: NotFound (name, tag, or no manifest for the platform: the hint lists them), Unauthorized, Unreachable,
    RegistryError, IntegrityError, InvalidSpec, HostileArchive, Unsupported (an artifact, schema 1), DiskFull,
    Cancelled.
    """
    from wherry.cancel import Cancel as NewCancel
    from wherry.engine.pull_source import sources

    reference = request.reference._replace(tag="") if request.reference.digest else request.reference
    with _explained(engine, reference):
        work = _Pull(engine, reference, request.platform, watch, cancel or NewCancel())
        pulled = work.run(sources(engine.registries, reference))
    engine.events.transfer("pull", pulled.image.id, reference)
    return pulled


def pull_tags(
    engine: Engine, request: PullRequest, watch: TransferWatch, cancel: Cancel | None = None
) -> Iterator[Pulled]:
    """Every tag of the repository, one after the other, in the registry's order. Raises: as `pull`."""
    from wherry.cancel import Cancel as NewCancel
    from wherry.engine.pull_source import sources

    with _explained(engine, request.reference):
        tags = sources(engine.registries, request.reference).tags(cancel or NewCancel())
    for tag in tags:
        # What a registry lists is a name only once it was parsed
        named = Reference.parse(f"{request.reference._replace(tag='')}:{tag}")
        yield pull(engine, request._replace(reference=named), watch, cancel)


class _Pull(NamedTuple):
    engine: Engine
    reference: Reference
    platform: Platform | None
    watch: TransferWatch
    cancel: Cancel

    def run(self, sources: Sources) -> Pulled:
        name = self.reference.digest or self.reference.tag
        before = _here(self.engine, self.reference)
        if before:
            if self.reference.digest and self._fits(before):
                # A digest means the same for ever
                self._says(self.reference.digest)
                return Pulled(before, self.reference, self.reference.digest, False)
            if (found := sources.head(name, self.cancel)) is not None:
                if self._digest_name(found.digest) in before.references and self._fits(before):
                    self._says(found.digest)
                    return Pulled(before, self.reference, found.digest, False)
                # The first answer counts: the tag may move before the next question
                name = found.digest
        try:
            top = sources.manifest(name, self.cancel)
        except NotFound as fault:
            raise NotFound(
                f"manifest for {self.reference.familiar} not found: manifest unknown: manifest unknown",
                hint=fault.hint,
            ) from None
        self._says(top.digest)
        image = self._image(sources, top)
        return Pulled(image, self.reference, top.digest, before is None or before.id != image.id)

    def _says(self, digest: Digest) -> None:
        of = self.reference.tag or f"{self.reference._replace(digest=None)}@{digest}"
        self.watch.note(f"{of}: Pulling from {self.reference.repository}")

    def _digest_name(self, digest: Digest) -> str:
        return str(self.reference._replace(tag="", digest=digest))

    def _wanted(self) -> Platform:
        from wherry.engine.image_load import here

        return self.platform or here()

    def _fits(self, image: ImageRecord) -> bool:
        """Whether the image is for the platform that is asked for; any will do when none was and there is no other."""
        return select.rank(self.engine.images.config(image.id).platform, self._wanted()) is not None

    def _image(self, sources: Sources, top: FetchedManifest) -> ImageRecord:
        from wherry.oci.config import ImageConfig

        selected = select.select(
            lambda one: sources.manifest(one.digest, self.cancel), top, self._wanted(), self.reference.familiar
        )
        manifest = selected.manifest
        select.refuse_artifact(manifest, self.reference.familiar)
        config = self._config(sources, manifest)
        parsed = ImageConfig.from_bytes(config)
        if len(parsed.diff_ids) != len(manifest.layers):
            raise InvalidSpec(f"manifest: {len(manifest.layers)} layers, but the config has {len(parsed.diff_ids)}")
        if self.platform and select.rank(parsed.platform, self.platform) is None:
            # Differs from docker: it pulls the image of another platform first, and then says the same
            raise NotFound(
                f"image with reference {self.reference.familiar} was found but does not match the specified platform: "
                f"wanted {self.platform}, actual: {parsed.platform}"
            )
        return self._store(sources, top, selected, config, parsed)

    def _config(self, sources: Sources, manifest: Manifest) -> bytes:
        with suppress(NotFound):
            return self.engine.blobs.read(manifest.config.digest, limit_bytes=_CONFIG_LIMIT)
        return sources.small_blob(manifest.config, _CONFIG_LIMIT, "the image's config", self.cancel)

    def _store(
        self, sources: Sources, top: FetchedManifest, selected: Selected, config: bytes, parsed: ImageConfig
    ) -> ImageRecord:
        from wherry.cancel import Within
        from wherry.engine.pull_layers import LayerPull, Part
        from wherry.store.compressed import CompressedForms

        engine, manifest = self.engine, selected.manifest
        engine.leases.sweep()
        engine.scratch.sweep()
        parts = [Part(blob, diff_id) for blob, diff_id in zip(manifest.layers, parsed.diff_ids, strict=True)]
        with engine.leases.hold(f"pull {self.reference.familiar}") as lease:
            lease.add_layer(*parsed.diff_ids)
            forms = CompressedForms(engine.db)
            layers = LayerPull(engine.layers, forms, sources, lease, self.watch, Within(self.cancel))
            # The same image under another name: docker too says nothing of its layers
            if not (self._is_known(manifest.config.digest) and all(map(engine.layers.has, parsed.diff_ids))):
                layers.run(parts, engine.settings.paths.root, min(max(engine.settings.jobs, _LEAST_JOBS), _MOST_JOBS))
            lease.add_blob(top.digest)
            if not engine.blobs.has(top.digest):
                engine.blobs.put([top.data], top.digest)
            names = [self.reference._replace(tag="", digest=top.digest)]
            if self.reference.tag:
                names.insert(0, self.reference)
            data = self._better(selected.fetched.data, manifest.config.digest, parsed, forms)
            image = engine.image_store.create(config, names, manifest=data)
        self._remember(sources, manifest)
        return image

    def _better(self, fetched: bytes, image_id: Digest, config: ImageConfig, forms: CompressedForms) -> bytes:
        """The manifest to keep for the image: what came, or the one that is here, when that is sure and this is not.

        Of layers that are here nothing was fetched: anybody can write other blobs beside the config of a known image,
        and a later push would send them under its name.
        """

        def is_proved(data: bytes) -> bool:
            pairs = zip(Manifest.from_bytes(data).layers, config.diff_ids, strict=True)
            return all(
                str(one.digest) == str(diff_id)
                or any((one.digest, one.size) == (form.blob.digest, form.blob.size) for form in forms.find(diff_id))
                for one, diff_id in pairs
            )

        from wherry.oci.manifest import Manifest

        with suppress(NotFound):
            here = self.engine.blobs.read(self.engine.image_store.get(image_id).manifest)
            if here != fetched and is_proved(here) and not is_proved(fetched):
                return here
        return fetched

    def _is_known(self, image_id: Digest) -> bool:
        with suppress(NotFound):
            return bool(self.engine.image_store.get(image_id))
        return False

    def _remember(self, sources: Sources, manifest: Manifest) -> None:
        """Where a later push can mount these blobs from."""
        from wherry.store.known_blobs import KnownBlobs

        if place := sources.place:
            KnownBlobs(self.engine.db).add(place, [manifest.config.digest, *(one.digest for one in manifest.layers)])


def _here(engine: Engine, reference: Reference) -> ImageRecord | None:
    try:
        return engine.image_store.resolve(str(reference))
    except NotFound:
        return None


@contextmanager
def _explained(engine: Engine, reference: Reference) -> Iterator[None]:
    """What went wrong, in docker's words where it has good ones, and with what to try."""
    name = reference.familiar
    try:
        yield
    except Unreachable as fault:
        from wherry.engine.bootstrap import can_make

        if can_make(name):
            fault.hint = f"wherry bootstrap {name} makes a stand-in on this machine, without any registry"
        raise
    except (Unauthorized, Denied) as fault:
        registry = "" if reference.registry == DEFAULT_REGISTRY else f" {reference.registry}"
        # Of a manifest the client has said as much already
        said = fault.message.rpartition("may require 'docker login': ")[2]
        raise type(fault)(
            f"pull access denied for {reference.familiar_name}, repository does not exist or may require "
            f"'wherry login': {said}",
            hint=f"wherry login{registry}",
            status=fault.status,
            spec_code=fault.spec_code,
        ) from None
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"No space left on device: {engine.settings.paths.root} has no room for {name}",
            hint="df shows which disk is full; wherry system prune frees what wherry holds",
        ) from None
