"""The image verbs."""

from __future__ import annotations

from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import Digest
    from wherry.store.images import ImageRecord

__all__ = ["Images"]


class Images:
    """`engine.images`. What only the store does is in `engine.image_store`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.image_store

    def resolve(self, text: str) -> ImageRecord:
        """By name, id or prefix of an id. Raises: NotFound (naming the nearest), Conflict, InvalidReference."""
        return self._store.resolve(text)

    def config(self, image_id: Digest) -> ImageConfig:
        """Raises: NotFound."""
        return self._store.config(image_id)

    def list(self) -> list[ImageRecord]:
        """All images, the newest first."""
        return self._store.list()

    def tag(self, source: str, target: str) -> None:
        """Raises: NotFound, InvalidReference."""
        self._store.tag(self.resolve(source).id, Reference.parse(target))
