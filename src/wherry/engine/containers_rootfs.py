"""A container's root: its image's layers under a folder of its own, as a detached overlay."""

from __future__ import annotations

import os

from wherry.host import Overlay
from wherry.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["open_overlay"]


def open_overlay(engine: Engine, row: ContainerRow) -> int:
    """A mount fd, the caller's to close. Raises: NotFound when the image is gone, HostError, OSError."""
    from wherry.oci.digest import Digest

    bundle = engine.containers.bundle(row.id)
    for folder in ("upper", "work", "rootfs"):
        os.makedirs(f"{bundle}/{folder}", mode=0o755, exist_ok=True)
    is_new = not os.listdir(f"{bundle}/upper")
    layers = engine.image_store.get(Digest(row.image_id)).layers
    lowers = tuple(engine.layers.path(diff_id) for diff_id in layers)
    if not lowers:
        # An image without layers (FROM scratch): overlayfs wants one all the same
        os.makedirs(f"{bundle}/empty", mode=0o755, exist_ok=True)
        lowers = (f"{bundle}/empty",)
    root = engine.host.overlay(Overlay(lowers, f"{bundle}/upper", f"{bundle}/work"))
    if is_new:
        _dress(root)
    return root


def _dress(root: int) -> None:
    """What docker puts beside the image's files: the mark by which programs know a container, and the mounts' table."""
    from wherry.fs.kernel import open_in_root

    # A program or an image may have made either into what it likes
    with suppress(OSError):
        os.close(os.open(".dockerenv", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755, dir_fd=root))
    with suppress(OSError):
        etc = open_in_root(root, "etc", os.O_PATH | os.O_DIRECTORY)
        try:
            os.symlink("/proc/mounts", "mtab", dir_fd=etc)
        finally:
            os.close(etc)
