"""One vertex that is ready to be looked up or made, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from wherry.build.gather import Gathered
from wherry.build.graph import Vertex
from wherry.build.weakkey import Stack
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.traced_store import Earlier
    from wherry.trace.observe import PathSet

__all__ = ["Job", "Outcome", "Trace"]


_NONE: Mapping[str, str] = MappingProxyType({})


class Job(NamedTuple):
    """`below` are the layers that it works upon, `inputs` those of its other inputs; `gathered` and `contents` (their
    digest) are what it brings from the context, `digests` those of the files by their `source`; `key` is the ordinary
    one, "" for the root of an image.
    """

    vertex: Vertex
    below: Stack
    inputs: tuple[tuple[DiffID, ...], ...]
    gathered: tuple[Gathered, ...]
    contents: str
    key: str
    digests: Mapping[str, str] = _NONE


class Trace(NamedTuple):
    """What is known of a step by what it reads. `weak` "" when it can't be traced.

    `paths` is what this result depends on (None: it is not known), `values` what was found there. On a miss `earlier`
    is the result before, and `now` what is found at its paths today. `untraced` says why the step ran without being
    traced, `damaged` how many remembered path sets were not what had been written.
    """

    weak: str = ""
    paths: PathSet | None = None
    values: tuple[str, ...] = ()
    earlier: Earlier | None = None
    now: tuple[str, ...] = ()
    untraced: str = ""
    damaged: int = 0


class Outcome(NamedTuple):
    """`kind` is the key by which it was found: "ordinary", "traced", or "none" when it was made."""

    job: Job
    kind: str
    trace: Trace = Trace()
