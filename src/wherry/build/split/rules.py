"""Which parts of a step's diff become layers of their own."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["IMAGE_LAYERS", "Rules"]

IMAGE_LAYERS = 64
"""How many layers an image may have before steps are split no more: docker ends at 127, other tools before that."""


# Differs from docker: a RUN, COPY or ADD that brings heavy Python packages or large files gives several layers, and
# each has an entry of its own in the history (--no-split-packages: one)
class Rules(NamedTuple):
    """In bytes: a package of `heavy` or more, and a file of `large` or more, is a layer of its own.

    `version` is in every step's key: another way to split gives other layers for the same step.
    """

    heavy: int = 16 << 20
    large: int = 64 << 20
    image_layers: int = IMAGE_LAYERS
    version: int = 1

    def share(self, below: int) -> int:
        """How many layers a step above `below` others may give: half of what is left, so that later ones have some."""
        return max(1, (self.image_layers - below) // 2)
