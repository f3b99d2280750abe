"""pull: an image from a registry into the store. Layers arrive side by side and are unpacked while they arrive."""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.oci.digest import Digest
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch
    from wherry.store.images import ImageRecord

__all__ = ["PullRequest", "Pulled", "pull"]


class PullRequest(NamedTuple):
    """`reference` with a digest is pulled by it, whatever its tag says. `platform` None is this machine's."""

    reference: Reference
    platform: Platform | None = None


class Pulled(NamedTuple):
    """`digest` is what the registry calls it: the index's when it was an index. `reference` is the name it got here.

    `is_new` False: the name stood for this very image before.
    """

    image: ImageRecord
    reference: Reference
    digest: Digest
    is_new: bool


def pull(engine: Engine, request: PullRequest, watch: TransferWatch, cancel: Cancel | None = None) -> Pulled:
    """Fetch what is not here yet, check all of it, then give it its names. On failure nothing of it is visible.

    Raises: NotFound (name, tag, or no manifest for the platform: the hint lists them), Unauthorized, Unreachable,
    RegistryError, IntegrityError, InvalidSpec, HostileArchive, Unsupported (an artifact, schema 1), DiskFull,
    Cancelled.
    """
    raise Unsupported("pull is being built")
