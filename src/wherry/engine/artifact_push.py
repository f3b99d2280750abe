"""push of artifacts whose layers are files: several at once, each sent only when the registry does not have it.

What was sent before a kill -9 is there for the next try: a file is a blob of its own, and blobs that are there are not
sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.errors import InputError, RegistryError, WherryError
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.reference import Reference
    from wherry.registry.client import Repository
    from wherry.registry.watch import TransferWatch
    from wherry.store.known_blobs import Place

__all__ = ["Pushed", "There", "finish", "is_there", "open_there", "send_file", "side_by_side"]

_UPLOADS = 5


class Pushed(NamedTuple):
    """What `reference` means at the registry now. `sent_bytes` without what was there already."""

    reference: Reference
    digest: Digest
    size: int
    sent_bytes: int


class There(NamedTuple):
    """Where a push goes, and who watches."""

    target: Repository
    place: Place
    engine: Engine
    watch: TransferWatch
    cancel: Cancel


def open_there(engine: Engine, reference: Reference, watch: TransferWatch, cancel: Cancel) -> There:
    """Raises: InputError for a name with a digest."""
    from wherry.store.known_blobs import Place

    if reference.digest:
        raise InputError("cannot push a digest reference", hint="push a tag: NAME:TAG")
    watch.note(f"The push refers to repository [{reference.registry}/{reference.repository}]")
    engine.leases.sweep()
    endpoint = engine.registries.hosts.for_push(reference)
    target = engine.registries.client.repository(endpoint, ("pull", "push"))
    return There(target, Place(endpoint.host, endpoint.repository), engine, watch, cancel)


def side_by_side(order: Sequence[int], work: Callable[[int], None], cancel: Cancel) -> None:
    """The first failure stops the others and is raised."""
    from concurrent.futures import ThreadPoolExecutor

    from wherry.engine.push_layers import first_failure

    def guarded(index: int) -> None:
        try:
            work(index)
        except BaseException as fault:
            cancel.set("another file failed")
            if isinstance(fault, OSError) and not isinstance(fault, WherryError):
                from wherry.engine.push import explained

                raise explained(fault, "pushing a file") from fault
            raise

    with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="push") as pool:
        futures = [pool.submit(guarded, index) for index in order]
        try:
            faults = [fault for future in futures if (fault := future.exception())]
        except BaseException:
            cancel.set("the push was stopped")
            raise
    if fault := first_failure(faults):
        raise fault


def is_there(there: There, name: str, digest: Digest) -> bool:
    """In the repository, or in another one of the registry's that it can be mounted from."""
    from wherry.store.known_blobs import KnownBlobs

    if there.target.has_blob(digest, cancel=there.cancel) is not None:
        there.watch.finish(name, "Already exists")
        return True
    for repository in KnownBlobs(there.engine.db).repositories(there.place.host, digest):
        if repository == there.place.repository:
            continue
        with suppress(RegistryError):
            # A refusal (no right to read there) is no reason to fail: the bytes can be sent
            if there.target.mount(digest, repository, cancel=there.cancel):
                there.watch.finish(name, f"Mounted from {repository}")
                return True
    return False


def send_file(there: There, name: str, blob: Descriptor, path: str) -> int:
    """How many bytes went over the wire."""
    from wherry.engine.push_layers import open_file
    from wherry.store.known_blobs import KnownBlobs

    known = KnownBlobs(there.engine.db)
    if is_there(there, name, blob.digest):
        known.add(there.place, [blob.digest])
        return 0
    there.watch.start(name, "Pushing", blob.size)
    was_sent = there.target.push_blob(
        blob, lambda offset: open_file(path, offset), cancel=there.cancel,
        progress=lambda done: there.watch.advance(name, done),
    )  # fmt: skip
    there.watch.finish(name, "Pushed" if was_sent else "Already exists")
    known.add(there.place, [blob.digest])
    return blob.size if was_sent else 0


def finish(
    there: There, reference: Reference, config: Descriptor, config_data: bytes, data: bytes, sent_bytes: int
) -> Pushed:
    """The manifest last: whoever pulls sees the whole artifact, or the one before."""
    from wherry.engine.push import send_bytes

    media_type = Manifest.from_bytes(data).media_type
    send_bytes(there.target, config, config_data, there.cancel)
    digest = there.target.put_manifest(reference.tag or str(Digest.of(data)), data, media_type, cancel=there.cancel)
    there.watch.note(f"{reference.tag or reference.repository}: digest: {digest} size: {len(data)}")
    return Pushed(reference, digest, len(data), sent_bytes)
