"""A bundle's files by name, read where its document says that they stand; and what of it the store has instead."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.airgap.document import FIRST, Bundle, parse
from wherry.airgap.layout import BLOCK, CHECKSUM, Place, checksum, first_size, layout, padding
from wherry.airgap.split import check_parts
from wherry.errors import InvalidSpec
from wherry.oci.digest import DiffID, Digest
from wherry.store.save import tar_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from wherry.engine import Engine
    from wherry.engine.airgap_parts import Parts
    from wherry.store.source import Stream

__all__ = ["BundleSource", "Lost", "Opened", "Stretch", "is_here", "missing", "open_bundle", "read_document"]

_CHUNK = 1 << 20


class Opened(NamedTuple):
    """`id` is the digest of bundle.json; `places` all members behind it, in their order."""

    id: Digest
    bundle: Bundle
    places: tuple[Place, ...]
    total: int


def read_document(parts: Parts) -> tuple[bytes, Bundle]:
    """bundle.json and what it says, of the first part alone; its own checksum is checked.

    Raises: InvalidSpec, Unsupported.
    """
    size = first_size(parts.read_at(0, BLOCK))
    data = parts.read_at(BLOCK, size)
    sum = checksum(data)
    behind = parts.read_at(BLOCK + size + padding(size), BLOCK + len(sum))
    if len(data) != size or len(behind) != BLOCK + len(sum):
        raise InvalidSpec(f"{parts.parts[-1].path} is cut off within {FIRST}", hint="copy it again")
    if behind != tar_header(CHECKSUM, len(sum)) + sum:
        raise InvalidSpec(
            f"the bundle is damaged: {FIRST} in {parts.parts[0].path} is not what was written", hint="copy it again"
        )
    return data, parse(data)


def open_bundle(parts: Parts) -> Opened:
    """Reads no more than the document, and checks that all bytes are there. Raises: InvalidSpec, Unsupported."""
    data, bundle = read_document(parts)
    places, total = layout(data, bundle.files)
    check_parts([one.path for one in parts.parts], [one.size for one in parts.parts], total)
    return Opened(Digest.of(data), bundle, tuple(places), total)


class Stretch:
    """One file of a bundle as a stream, with a position of its own."""

    def __init__(self, parts: Parts, place: Place) -> None:
        self._parts, self._at, self._end = parts, place.data_at, place.data_at + place.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._at
        data = self._parts.read_at(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data


class BundleSource:
    """A `store.source.Source` of the blobs: those of the bundle, and behind them those that the store has.

    Of a layer that the store has unpacked nothing can be read here: whoever loads finds it there.
    """

    def __init__(self, engine: Engine, parts: Parts, opened: Opened) -> None:
        self._engine, self._parts = engine, parts
        self._places = {one.name: one for one in opened.places if one.name.startswith("blobs/") and one.digest}

    def has(self, name: str) -> bool:
        return name in self._places or self._of_store(name) is not None

    def size(self, name: str) -> int:
        if name in self._places:
            return self._places[name].size
        if (digest := self._of_store(name)) is None:
            raise InvalidSpec(f"the bundle has no {name}, and does not say where it is")
        if self._engine.blobs.has(digest):
            return self._engine.blobs.size(digest)
        return self._engine.layers.get(DiffID(digest)).size

    def open(self, name: str) -> Stream:
        if name in self._places:
            return Stretch(self._parts, self._places[name])
        if (digest := self._of_store(name)) is None:
            raise InvalidSpec(f"the bundle has no {name}, and does not say where it is")
        from wherry.store.source import Part

        with self._engine.blobs.open(digest) as file:
            return Part(os.dup(file.fileno()), 0, self._engine.blobs.size(digest), owns=True)

    def read(self, name: str, limit_bytes: int) -> bytes:
        size = self.size(name)
        if size > limit_bytes:
            raise InvalidSpec(f"{name}: {size} bytes is over the limit of {limit_bytes}")
        with self.open(name) as part:
            return b"".join(iter(lambda: part.read(_CHUNK), b""))

    def close(self) -> None:
        self._parts.close()

    def _of_store(self, name: str) -> Digest | None:
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != "blobs":
            return None
        digest = Digest(f"{parts[1]}:{parts[2]}")
        return digest if is_here(self._engine, digest) else None


def is_here(engine: Engine, digest: Digest) -> bool:
    """Whether the store has the blob, or the layer whose plain tar it is. Lease it first."""
    return engine.blobs.has(digest) or (digest.algorithm == "sha256" and engine.layers.has(DiffID(digest)))


class Lost(NamedTuple):
    """Blobs that were left out of a bundle and are not here. `of` are the (name, id) of the bundles that have them."""

    digests: tuple[Digest, ...]
    bytes: int
    of: tuple[tuple[str, Digest], ...]


def missing(engine: Engine, bundle: Bundle) -> Lost | None:
    """What an incremental bundle left out, and is not here either; None when all is. Lease its blobs first."""
    lost = [one for one in bundle.absent if not is_here(engine, one.digest)]
    if not lost:
        return None
    wanted = {one.of for one in lost}
    names = tuple((one.name, one.id) for one in bundle.since if one.id in wanted)
    return Lost(tuple(one.digest for one in lost), sum(one.size for one in lost), names)
