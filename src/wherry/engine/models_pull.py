"""pull of models, and of anybody's artifacts (ModelPack, ORAS, docker's models, KitOps), into the store."""

from __future__ import annotations

from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.errors import InputError, Unsupported, WherryError
from wherry.models.pack import files_of
from wherry.oci import mediatype
from wherry.oci.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.engine.pull_source import Sources
    from wherry.models.pack import File
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch

__all__ = ["Pulled", "pull"]

_DOWNLOADS = 3
_LARGEST_CONFIG = 4 << 20


class Pulled(NamedTuple):
    """`is_new` is false when the store had all of it under this name."""

    model: ModelRecord
    is_new: bool


def pull(engine: Engine, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None) -> Pulled:
    """What is here already, of whichever model, is not fetched again. The name appears when all is here.

    Raises: InputError (an image), Unsupported (an index), InvalidSpec, and what a registry says.
    """
    from wherry.engine.pull_source import sources

    stop = cancel or Cancel()
    engine.leases.sweep()
    origin = sources(engine.registries, reference)
    watch.note(f"{reference.digest or reference.tag}: Pulling from {reference.repository}")
    found = origin.manifest(str(reference.digest or reference.tag), stop)
    if found.media_type in mediatype.INDEXES:
        raise Unsupported(
            f"{reference.familiar} is an index, not a model", hint=f"an image? wherry pull {reference.familiar}"
        )
    manifest = Manifest.from_bytes(found.data)
    if manifest.config.media_type in mediatype.CONFIGS:
        raise InputError(
            f"{reference.familiar} is a container image, not a model", hint=f"wherry pull {reference.familiar}"
        )
    files = files_of(manifest, reference.familiar)
    known = engine.models.find(str(found.digest))
    with engine.leases.hold(f"pull model {reference.familiar}") as lease:
        lease.add_blob(found.digest, manifest.config.digest, *(file.layer.digest for file in files))
        _fetch_all(engine, origin, files, watch, stop)
        if not engine.blobs.has(manifest.config.digest):
            data = origin.small_blob(manifest.config, _LARGEST_CONFIG, "the model's config", stop)
            engine.blobs.put([data], manifest.config.digest, manifest.config.size)
        engine.blobs.put([found.data], found.digest)
        record = engine.models.add(found.digest, manifest, None if reference.digest else reference)
    is_new = known is None or str(reference) not in known.names
    return Pulled(record, is_new)


def _fetch_all(engine: Engine, origin: Sources, files: Sequence[File], watch: TransferWatch, cancel: Cancel) -> None:
    """Side by side, the largest first. The first failure stops the others and is raised."""
    from concurrent.futures import ThreadPoolExecutor

    from wherry.engine.models_fetch import fetch_blob
    from wherry.engine.push import explained
    from wherry.engine.push_layers import first_failure

    def one(file: File) -> None:
        name = file.name or file.layer.digest.short
        try:
            fetch_blob(engine, origin, file.layer, name, watch, cancel)
        except BaseException as fault:
            cancel.set("another file failed")
            if isinstance(fault, OSError) and not isinstance(fault, WherryError):
                raise explained(fault, f"pulling {name}") from fault
            raise

    each = {file.layer.digest: file for file in files}
    with ThreadPoolExecutor(_DOWNLOADS, "pull") as pool:
        futures = [pool.submit(one, file) for file in sorted(each.values(), key=lambda file: -file.layer.size)]
        try:
            faults = [fault for future in futures if (fault := future.exception())]
        except BaseException:
            cancel.set("the pull was stopped")
            raise
    if fault := first_failure(faults):
        raise fault
