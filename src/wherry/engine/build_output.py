"""Where a build's result goes besides the store: a folder, a tar, an archive."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.image.tar.pack import Write
    from wherry.oci.reference import Reference
    from wherry.store.images import ImageRecord

__all__ = ["drop", "known", "to_archive", "to_folder", "to_layout", "to_tar"]


def known(engine: Engine) -> set[str]:
    """The ids of all images: asked before a build whose image is not to stay."""
    return {str(image.id) for image in engine.image_store.list()}


def drop(engine: Engine, image: ImageRecord, before: set[str]) -> None:
    """Forget an image that was only built to be put elsewhere; its layers stay in the build's cache."""
    if str(image.id) not in before and not engine.image_store.get(image.id).references:
        engine.images.remove(str(image.id))


def to_folder(engine: Engine, image: ImageRecord, dest: str, cancel: Cancel | None = None) -> None:
    """The image's files into a folder, made when missing; they belong to the caller. What is there and not in the image
    stays. Raises: Conflict, OSError.
    """
    from wherry.engine.tar_pipe import live_packer, pump
    from wherry.image.tar.unpack import extract

    os.makedirs(dest, exist_ok=True)
    into = os.open(dest, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    owner = (os.geteuid(), os.getegid())

    def produce(write: Write) -> int:
        packer = live_packer(write, cancel)
        packer.tree(root)
        return packer.close()

    try:
        with _tree(engine, image) as root:
            # As `cp` out of a container: nothing of the image's may be a set-id program of this machine's
            pump(produce, lambda stream: extract(
                stream, into, "", owner=owner, keep_folders=True, harmless=True, cancel=cancel))  # fmt: skip
    finally:
        os.close(into)


def to_tar(engine: Engine, image: ImageRecord, write: Write, cancel: Cancel | None = None) -> None:
    """The image's files as one tar given to `write`."""
    from wherry.engine.tar_pipe import live_packer

    with _tree(engine, image) as root:
        packer = live_packer(write, cancel)
        packer.tree(root)
        packer.close()


def to_archive(engine: Engine, image: ImageRecord, names: Sequence[Reference], write: Write) -> None:
    """One tar that is docker's archive and an OCI layout, as `save` writes it."""
    from wherry.store.save import Saved, Saver

    with engine.leases.hold("save a build") as lease:
        lease.add_layer(*image.layers)
        lease.add_blob(image.id, image.manifest)
        saver = Saver(engine.image_store, engine.layers, engine.blobs)
        saver.save([Saved(image, tuple(map(str, names)))], write)


def to_layout(
    engine: Engine, image: ImageRecord, names: Sequence[Reference], dest: str, cancel: Cancel | None = None
) -> None:
    """An OCI layout as a folder, layers compressed; the image joins those that are in it."""
    from wherry.engine.copy_image import CopyRequest, copy_image
    from wherry.registry.media.location import Location
    from wherry.registry.watch import Silent

    for name in [one.familiar for one in names] or [""]:
        target = Location("oci", dest, name)
        copy_image(engine, CopyRequest(Location("local", name=str(image.id)), target), Silent(), cancel)


@contextmanager
def _tree(engine: Engine, image: ImageRecord) -> Iterator[int]:
    from wherry.host import Overlay

    lowers = tuple(engine.layers.path(diff_id) for diff_id in image.layers)
    with engine.leases.hold("read a build") as lease, engine.scratch.folder("empty") as empty:
        lease.add_layer(*image.layers)
        fd = engine.host.overlay(Overlay(lowers or (empty,)))
        try:
            yield fd
        finally:
            os.close(fd)
