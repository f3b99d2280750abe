"""push: an image of the store to a registry, sending only what the registry does not have.

What a layer is sent as is chosen in `push_forms`; the manifest that says so is made in `push_manifest`.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.oci.digest import Digest
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch

__all__ = ["PushRequest", "Pushed", "push"]


class PushRequest(NamedTuple):
    """`reference` names the image here and where it goes. `compression` is "gzip", "zstd", "none", or "" for the
    image's own way: what is known of its layers first, then zstd when its base has it, else gzip.
    """

    reference: Reference
    compression: str = ""
    all_platforms: bool = False


class Pushed(NamedTuple):
    """What `reference` means at the registry now: the manifest's (or index's) digest and its size in bytes."""

    reference: Reference
    digest: Digest
    size: int


def push(engine: Engine, request: PushRequest, watch: TransferWatch, cancel: Cancel | None = None) -> Pushed:
    """Send what is missing there, then the manifest. Afterwards the image is known here by name@digest too.

    Raises: NotFound (no such image here), Unauthorized, RegistryError, IntegrityError, Cancelled, DiskFull.
    """
    raise Unsupported("push is being built")
