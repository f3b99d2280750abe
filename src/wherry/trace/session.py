"""Tracing one step: a server of ours shows the traced layers to the step's overlay, and remembers what was asked."""

from __future__ import annotations

from wherry.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cancel import Cancel
    from wherry.host import Host, Overlay
    from wherry.trace.observe import PathSet

__all__ = ["Session", "TraceLost", "TraceUnavailable"]


class TraceUnavailable(HostError):
    """This machine can't trace: the step runs as it would without, under its ordinary key. `reason` is for people."""

    code = "trace-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"can't trace the step: {reason}")
        self.reason = reason


class TraceLost(HostError):
    """The step ran, and what it gave must be thrown away: run it again untraced. `reason` is for people."""

    code = "trace-lost"

    def __init__(self, reason: str) -> None:
        super().__init__(f"lost the trace of the step: {reason}")
        self.reason = reason


class Session:
    """One step's overlay, with a server below it. `root_fd` is what Host.overlay gives."""

    def __init__(self, root_fd: int) -> None:
        self.root_fd = root_fd

    @staticmethod
    def start(host: Host, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> Session:
        """`traced`: indexes into `overlay.lowers`, ascending; at least one. `overlay` has an upper folder.

        Raises: TraceUnavailable (nothing is left behind), Cancelled, OSError.
        """
        raise TraceUnavailable("not in this version")

    def finish(self) -> PathSet:
        """Once, when the step and all its processes are gone. Raises: TraceLost."""
        raise TraceLost("it never began")

    def close(self) -> None:
        """Always call it. Idempotent; leaves no process, mount or fd. The caller's root_fd is closed too."""
