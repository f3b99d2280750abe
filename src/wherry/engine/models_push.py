"""push of models: files as they are, several at once, each sent only when the registry does not have it.

What was sent before a kill -9 is there for the next try: a file is a blob of its own, and blobs that are there are not
sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine.models_pack import Hashed, check_unchanged, hash_file, is_known, named
from wherry.errors import InputError, IntegrityError, RegistryError, WherryError
from wherry.models.pack import files_of, pack
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.engine.models_scan import Found, Scanned
    from wherry.models.pack import Packed
    from wherry.oci.reference import Reference
    from wherry.registry.client import Repository
    from wherry.registry.watch import TransferWatch
    from wherry.store.known_blobs import Place

__all__ = ["Pushed", "push_files", "push_stored"]

_UPLOADS = 5
_EARLY_BYTES = 8 << 20


class Pushed(NamedTuple):
    """What `reference` means at the registry now. `sent_bytes` without what was there already."""

    reference: Reference
    digest: Digest
    size: int
    sent_bytes: int


class _There(NamedTuple):
    """Where a push goes, and who watches."""

    target: Repository
    place: Place
    engine: Engine
    watch: TransferWatch
    cancel: Cancel


def push_files(
    engine: Engine, scanned: Scanned, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None
) -> tuple[Pushed, Packed]:
    """A user's files, straight from where they lie: nothing is copied. Each is hashed, then sent, several side by side.

    Raises: Conflict (a file changed meanwhile), Unauthorized, Denied, RegistryError, Cancelled.
    """
    there = _open(engine, reference, watch, cancel or Cancel())
    hashed: dict[str, Hashed] = {}
    sent: list[int] = []

    def one(index: int) -> None:
        found = scanned.files[index]
        if found.size >= _EARLY_BYTES and not is_known(engine, found):
            hashed[found.name], count = _send_early(there, found)
            sent.append(count)
            return
        file = hashed[found.name] = hash_file(engine, found, watch, there.cancel)
        blob = Descriptor("application/octet-stream", file.digest, file.stamp.size)
        try:
            sent.append(_send_file(there, found.name, blob, found.path))
        except (RegistryError, IntegrityError):
            check_unchanged(file)  # says what it was, when it was that
            raise
        check_unchanged(file)

    order = sorted(range(len(scanned.files)), key=lambda index: -scanned.files[index].size)
    _side_by_side(order, one, there.cancel)
    packed = pack([named(file) for file in hashed.values()], scanned.described)
    return _finish(there, reference, packed.manifest.config, packed.config, packed.data, sum(sent)), packed


def push_stored(
    engine: Engine, record: ModelRecord, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None
) -> Pushed:
    """A model of the store, byte for byte: it keeps its digest, whoever made it. Raises: as `push_files`."""
    there = _open(engine, reference, watch, cancel or Cancel())
    data = engine.blobs.read(record.id)
    manifest = Manifest.from_bytes(data)
    names = {file.layer.digest: file.name or file.layer.digest.short for file in files_of(manifest, reference.familiar)}
    layers = list({layer.digest: layer for layer in manifest.layers}.values())
    sent: list[int] = []

    def one(index: int) -> None:
        layer = layers[index]
        sent.append(_send_file(there, names[layer.digest], layer, engine.blobs.path(layer.digest)))

    _side_by_side(sorted(range(len(layers)), key=lambda index: -layers[index].size), one, there.cancel)
    config = engine.blobs.read(manifest.config.digest)
    return _finish(there, reference, manifest.config, config, data, sum(sent))


def _open(engine: Engine, reference: Reference, watch: TransferWatch, cancel: Cancel) -> _There:
    from wherry.store.known_blobs import Place

    if reference.digest:
        raise InputError("cannot push a digest reference", hint="push a tag: NAME:TAG")
    watch.note(f"The push refers to repository [{reference.registry}/{reference.repository}]")
    engine.leases.sweep()
    endpoint = engine.registries.hosts.for_push(reference)
    target = engine.registries.client.repository(endpoint, ("pull", "push"))
    return _There(target, Place(endpoint.host, endpoint.repository), engine, watch, cancel)


def _side_by_side(order: Sequence[int], work: Callable[[int], None], cancel: Cancel) -> None:
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

                raise explained(fault, "pushing a model") from fault
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


def _send_early(there: _There, found: Found) -> tuple[Hashed, int]:
    """A file that nobody hashed yet: hashed while it is sent. How many bytes went over the wire."""
    from wherry.engine.push_layers import open_file
    from wherry.registry.watch import Silent
    from wherry.store.known_blobs import KnownBlobs

    files: list[Hashed] = []

    def find() -> tuple[Digest, bool]:
        file = hash_file(there.engine, found, Silent(), there.cancel)
        files.append(file)
        return file.digest, _is_there(there, found.name, file.digest)

    there.watch.start(found.name, "Pushing", found.size)
    try:
        digest, was_sent = there.target.push_early(
            found.size, lambda offset: open_file(found.path, offset), find, cancel=there.cancel,
            progress=lambda done: there.watch.advance(found.name, done),
        )  # fmt: skip
    except (RegistryError, IntegrityError):
        for file in files:
            check_unchanged(file)
        raise
    check_unchanged(files[0])
    if was_sent:
        there.watch.finish(found.name, "Pushed")
    KnownBlobs(there.engine.db).add(there.place, [digest])
    return files[0], found.size if was_sent else 0


def _is_there(there: _There, name: str, digest: Digest) -> bool:
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


def _send_file(there: _There, name: str, blob: Descriptor, path: str) -> int:
    """How many bytes went over the wire."""
    from wherry.engine.push_layers import open_file
    from wherry.store.known_blobs import KnownBlobs

    known = KnownBlobs(there.engine.db)
    if _is_there(there, name, blob.digest):
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


def _finish(
    there: _There, reference: Reference, config: Descriptor, config_data: bytes, data: bytes, sent_bytes: int
) -> Pushed:
    """The manifest last: whoever pulls sees the whole model, or the one before."""
    from wherry.engine.push import send_bytes

    media_type = Manifest.from_bytes(data).media_type
    send_bytes(there.target, config, config_data, there.cancel)
    digest = there.target.put_manifest(reference.tag or "latest", data, media_type, cancel=there.cancel)
    there.watch.note(f"{reference.tag}: digest: {digest} size: {len(data)}")
    return Pushed(reference, digest, len(data), sent_bytes)
