"""--cache-to type=inline: the cache of an image, kept beside it and pushed as what refers to it.

BuildKit writes it into the image's configuration. Then an image with a cache is another than the same one without
(docs/adr/0171-an-inline-cache-refers-to-its-image.md).
"""

from __future__ import annotations

from wherry.build.travel_document import ARTIFACT, MEDIA_TYPE, CacheDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["keep"]


def keep(engine: Engine, image: ImageRecord, document: CacheDocument) -> str:
    """Attach it to the image, instead of an earlier one; `wherry push` sends it along. Says what it did.

    Raises: NotFound when the image is gone.
    """
    from wherry.engine.attach import attach
    from wherry.trust.referrer import Payload

    data = document.to_bytes()
    # Differs from docker: an inline cache refers to its image, which has the same id as without one
    attach(engine, image, Payload(ARTIFACT, MEDIA_TYPE, data, "wherry-cache.json"), replace=True)
    return f"attached the cache of {len(document.steps)} steps to {image.id.short}: push sends it along"
