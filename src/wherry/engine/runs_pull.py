"""`wherry runs pull`: a run out of a registry, into the folder of runs.

A run on its way is RUNS/.partial/ID: what arrived before a kill -9 is not fetched again, and the folder gets its name
when all is there. A lock, which the kernel frees with its holder, keeps two pulls of one run apart.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from wherry.cancel import Cancel
from wherry.errors import Conflict, IntegrityError, InvalidSpec, NotFound, Unsupported
from wherry.oci import mediatype
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.runs.artifact import check, unpack
from wherry.runs.document import encode
from wherry.track.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.pull_source import Sources
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch
    from wherry.runs.artifact import Run

__all__ = ["Pulled", "of_image", "partial_bytes", "pull"]

_LARGEST_CONFIG = 64 << 20
_DOWNLOADS = 3


class Pulled(NamedTuple):
    """`is_new` is false when the run was here already. `digest` is the manifest's."""

    run: Record
    digest: Digest
    is_new: bool


def of_image(engine: Engine, name: str) -> Sequence[Digest]:
    """The runs that refer to an image in its registry, to its platforms too. Raises: NotFound, RegistryError."""
    from wherry.engine import image_tree, trust_remote
    from wherry.runs.artifact import ARTIFACT

    nodes = [node for _, node in image_tree.lines(image_tree.remote_tree(trust_remote.Registries(engine), name))]
    return list(dict.fromkeys(Digest(str(one.digest)) for one in nodes if one.name == ARTIFACT and one.digest))


class _Pull(NamedTuple):
    """What all steps of one pull need. `folder` is where it is put together."""

    engine: Engine
    origin: Sources
    folder: str
    watch: TransferWatch
    cancel: Cancel


def pull(
    engine: Engine, reference: Reference, watch: TransferWatch, cancel: Cancel | None = None, *, force: bool = False
) -> Pulled:
    """`force` writes over a run of the same id that differs.

    Raises: InputError (it is an image, or something else), Unsupported (an index), InvalidSpec, IntegrityError,
    Conflict (another run of this id is here), and what a registry says.
    """
    from wherry.engine.pull_source import sources

    stop = cancel or Cancel()
    what = reference.familiar
    origin = sources(engine.registries, reference)
    watch.note(f"{reference.digest or reference.tag}: Pulling from {reference.repository}")
    found = origin.manifest(str(reference.digest or reference.tag), stop)
    if found.media_type in mediatype.INDEXES:
        raise Unsupported(f"{what} is an index, not a training run", hint=f"an image? wherry pull {what}")
    manifest = Manifest.from_bytes(found.data)
    check(manifest, what)
    run = unpack(manifest, origin.small_blob(manifest.config, _LARGEST_CONFIG, "the run document", stop), what)
    if (known := _known(engine, run, force=force)) is not None:
        return Pulled(known, found.digest, is_new=False)
    return Pulled(_fetch(engine, origin, run, watch, stop, force=force), found.digest, is_new=True)


def _known(engine: Engine, run: Run, *, force: bool) -> Record | None:
    """The same run, when it is here. Raises: Conflict."""
    id = run.document["id"]
    known = next((one for one in engine.runs.list() if one.id == id), None)
    if known is None or _same(known.document) == _same(run.document):
        return known
    name = known.document["name"]
    if not force:
        raise Conflict(f"run {name} ({id[:12]}) is here, and differs from the one in the registry",
                       hint=f"--force takes the registry's; wherry runs show {id[:12]} shows this one")  # fmt: skip
    if known.document["status"] == "running":
        raise Conflict(f"run {name} ({id[:12]}) goes on", hint="pull it when it is over")
    return None


def _fetch(engine: Engine, origin: Sources, run: Run, watch: TransferWatch, cancel: Cancel, *, force: bool) -> Record:
    from wherry.engine.push import explained
    from wherry.fs.lock import temporary_lock
    from wherry.fs.remove import remove_tree

    id = run.document["id"]
    home = f"{engine.runs.home}/.partial"
    try:
        os.makedirs(engine.runs.home, 0o700, exist_ok=True)
        os.makedirs(home, 0o700, exist_ok=True)
        with temporary_lock(f"{home}/{id}.lock"):
            # Another pull may have brought it while this one waited
            known = _known(engine, run, force=force)
            if known is None:
                try:
                    _assemble(_Pull(engine, origin, f"{home}/{id}", watch, cancel), run)
                except InvalidSpec:
                    remove_tree(f"{home}/{id}")  # a next try would find the same
                    raise
                _put(engine, f"{home}/{id}", id)
                known = Record(f"{engine.runs.home}/{id}")
            with suppress(FileNotFoundError):
                os.unlink(f"{home}/{id}.lock")
    except OSError as fault:
        raise explained(fault, f"pulling run {run.document['name']}") from fault
    # .partial stays: another pull may be about to make its lock there
    return known


def _same(document: Mapping[str, Any]) -> bytes:
    """What was made of a run afterwards is each machine's own."""
    return encode({key: value for key, value in document.items() if key != "promoted"})


