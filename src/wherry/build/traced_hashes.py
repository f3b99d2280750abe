"""The content of files in layers as digests, for one build. Layers never change, so each file is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.oci.digest import DiffID
from wherry.trace.values import Contents

__all__ = ["LayerHashes"]


class LayerHashes:
    """Threads may share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[DiffID, bytes], str] = {}

    def of(self, layers: Sequence[DiffID], cancel: Cancel) -> _InStack:
        """For looks whose `layer` is a position in `layers`."""
        return _InStack(self._known, tuple(layers), Contents(cancel))


class _InStack(NamedTuple):
    known: dict[tuple[DiffID, bytes], str]
    layers: tuple[DiffID, ...]
    contents: Contents

    def digest(self, layer: int, path: bytes, fd: int) -> str:
        """Raises: OSError, Cancelled."""
        key = (self.layers[layer], path)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self.contents.digest(layer, path, fd)
        return found
