"""`wherry runs push`: a run to a registry, as an artifact that refers to the image that it ran in."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.engine.artifact_push import finish, open_there, send_file, side_by_side
from wherry.engine.runs import Artifact, open_artifact
from wherry.errors import Conflict, InputError, IntegrityError, InvalidSpec, NotFound, RegistryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.reference import DEFAULT_REGISTRY, Reference
from wherry.runs.artifact import METRICS, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.artifact_push import Pushed, There
    from wherry.registry.watch import TransferWatch
    from wherry.runs.artifact import Packed
    from wherry.track.record import Record

__all__ = ["Sent", "push", "repository_of"]


class Sent(NamedTuple):
    """`subject` is the image's manifest that the run refers to now; None when that is not in the repository."""

    pushed: Pushed
    subject: Descriptor | None


def repository_of(engine: Engine, run: Record) -> Reference:
    """Where the run's image was pushed to: a run without a name of its own goes there.

    Raises: InputError when that is not known.
    """
    for found in _images(engine, run.document):
        return found._replace(digest=None)
    name, image = run.document["name"], run.document.get("image", {}).get("name", "")
    first = f"push its image first (wherry push {image}), or " if image else ""
    raise InputError(
        f"it is not known which registry has the image of run {name}",
        hint=f"{first}name a place: wherry runs push {name} HOST/REPOSITORY",
    )


def push(engine: Engine, run: Record, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None) -> Sent:
    """`reference` without a tag: found by its digest, and by who asks for what refers to the image.

    Raises: Conflict (it goes on), NotFound (a file of it is gone), IntegrityError (or changed), RegistryError,
    Cancelled.
    """
    document = run.document
    if document["status"] == "running":
        raise Conflict(f"run {document['name']} goes on", hint="push it when it is over")
    there = open_there(engine, reference, watch, cancel or Cancel())
    subject = _subject(engine, document, reference, there)
    if subject is None and not reference.tag:
        raise InputError(
            f"run {document['name']} has no image in {reference.familiar}, so nobody would find it there",
            hint="name a tag for it, or push the image first",
        )
    with engine.scratch.folder("run") as scratch:
        from wherry.engine.runs_points import write_points

        path = f"{scratch}/points"
        points = write_points(run.folder, path, there.cancel)
        layer = Descriptor(METRICS, points.digest, points.size) if points.size else None
        packed = pack(document, layer, subject)
        count = _send(there, run, packed, path)
    pushed = finish(there, reference, packed.manifest.config, packed.config, packed.data, count)
    return Sent(pushed, subject)


def _send(there: There, run: Record, packed: Packed, points_path: str) -> int:
    """All layers, each digest once, the largest first; how many bytes went over the wire."""
    from wherry.engine.push import send_bytes

    if packed.is_empty:
        send_bytes(there.target, packed.manifest.layers[0], b"{}", there.cancel)
        return 0
    layers = list({one.digest: one for one in packed.manifest.layers}.values())
    layers.sort(key=lambda one: -one.size)
    sent: list[int] = []

    def one(index: int) -> None:
        layer = layers[index]
        if layer.media_type == METRICS:
            sent.append(send_file(there, "metrics", layer, points_path))
            return
        name = layer.annotations["org.opencontainers.image.title"]
        with open_artifact(run, Artifact(name, str(layer.digest), layer.size, "")) as file:
            # The very file that was looked at, whatever its name leads to by now
            path = f"/proc/self/fd/{file.fileno()}"
            try:
                sent.append(send_file(there, name, layer, path))
            except (RegistryError, IntegrityError):
                _check(path, name, layer)  # says what it was, when it was that
                raise

    side_by_side(range(len(layers)), one, there.cancel)
    return sum(sent)


def _check(path: str, name: str, layer: Descriptor) -> None:
    import hashlib

    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != layer.digest.hex:
        raise IntegrityError(f"artifact {name} was changed after the run kept it", expected=str(layer.digest),
                             actual=f"sha256:{found}")  # fmt: skip


def _subject(engine: Engine, document: Mapping[str, Any], reference: Reference, there: There) -> Descriptor | None:
    """The image's manifest in this repository."""
    wanted = (reference.registry, reference.repository)
    digests = [one.digest for one in _images(engine, document) if (one.registry, one.repository) == wanted]
    with suppress(InvalidSpec):
        # Under another name in the registry where it ran, or pushed here by somebody else: the digest decides
        digests.append(Digest.parse(str(document.get("image", {}).get("digest", ""))))
    for digest in dict.fromkeys(one for one in digests if one):
        if (found := there.target.head_manifest(str(digest), cancel=there.cancel)) is not None:
            return found
    return None


def _images(engine: Engine, document: Mapping[str, Any]) -> Iterator[Reference]:
    """Names with a digest under which registries have the run's image: the one that it ran under first.

    Of an image that is not here any more, what the run noted, unless that may have been a name of this machine alone.
    """
    from wherry.errors import InvalidReference

    image = document.get("image", {})
    try:
        record = engine.image_store.resolve(str(image["id"])) if image.get("id") else None
    except (NotFound, Conflict, InvalidReference):
        record = None
    try:
        noted = Reference.parse(str(image.get("name", "")))
    except InvalidReference:
        noted = None
    if record:
        known = [Reference.known(name) for name in record.references if "@" in name]
        yield from sorted(known, key=lambda one: noted is None or one.familiar_name != noted.familiar_name)
    elif noted and image.get("digest") and noted.registry != DEFAULT_REGISTRY:
        with suppress(InvalidSpec):
            yield noted._replace(tag="", digest=Digest.parse(str(image["digest"])))
