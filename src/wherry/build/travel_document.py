"""What a cache that travels says: which layers a step gave, by its keys. Pure.

It comes from elsewhere. It names layers by what they must hold (their DiffIDs), and whoever fetches one checks that. It
has no links and no nesting, so that nothing in it goes in a circle; the paths that a step looked at stay packed here,
and are judged when they are unpacked (docs/adr/0169-a-cache-document-of-our-own.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.oci import _decode
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID
from wherry.oci.manifest import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["ARTIFACT", "BUILDKIT", "LIMIT_BYTES", "MEDIA_TYPE", "CacheDocument", "CarriedLayer", "Step", "Trace"]

ARTIFACT = "application/vnd.wherry.cache.v1"
MEDIA_TYPE = "application/vnd.wherry.cache.v1+json"
BUILDKIT = "application/vnd.buildkit.cacheconfig.v0"
"""What BuildKit's caches have instead: its keys are those of its own solver, and mean nothing to another."""

LIMIT_BYTES = 16 << 20
MOST_LAYERS = 1000
"""As many as a manifest may name (`registry.select`)."""
_MOST_RECORDS = 10_000
_MOST_OF_A_STEP = 128
_LONGEST_NAME = 400
_LARGEST_LAYER = 1 << 40
_HEX = frozenset("0123456789abcdef")


class CarriedLayer(NamedTuple):
    """`blob` is how the source has the layer; None in the cache of an image, whose manifest says it."""

    diff_id: DiffID
    blob: Descriptor | None = None


class Step(NamedTuple):
    """The step with this ordinary key adds these layers, base first. `what` is the step as people know it."""

    key: str
    what: str
    layers: tuple[DiffID, ...]


class Trace(NamedTuple):
    """A step with the weak key `weak` that looked at `paths` (packed) adds these layers, base first, wherever what is
    found there makes the strong key `key`.
    """

    weak: str
    key: str
    what: str
    paths: bytes
    layers: tuple[DiffID, ...]


class CacheDocument(NamedTuple):
    """Every layer of a record is one of `layers`."""

    layers: tuple[CarriedLayer, ...] = ()
    steps: tuple[Step, ...] = ()
    traces: tuple[Trace, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> CacheDocument:
        """Raises: InvalidSpec."""
        doc = _decode.load(data, "cache", limit_bytes=LIMIT_BYTES)
        if _decode.get_required(doc, "version", int, "cache") != 1:
            raise InvalidSpec("cache: made by another wherry: only version 1 is known")
        layers = _bounded(doc, "layers", MOST_LAYERS, _layer)
        diff_ids = [layer.diff_id for layer in layers]
        if len(set(diff_ids)) != len(diff_ids):
            raise InvalidSpec("cache.layers: names a layer twice")
        steps = _bounded(doc, "steps", _MOST_RECORDS, lambda one, at: _step(one, at, diff_ids))
        traces = _bounded(doc, "traced", _MOST_RECORDS, lambda one, at: _trace(one, at, diff_ids))
        return cls(layers, steps, traces)

    def to_bytes(self) -> bytes:
        """The same bytes for the same records: what did not change is not sent again."""
        number = {layer.diff_id: at for at, layer in enumerate(self.layers)}

        def numbers(diff_ids: Sequence[DiffID]) -> list[int]:
            return [number[one] for one in diff_ids]

        return encode({
            "version": 1,
            "layers": [
                {"diffID": one.diff_id} | ({"blob": _plain(one.blob)} if one.blob else {}) for one in self.layers
            ],
            "steps": [{"key": one.key, "what": one.what, "layers": numbers(one.layers)} for one in self.steps],
            "traced": [
                {"weak": one.weak, "key": one.key, "what": one.what, "paths": base64.b64encode(one.paths).decode(),
                 "layers": numbers(one.layers)}
                for one in self.traces
            ],
        })  # fmt: skip

    def only(self, diff_ids: Iterable[DiffID]) -> CacheDocument:
        """With those layers alone, and with the records that need no others."""
        kept = set(diff_ids)
        return CacheDocument(
            tuple(one for one in self.layers if one.diff_id in kept),
            tuple(one for one in self.steps if kept.issuperset(one.layers)),
            tuple(one for one in self.traces if kept.issuperset(one.layers)),
        )

    def located(self, blobs: Mapping[DiffID, Descriptor]) -> CacheDocument:
        """With these blobs; what has none is left out, and so are the records that need it."""
        found = self.only(blobs)
        return found._replace(layers=tuple(one._replace(blob=blobs[one.diff_id]) for one in found.layers))


def _plain(blob: Descriptor) -> dict[str, object]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def _bounded(doc: Mapping[str, Any], key: str, most: int, item: Callable[[Any, str], T]) -> tuple[T, ...]:
    if len(_decode.get(doc, key, list, "cache", [])) > most:
        raise InvalidSpec(f"cache.{key}: more than {most}")
    return _decode.get_sequence(doc, key, "cache", item) or ()


def _layer(one: Any, at: str) -> CarriedLayer:
    diff_id = DiffID.parse(_decode.get_required(one, "diffID", str, at))
    if _decode.get(one, "blob", dict, at, {}):
        blob = Descriptor.from_json(one["blob"], f"{at}.blob")
        if blob.size > _LARGEST_LAYER:
            raise InvalidSpec(f"{at}.blob: {blob.size} bytes is over the limit of {_LARGEST_LAYER}")
        # Nothing else that a descriptor may say: no URLs of other places, no bytes inside it
        return CarriedLayer(diff_id, Descriptor(blob.media_type, blob.digest, blob.size))
    return CarriedLayer(diff_id)


def _step(one: Any, at: str, diff_ids: Sequence[DiffID]) -> Step:
    return Step(_key(one, "key", at), _what(one, at), _layers(one, at, diff_ids))


def _trace(one: Any, at: str, diff_ids: Sequence[DiffID]) -> Trace:
    try:
        paths = base64.b64decode(_decode.get_required(one, "paths", str, at), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSpec(f"{at}.paths: not base64") from None
    return Trace(_key(one, "weak", at), _key(one, "key", at), _what(one, at), paths, _layers(one, at, diff_ids))


def _key(one: Any, name: str, at: str) -> str:
    key = _decode.get_required(one, name, str, at)
    if len(key) != 64 or not _HEX.issuperset(key):
        raise InvalidSpec(f"{at}.{name}: not 64 hex digits")
    return key


def _what(one: Any, at: str) -> str:
    """For people, and so for terminals."""
    text = _decode.get(one, "what", str, at, "")[:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _layers(one: Any, at: str, diff_ids: Sequence[DiffID]) -> tuple[DiffID, ...]:
    def layer(value: Any, where: str) -> DiffID:
        number = _decode.get_required({"n": value}, "n", int, where)
        if not 0 <= number < len(diff_ids):
            raise InvalidSpec(f"{where}: there is no layer {number}")
        return diff_ids[number]

    found = _decode.get_sequence(one, "layers", at, layer) or ()
    # "No layer" would be a hit that leaves a step out
    if not 0 < len(found) <= _MOST_OF_A_STEP:
        raise InvalidSpec(f"{at}.layers: {len(found)} layers; a step has 1 to {_MOST_OF_A_STEP}")
    return found
