"""One image out of an OCI layout, chosen by its digest or tag: a base of a build, not an image of the user's."""

from __future__ import annotations

import json

from wherry.errors import NotFound
from wherry.oci.manifest import Index
from wherry.store.index import NAME, REF_NAME
from wherry.store.source import FolderSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack

    from wherry.engine import Engine
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.platform import Platform
    from wherry.store.images import ImageRecord

__all__ = ["chosen", "load_layout"]

_LARGEST_BYTES = 4 << 20


def load_layout(
    engine: Engine, path: str, wanted: tuple[str, str], platform: Platform, stack: ExitStack
) -> ImageRecord:
    """`wanted` is (digest, tag), "" for what was not said. Gone again when `stack` ends, unless it was there before.

    Raises: NotFound, InvalidSpec, IntegrityError, Unsupported.
    """
    from wherry.store.load import plan_load
    from wherry.store.loader import Loader

    source = _Chosen(path, wanted)
    stack.callback(source.close)
    (plan,) = plan_load(source, platform)
    plan = plan._replace(references=())
    known = {image.id for image in engine.image_store.list()}
    lease = stack.enter_context(engine.leases.hold(f"build context {path}"))
    lease.add_layer(*(part.diff_id for part in plan.layers))
    loader = Loader(engine.image_store, engine.layers, engine.blobs, engine.leases, engine.settings.jobs, _silent)
    image = loader.load(source, plan)
    if image.id not in known:
        stack.callback(engine.image_store.remove, image, (), delete=True, known_users=())
    return image


def chosen(index: Index, digest: str, tag: str) -> Descriptor:
    """By digest, by tag, or else "latest" or the only one. Pure. Raises: NotFound."""
    for one in index.manifests:
        names = {one.annotations.get(NAME, "").rpartition(":")[2], one.annotations.get(REF_NAME, "")}
        if digest == one.digest if digest else (tag or "latest") in names:
            return one
    if not digest and not tag and len(index.manifests) == 1:
        return index.manifests[0]
    tags = sorted({one.annotations.get(REF_NAME, "") for one in index.manifests} - {""})
    raise NotFound(
        f"could not find {digest or tag or 'latest'} in the OCI layout", hint=f"its tags: {', '.join(tags) or 'none'}"
    )


class _Chosen(FolderSource):
    """The layout as if it held that image only."""

    def __init__(self, path: str, wanted: tuple[str, str]) -> None:
        super().__init__(path)
        self._wanted = wanted

    def read(self, name: str, limit_bytes: int) -> bytes:
        data = super().read(name, limit_bytes)
        if name != "index.json":
            return data
        only = chosen(Index.from_bytes(data), *self._wanted)
        kept = [one for one in json.loads(data)["manifests"] if one["digest"] == only.digest][:1]
        # Without its names: it is no image of the user's
        kept[0].pop("annotations", None)
        return json.dumps({"schemaVersion": 2, "manifests": kept}).encode()


def _silent(name: str, done: int, total: int) -> None: ...
