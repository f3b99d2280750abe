"""push of models: files as they are, straight from where they lie."""

from __future__ import annotations

from wherry.cancel import Cancel
from wherry.engine.artifact_push import finish, is_there, open_there, send_file, side_by_side
from wherry.engine.models_pack import Hashed, check_unchanged, hash_file, is_known, named
from wherry.errors import IntegrityError, RegistryError
from wherry.models.pack import files_of, pack
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.artifact_push import Pushed, There
    from wherry.engine.models import ModelRecord
    from wherry.engine.models_scan import Found, Scanned
    from wherry.models.pack import Packed
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch

__all__ = ["push_files", "push_stored"]

_EARLY_BYTES = 8 << 20


def push_files(
    engine: Engine, scanned: Scanned, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None
) -> tuple[Pushed, Packed]:
    """A user's files, straight from where they lie: nothing is copied. Each is hashed, then sent, several side by side.

    Raises: Conflict (a file changed meanwhile), Unauthorized, Denied, RegistryError, Cancelled.
    """
    there = open_there(engine, reference, watch, cancel or Cancel())
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
            sent.append(send_file(there, found.name, blob, found.path))
        except (RegistryError, IntegrityError):
            check_unchanged(file)  # says what it was, when it was that
            raise
        check_unchanged(file)

    order = sorted(range(len(scanned.files)), key=lambda index: -scanned.files[index].size)
    side_by_side(order, one, there.cancel)
    packed = pack([named(file) for file in hashed.values()], scanned.described)
    return finish(there, reference, packed.manifest.config, packed.config, packed.data, sum(sent)), packed


def push_stored(
    engine: Engine, record: ModelRecord, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None
) -> Pushed:
    """A model of the store, byte for byte: it keeps its digest, whoever made it. Raises: as `push_files`."""
    there = open_there(engine, reference, watch, cancel or Cancel())
    data = engine.blobs.read(record.id)
    manifest = Manifest.from_bytes(data)
    names = {file.layer.digest: file.name or file.layer.digest.short for file in files_of(manifest, reference.familiar)}
    layers = list({layer.digest: layer for layer in manifest.layers}.values())
    sent: list[int] = []

    def one(index: int) -> None:
        layer = layers[index]
        sent.append(send_file(there, names[layer.digest], layer, engine.blobs.path(layer.digest)))

    side_by_side(sorted(range(len(layers)), key=lambda index: -layers[index].size), one, there.cancel)
    config = engine.blobs.read(manifest.config.digest)
    return finish(there, reference, manifest.config, config, data, sum(sent))


def _send_early(there: There, found: Found) -> tuple[Hashed, int]:
    """A file that nobody hashed yet: hashed while it is sent. How many bytes went over the wire."""
    from wherry.engine.push_layers import open_file
    from wherry.registry.watch import Silent
    from wherry.store.known_blobs import KnownBlobs

    files: list[Hashed] = []

    def find() -> tuple[Digest, bool]:
        file = hash_file(there.engine, found, Silent(), there.cancel)
        files.append(file)
        return file.digest, is_there(there, found.name, file.digest)

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
