"""One RUN step of a build: a container without a monitor, whose caller waits for it."""

from __future__ import annotations

from typing import Any, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wherry.cancel import Cancel
    from wherry.host import Host

__all__ = ["StepRequest", "run_step", "sweep_step"]


class StepRequest(NamedTuple):
    """`spec` is a config.json whose root.path is replaced; `rootfs_fd` a detached mount (the caller closes it).

    `network` is "bridge", "none" (both a namespace of the step's own, lo up) or "host". `folder` is an empty folder of
    the caller's, on any file system, used as the bundle and left for the caller to remove. `runtime` is the program's
    path, `runtime_root` its state folder. `sysctls` are written in the step's own network namespace.
    """

    id: str
    rootfs_fd: int
    spec: Mapping[str, Any]
    runtime: str
    runtime_root: str
    folder: str
    network: str = "none"
    sysctls: Mapping[str, str] = {}


def run_step(
    host: Host,
    request: StepRequest,
    cancel: Cancel,
    on_output: Callable[[bytes], None],
    on_netns: Callable[[int], None] | None = None,
) -> int:
    """Run it to its end and return its exit status (128+n when signal n ended it). Blocks; may run in a thread.

    `on_output` gets what the step writes, both streams on one pipe, as it comes. `on_netns(pid)` is called once before
    the step starts, when the network namespace of `pid` is the step's: move the veth in there. Nothing is left behind
    when this returns or raises: no process, cgroup, mount, namespace or runtime state.
    Raises: Cancelled (promptly), CommandNotFound, NotExecutable, RuntimeFailure, and whatever the callbacks raise.
    """
    raise NotImplementedError


def sweep_step(host: Host, runtime: str, runtime_root: str, id: str) -> None:
    """Kill and remove what is left of a step whose wherry was killed together with its child. Idempotent."""
    raise NotImplementedError
