"""What a path in a layer is called by the user: the file of the build context that a COPY put there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from wherry.build.graph import Copy
from wherry.build.job import Job, Outcome

__all__ = ["Names", "shown"]


class Names(NamedTuple):
    """Of one step: `copies` made the transparent layers below it, base first."""

    copies: tuple[Job, ...]

    @staticmethod
    def of(job: Job, outcomes: Mapping[int, Outcome]) -> Names:
        """Of the transparent layers that `job` works upon."""
        found: dict[int, Job] = {}
        parent, end = job.vertex.parent, len(job.below.layers)
        while parent is not None and parent in outcomes:
            above = outcomes[parent].job
            start = len(above.below.layers)
            found.update((position, above) for position in range(start, end))
            parent, end = above.vertex.parent, start
        return Names(tuple(found[position] for position in job.below.transparent if position in found))

    def is_yours(self, layer: int) -> bool:
        """Whether it came from the context, not from another stage or image."""
        return layer < len(self.copies) and bool(self.copies[layer].gathered)

    def name(self, layer: int, path: bytes) -> str:
        """As in the context where that can be told, else absolute as in the image."""
        text = os.fsdecode(path)
        found = _source(self.copies[layer], text) if layer < len(self.copies) else None
        return shown(found if found else f"/{text}")


def _source(job: Job, path: str) -> str | None:
    op = job.vertex.op
    assert isinstance(op, Copy)
    top = op.dest.strip("/")
    for one in job.gathered:
        match = one.match
        if match.is_folder:
            if inside := _below(top, path):
                return f"{match.path}/{inside}".lstrip("/")
        elif path in (top, f"{top}/{match.name}".lstrip("/")):
            return match.path
    return None


def _below(top: str, path: str) -> str:
    """The rest of `path` behind the folder `top`; "" when it is not in it."""
    if not top:
        return path
    return path[len(top) + 1 :] if path.startswith(f"{top}/") else ""


def shown(name: str) -> str:
    """On one line, whatever bytes it has."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