def _put(engine: Engine, folder: str, id: str) -> None:
    """Under its own name, in one step; what had it is the run that `force` is about."""
    from wherry.fs.atomic import fsync_dir
    from wherry.fs.remove import remove_tree

    known = next((one.folder for one in engine.runs.list() if one.id == id), "")
    if known:
        remove_tree(known)
    os.rename(folder, f"{engine.runs.home}/{id}")
    fsync_dir(engine.runs.home)


def _assemble(to: _Pull, run: Run) -> None:
    from wherry.fs.remove import remove_tree
    from wherry.runs.document import split
    from wherry.track import folder as folders

    blobs = f"{to.folder}/artifacts/sha256"
    os.makedirs(blobs, exist_ok=True)
    wanted = {layer.digest: (name, layer) for name, layer in run.files}
    _side_by_side(to, [*wanted.values(), *([("metrics", run.points)] if run.points else [])])
    for name in set(os.listdir(blobs)) - {digest.hex for digest in wanted}:
        if not run.points or name != run.points.digest.hex:
            os.unlink(f"{blobs}/{name}")  # of an earlier state of this run, or broken off
    remove_tree(f"{to.folder}/metrics")
    os.mkdir(f"{to.folder}/metrics")
    if run.points:
        _points(to, f"{blobs}/{run.points.digest.hex}", is_kept=run.points.digest in wanted)
    for name in ("events.jsonl", "end.json", "run.json"):
        with suppress(FileNotFoundError):
            os.unlink(f"{to.folder}/{name}")
    parts = split(run.document)
    for event in parts.events:
        folders.append(to.folder, event)
    os.close(folders.hold(to.folder))
    folders.save(f"{to.folder}/end.json", parts.end)
    folders.save(f"{to.folder}/run.json", parts.start)


def _points(to: _Pull, path: str, *, is_kept: bool) -> None:
    from wherry.engine.runs_points import read_points

    with open(path, "rb") as file:
        read_points(file, to.folder, to.cancel)
    if not is_kept:
        os.unlink(path)


def _side_by_side(to: _Pull, blobs: list[tuple[str, Descriptor]]) -> None:
    """The largest first. The first failure stops the others and is raised."""
    from concurrent.futures import ThreadPoolExecutor

    from wherry.engine.push_layers import first_failure

    def one(blob: tuple[str, Descriptor]) -> None:
        try:
            _blob(to, *blob)
        except BaseException:
            to.cancel.set("another file failed")
            raise

    with ThreadPoolExecutor(_DOWNLOADS, "pull") as pool:
        futures = [pool.submit(one, blob) for blob in sorted(blobs, key=lambda blob: -blob[1].size)]
        try:
            faults = [fault for future in futures if (fault := future.exception())]
        except BaseException:
            to.cancel.set("the pull was stopped")
            raise
    if fault := first_failure(faults):
        raise fault


def _blob(to: _Pull, name: str, layer: Descriptor) -> None:
    """Have `layer` in the folder, from this machine when another run or the store has it."""
    from wherry.engine.models_fetch import fetch_to

    path = f"{to.folder}/artifacts/sha256/{layer.digest.hex}"
    if os.path.exists(path) or _is_copied(to, layer, path):
        to.watch.finish(name, "Already exists")
        return
    to.watch.start(name, "Downloading", layer.size)
    part = f"{to.folder}/artifacts/sha256/.{layer.digest.hex}.part"
    to.origin.each(lambda source: fetch_to(part, layer, name, to.watch, to.cancel, source))
    _keep(part, path)
    to.watch.finish(name, "Pull complete")


def _keep(part: str, path: str) -> None:
    fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(fd, 0o444)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(part, path)


def _is_copied(to: _Pull, layer: Descriptor, path: str) -> bool:
    """A copy that is what its digest says; one that was damaged is fetched instead."""
    import hashlib

    from wherry.fs.clone import clone_or_copy

    part = f"{path}.copy"
    for source in _elsewhere(to, layer.digest):
        with suppress(OSError, IntegrityError, NotFound), source as file, open(part, "w+b") as copy:
            if os.fstat(file.fileno()).st_size != layer.size:
                continue
            clone_or_copy(file.fileno(), copy.fileno(), lambda _: to.cancel.check())
            copy.seek(0)
            if hashlib.file_digest(copy, "sha256").hexdigest() == layer.digest.hex:
                _keep(part, path)
                return True
    with suppress(FileNotFoundError):
        os.unlink(part)
    return False


def _elsewhere(to: _Pull, digest: Digest) -> Iterator[BinaryIO]:
    """Open files, which the caller closes."""
    from wherry.track.folder import open_inside

    if to.engine.blobs.has(digest):
        with suppress(OSError):
            yield open(to.engine.blobs.path(digest), "rb")  # noqa: SIM115
    for run in to.engine.runs.list():
        with suppress(OSError):
            fd = open_inside(run.folder, f"artifacts/sha256/{digest.hex}", os.O_RDONLY)
            yield open(fd, "rb")  # noqa: SIM115


def partial_bytes(engine: Engine) -> int:
    """What broken pulls left."""
    from wherry.fs.tree import disk_usage

    try:
        with os.scandir(f"{engine.runs.home}/.partial") as entries:
            return sum(disk_usage(one.path) for one in entries if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return 0
