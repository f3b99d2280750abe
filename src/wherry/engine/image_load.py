"""load, save and import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from wherry.errors import InputError, NotFound
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.store.images import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.image.tar.unpack import Reader
    from wherry.store.images import ImageRecord
    from wherry.store.load import IndexPlan
    from wherry.store.save import Saved

__all__ = ["ImportRequest", "Loaded", "import_", "load", "load_all_platforms", "save"]


class Loaded(NamedTuple):
    """An image that came in, and the names it came with as docker prints them."""

    image: ImageRecord
    names: tuple[str, ...]


class ImportRequest(NamedTuple):
    """`source` is a path or an fd; `origin` how history names it; `changes` are Dockerfile lines."""

    source: str | int
    origin: str = "-"
    reference: Reference | None = None
    changes: tuple[str, ...] = ()
    message: str = ""
    platform: Platform | None = None
    created_ns: int = 0


def load(
    engine: Engine,
    source: str | int,
    platform: Platform | None,
    progress: Callable[[str, int, int], None],
    cancel: Cancel | None,
) -> list[Loaded]:
    """Every image of the archive for one platform (None: this machine's)."""
    from wherry.store.load import plan_load
    from wherry.store.loader import Loader
    from wherry.store.source import open_source

    engine.leases.sweep()
    engine.scratch.sweep()
    loader = Loader(engine.image_store, engine.layers, engine.blobs, engine.leases, engine.settings.jobs, progress)
    archive = open_source(source, engine.scratch)
    try:
        found = []
        for plan in plan_load(archive, platform or here()):
            image = loader.load(archive, plan, cancel)
            engine.events.image("load", image.id)
            found.append(Loaded(image, tuple(one.familiar for one in plan.references)))
        return found
    finally:
        archive.close()


def load_all_platforms(
    engine: Engine, source: str | int, progress: Callable[[str, int, int], None], cancel: Cancel | None
) -> list[Loaded]:
    """Every platform of every named image of the archive, with the index: what `push --all-platforms` sends.

    Each image gets the name NAME@DIGEST; the one for this machine (or else the first) the tag too.
    """
    from wherry.store.load import plan_indexes
    from wherry.store.loader import Loader
    from wherry.store.source import open_source

    engine.leases.sweep()
    engine.scratch.sweep()
    loader = Loader(engine.image_store, engine.layers, engine.blobs, engine.leases, engine.settings.jobs, progress)
    archive = open_source(source, engine.scratch)
    found = []
    try:
        for index in plan_indexes(archive):
            ours = _ours(index)
            with engine.leases.hold("load an index") as lease:
                lease.add_blob(*(one.digest for one in index.others))
                loader.keep(archive, index.others)
                for position, (digest, plan) in enumerate(index.images):
                    name = index.reference._replace(tag="", digest=digest)
                    names = (index.reference, name) if position == ours else (name,)
                    image = loader.load(archive, plan._replace(references=names), cancel)
                    engine.events.image("load", image.id)
                    found.append(Loaded(image, (names[0].familiar,)))
                _keep_index(engine, index)
        return found
    finally:
        archive.close()


def _ours(index: IndexPlan) -> int:
    """The position of the image that this machine runs best; the first when it runs none."""
    from wherry.oci.config import ImageConfig
    from wherry.registry.select import rank

    ranks = [rank(ImageConfig.from_bytes(plan.config).platform, here()) for _, plan in index.images]
    fitting = [(one, position) for position, one in enumerate(ranks) if one is not None]
    return min(fitting)[1] if fitting else 0


def _keep_index(engine: Engine, index: IndexPlan) -> None:
    name = str(index.reference)
    with engine.db.write() as conn:
        conn.execute("DELETE FROM image_index WHERE name = ?", (name,))
        conn.execute("INSERT INTO image_index (name, digest) VALUES (?, ?)", (name, index.digest))
        rows = [(name, one.digest) for one in index.others]
        conn.executemany("INSERT OR IGNORE INTO index_blob (name, digest) VALUES (?, ?)", rows)


def here() -> Platform:
    """This machine's platform."""
    return Platform.of("linux", os.uname().machine)


def save(
    engine: Engine,
    names: Sequence[str],
    write: Callable[[bytes | bytearray | memoryview], object],
    platform: Platform | None = None,
) -> None:
    """A name brings its image under that name; an id or a bare repository under all its names."""
    from wherry.store.save import Saver

    with engine.leases.hold("save images") as lease:
        saved = _selected(engine, names, platform)
        for one in saved:
            lease.add_layer(*one.image.layers)
            manifest = engine.image_store.manifest(one.image)
            lease.add_blob(one.image.id, one.image.manifest, *(layer.digest for layer in manifest.layers))
            engine.image_store.get(one.image.id)  # leased, and still there
        Saver(engine.image_store, engine.layers, engine.blobs).save(saved, write)
    for one in saved:
        engine.events.image("save", one.image.id)


def _selected(engine: Engine, names: Sequence[str], platform: Platform | None) -> list[Saved]:
    from wherry.store.removal import is_id_prefix
    from wherry.store.save import Saved

    found: dict[str, Saved] = {}
    for text in names:
        image = engine.images.resolve(text)
        if platform:
            image = _for_platform(engine, image, text, platform)
        # Differs from docker: an id brings no names there either, but a name without tag means "latest", not all tags
        wanted = () if is_id_prefix(image, text) else (str(Reference.parse(text)),)
        before = found[image.id].names if image.id in found else ()
        found[image.id] = Saved(image, tuple(dict.fromkeys((*before, *wanted))))
    return list(found.values())


def _for_platform(engine: Engine, image: ImageRecord, text: str, platform: Platform) -> ImageRecord:
    """`image`, or the one that came beside it with `load --all-platforms`. Raises: NotFound."""
    from wherry.registry.select import rank
    from wherry.store.removal import is_id_prefix

    candidates = [image]
    if not is_id_prefix(image, text):
        candidates += _beside(engine, image, Reference.parse(text))
    platforms = [engine.images.config(one.id).platform for one in candidates]
    ranks = [(found, i) for i, one in enumerate(platforms) if (found := rank(one, platform)) is not None]
    if not ranks:
        raise NotFound(
            f"image with reference {text} was found but does not match the specified platform: "
            f"wanted {platform}, actual: {platforms[0]}"
        )
    return candidates[min(ranks)[1]]


def _beside(engine: Engine, image: ImageRecord, name: Reference) -> list[ImageRecord]:
    """The images of the index that `name` was loaded as, when it still is `image`'s."""
    from wherry.engine.push_index import manifests_of

    row = engine.db.read().execute("SELECT digest FROM image_index WHERE name = ?", (str(name),)).fetchone()
    members = manifests_of(engine, Digest(row[0])) if row else set()
    if image.manifest not in members:
        return []
    return [one for one in engine.image_store.list() if one.manifest in members]


def import_(engine: Engine, request: ImportRequest) -> ImageRecord:
    """The layer is packed anew from its tree, so that its DiffID depends on the tree alone."""
    from wherry.engine.image_changes import changed
    from wherry.image.tar import compress, pack, unpack
    from wherry.oci.config import History, ImageConfig

    config = changed(ImageConfig(request.platform or here()), request.changes)  # a wrong change is said before the work
    engine.scratch.sweep()
    with engine.leases.hold("import an image") as lease, engine.layers.workdir() as folder:
        os.mkdir(f"{folder}/fs", 0o755)
        with _opened(request.source) as raw:
            unpack.unpack(compress.reader(raw), f"{folder}/fs", owners=engine.settings.uid == 0)
        diff_id, size = pack.diff_id(f"{folder}/fs")
        engine.layers.commit(folder, diff_id, size, lease)
        comment = request.message or f"Imported from {request.origin}"
        moment = rfc3339(request.created_ns)
        config = config._replace(
            diff_ids=(diff_id,), created=moment, history=(History(created=moment, comment=comment),)
        )
        image = engine.image_store.create(config, [request.reference] if request.reference else [])
    if request.reference:
        engine.events.image("tag", image.id, request.reference.familiar)
    engine.events.image("import", image.id)
    return image


@contextmanager
def _opened(source: str | int) -> Iterator[Reader]:
    fd = os.dup(source) if isinstance(source, int) else _open(source)
    with open(fd, "rb", buffering=1 << 20) as file:
        yield file


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise InputError(f"cannot open {path}: {fault.strerror}") from None
