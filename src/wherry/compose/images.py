"""The images that a project's containers are of."""

from __future__ import annotations

from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from wherry.compose.observe import ObservedContainer
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = ["UsedImage", "used"]


class UsedImage(NamedTuple):
    """Of one container. `repository` and `tag` are "<none>" for an image without a name; `size` in bytes."""

    container: str
    repository: str
    tag: str
    id: str
    size: int


def used(engine: Engine, containers: Sequence[ObservedContainer]) -> list[UsedImage]:
    """One for each container, in their order."""
    from wherry.oci.digest import Digest
    from wherry.oci.reference import Reference

    found = []
    for one in containers:
        try:
            record = engine.image_store.get(Digest(one.image_id))
        except NotFound:
            found.append(UsedImage(one.name, "<none>", "<none>", one.image_id, 0))
            continue
        name = Reference.known(record.references[0]) if record.references else None
        repository, tag = (name.familiar_name, name.tag or "<none>") if name else ("<none>", "<none>")
        found.append(UsedImage(one.name, repository, tag, one.image_id, record.size))
    return found
