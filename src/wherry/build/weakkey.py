"""What a RUN depends on beside the files of the transparent layers below it, as one hash. Pure.

A layer is *transparent* when a COPY or ADD made it, else *opaque*. The weak key holds the opaque layers and how many
transparent ones lie where between them; what the step found in those is in the strong key. See docs/traced-cache.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from wherry.build.cachekey import VERSION as _ORDINARY_VERSION
from wherry.build.cachekey import operation
from wherry.build.graph import Copy, Op, Vertex
from wherry.oci.digest import DiffID

__all__ = ["Stack", "strong_key", "weak_key"]

_VERSION = 3
"""Another one when what a path is worth is told in another way (trace.values)."""


class Stack(NamedTuple):
    """The layers of a file system, base first; `clear[i]` says whether `layers[i]` is transparent."""

    layers: tuple[DiffID, ...] = ()
    clear: tuple[bool, ...] = ()

    def with_step(self, op: Op, layers: Sequence[DiffID]) -> Stack:
        """`layers` are all of the result's: these and what the operation added."""
        added = len(layers) - len(self.layers)
        return Stack(tuple(layers), (*self.clear, *(isinstance(op, Copy),) * added))

    @property
    def transparent(self) -> tuple[int, ...]:
        """Positions, base first."""
        return tuple(number for number, is_clear in enumerate(self.clear) if is_clear)


def weak_key(
    vertex: Vertex, below: Stack, inputs: Sequence[Sequence[DiffID]], contents: str, shape: Sequence[object]
) -> str:
    """`inputs`, `contents` and `shape` as for the ordinary key; `shape` also tells the root folder's attributes, since
    the step's own layer takes them over.

    Proxies are not in it, and of secrets and agents only where they are shown.
    """
    layers = [None if is_clear else diff_id for diff_id, is_clear in zip(below.layers, below.clear, strict=True)]
    fields = [
        "traced", _VERSION, _ORDINARY_VERSION, vertex.platform, list(shape), contents, list(map(list, inputs)), layers,
        operation(vertex.op),
    ]  # fmt: skip
    return sha256(json.dumps(fields, ensure_ascii=True).encode()).hexdigest()


def strong_key(weak: str, paths_id: str, values: Sequence[str]) -> str:
    """`values` are what was found at the paths of the set `paths_id`, in its order."""
    return sha256(json.dumps([weak, paths_id, list(values)], ensure_ascii=True).encode()).hexdigest()
