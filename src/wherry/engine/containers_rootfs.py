"""A container's root: its image's layers under a folder of its own, as a detached overlay."""

from __future__ import annotations

import os

from wherry.host import Overlay

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
    layers = engine.image_store.get(Digest(row.image_id)).layers
    lowers = tuple(engine.layers.path(diff_id) for diff_id in layers)
    if not lowers:
        # An image without layers (FROM scratch): overlayfs wants one all the same
        os.makedirs(f"{bundle}/empty", mode=0o755, exist_ok=True)
        lowers = (f"{bundle}/empty",)
    return engine.host.overlay(Overlay(lowers, f"{bundle}/upper", f"{bundle}/work"))
