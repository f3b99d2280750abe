"""The image verbs of the Python API. What costs imports stands in `engine/image_*.py`, loaded when it is used."""

from __future__ import annotations

from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.filters import Filter
    from wherry.engine.image_list import HistoryRow
    from wherry.engine.image_load import ImportRequest, Loaded
    from wherry.engine.image_prune import Pruned
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import Digest
    from wherry.oci.platform import Platform
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

    def list(self, filters: Sequence[Filter] = ()) -> Sequence[ImageRecord]:
        """The newest first. A `reference` filter also drops the names that do not match. Raises: InputError."""
        records = self._store.list()
        if not filters:
            return records
        from wherry.engine import image_list

        return image_list.filtered(self._engine, records, filters)

    def tag(self, source: str, target: str) -> None:
        """Raises: NotFound, InvalidReference."""
        reference = Reference.parse(target)
        if reference.digest:
            from wherry.errors import InvalidReference

            raise InvalidReference("refusing to create a tag with a digest reference")
        image = self.resolve(source)
        self._store.tag(image.id, reference)
        self._engine.events.image("tag", image.id, reference.familiar)

    def remove(self, text: str, *, force: bool = False) -> Sequence[str]:
        """docker's lines of what was untagged and deleted. Raises: NotFound, Conflict (a container uses it, ...)."""
        from wherry.engine import image_prune

        return image_prune.remove(self._engine, text, force=force)

    def prune(self, *, everything: bool = False, filters: Sequence[Filter] = ()) -> Pruned:
        """Remove images without a name (`everything`: without a container). Raises: InputError."""
        from wherry.engine import image_prune

        return image_prune.prune(self._engine, everything=everything, filters=filters)

    def history(self, text: str, *, whole: bool = False) -> Sequence[HistoryRow]:
        """The newest step first; `whole`: comments name all packages of a layer. Raises: NotFound."""
        from wherry.engine import image_list

        return image_list.history(self._engine, self.resolve(text), whole=whole)

    def inspect(self, text: str) -> dict[str, Any]:
        """docker's JSON of an image (API 1.45), keys in its order. Raises: NotFound."""
        from wherry.engine import image_inspect

        return image_inspect.inspect(self._engine, self.resolve(text))

    def load(
        self,
        source: str | int,
        *,
        platform: Platform | None = None,
        progress: Callable[[str, int, int], None] = lambda *_: None,
        cancel: Cancel | None = None,
    ) -> Sequence[Loaded]:
        """Images of an archive: a path (file or folder) or an fd. `progress(layer, done_bytes, total_bytes)`.

        Raises: InputError, InvalidSpec, HostileArchive, IntegrityError, Unsupported, Cancelled, OSError.
        """
        from wherry.engine import image_load

        return image_load.load(self._engine, source, platform, progress, cancel)

    def load_all_platforms(
        self,
        source: str | int,
        *,
        progress: Callable[[str, int, int], None] = lambda *_: None,
        cancel: Cancel | None = None,
    ) -> Sequence[Loaded]:
        """As `load`, but images for several platforms come whole, each platform an image of its own."""
        from wherry.engine import image_load

        return image_load.load_all_platforms(self._engine, source, progress, cancel)

    def save(
        self,
        names: Sequence[str],
        write: Callable[[bytes | bytearray | memoryview], object],
        *,
        platform: Platform | None = None,
    ) -> None:
        """Give `write` one tar of these images. Raises: NotFound (also of the platform), and what `write` raises."""
        from wherry.engine import image_load

        image_load.save(self._engine, names, write, platform)

    def import_(self, request: ImportRequest) -> ImageRecord:
        """An image of one layer from a root file system's tar. Raises: InputError, HostileArchive, DockerfileError."""
        from wherry.engine import image_load

        return image_load.import_(self._engine, request)
