"""The builder's Tracer: sessions of wherry.trace on this machine."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cancel import Cancel
    from wherry.host import Host, Overlay
    from wherry.trace.session import Session

__all__ = ["HostTracer"]


class HostTracer:
    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> Session:
        """Raises: TraceUnavailable, OSError, Cancelled."""
        from wherry.trace.session import Session

        return Session.start(self._host, overlay, traced, cancel)
