"""The borders of the builder: what it asks of the machine and of the store, joined in wherry.engine.steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import NamedTuple, Protocol

from wherry.build.graph import Run
from wherry.cancel import Cancel
from wherry.oci.digest import DiffID

__all__ = ["Executor", "Layers", "StepMount", "StepRequest"]

_NONE: Mapping[str, str] = MappingProxyType({})


class StepMount(NamedTuple):
    """A folder of the host shown inside the step, whose mountpoint must not reach the layer."""

    source: str
    target: str
    readonly: bool = True


class StepRequest(NamedTuple):
    """One RUN, ready to go. `root_fd` is the detached overlay; `upper` the folder that becomes the layer.

    `workdir` is a private folder of this build for the bundle. `write` gets the output in pieces, from one thread,
    the two streams merged in the order in which they came.
    """

    run: Run
    root_fd: int
    upper: str
    lowers: tuple[str, ...]
    workdir: str
    write: Callable[[bytes], None]
    cancel: Cancel
    mounts: tuple[StepMount, ...] = ()
    env: Mapping[str, str] = _NONE


class Executor(Protocol):
    """Runs a RUN over a detached root. Nothing that it needed for itself stays in `upper`."""

    def run(self, request: StepRequest) -> int:
        """The exit status, 128+n when signal n ended it. Raises: RuntimeFailure, Cancelled, HostError."""


class Layers(Protocol):
    """The part of wherry.store.layers.LayerStore that the builder uses."""

    def path(self, diff_id: DiffID) -> str: ...

    def has(self, diff_id: DiffID) -> bool: ...

    def workdir(self) -> AbstractContextManager[str]: ...
