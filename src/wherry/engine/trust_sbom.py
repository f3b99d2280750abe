"""The SBOM of a local image, from its layer folders."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.trust.inside import Inside
from wherry.trust.packages import inventory, wanted
from wherry.trust.sbom import FORMATS, Subject, payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.store.images import ImageRecord
    from wherry.trust.referrer import Payload

__all__ = ["formats", "sbom"]


def formats(text: str) -> tuple[str, ...]:
    """Of a flag's value: "spdx", "cyclonedx", "both". Raises: InputError."""
    found = {"both": FORMATS, **{one: (one,) for one in FORMATS}}.get(text)
    if found is None:
        raise InputError(f"unknown SBOM format {text[:40]!r}", hint="spdx, cyclonedx or both")
    return found


def sbom(engine: Engine, image: ImageRecord, kinds: Sequence[str]) -> list[Payload]:
    """One payload for each of `kinds`, ready to be printed or attached.

    Raises: HostError (the extra `sbom` is not installed), OSError (the layers are another user's).
    """
    folders = [engine.layers.path(diff_id) for diff_id in image.layers]
    with Inside(folders, wanted) as inside:
        distribution, packages = inventory(inside)
    subject = Subject(image.id, image.tags[0] if image.tags else "", max(0, image.created_ns))
    return [payload(kind, subject, distribution, packages) for kind in kinds]
