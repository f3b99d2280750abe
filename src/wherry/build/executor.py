"""The borders of the builder: what it asks of the machine and of the store, joined in wherry.engine.steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from wherry.build.graph import Run
from wherry.cancel import Cancel

__all__ = ["Executor", "StepMount", "StepRequest"]


class StepMount(NamedTuple):
    """A folder or file of the host shown inside the step, whose mountpoint must not reach the layer.

    `source` "" is an empty tmpfs of at most `size` bytes (0: half of the memory) and of `mode` (0: as the folder that
    it covers, which runtimes do). With `tree_fd`, a detached mount of the caller's, `source` is a path in that, without
    links.
    """

    source: str
    target: str
    readonly: bool = True
    size: int = 0
    tree_fd: int = -1
    mode: int = 0


class StepRequest(NamedTuple):
    """One RUN, ready to go. `root_fd` is the detached overlay; `upper` the folder that becomes the layer.

    `epoch_s` is what SOURCE_DATE_EPOCH shall be in the step, unless the Dockerfile sets it.

    `mounts` are the binds, caches and tmpfs of `run.mounts`; secrets and agents are the executor's to bring.

    The executor adds the values of secrets to `hidden`: no error may quote them.

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
    epoch_s: int = 0
    hidden: list[bytes] | None = None


class Executor(Protocol):
    """Runs a RUN over a detached root. Mountpoints that are made on the way are for the caller to take away."""

    def mountpoints(self, run: Run) -> tuple[str, ...]:
        """Where it mounts something of its own (secrets, agents), beside /proc, /sys, /dev and /etc's files."""

    def run(self, request: StepRequest) -> int:
        """The exit status, 128+n when signal n ended it. Raises: RuntimeFailure, Cancelled, HostError."""
