"""Networks of containers: addresses, links, rules, names, joined in the order that leaves nothing behind.

The life of one container's network, as `engine.containers` drives it:

    attachment = networks.reserve(id, request)    # rows and sockets; Conflict when a port is taken
    networks.files(attachment, files)             # /etc/hosts, resolv.conf, hostname as text
    ... the monitor gets attachment.listeners' fds and makes its namespace ...
    networks.close_listeners(attachment)
    networks.plumb(attachment, monitor_pid)       # veth, addresses, routes, nft rules
    networks.release(id)                          # after the end, by whoever cleans up; idempotent
"""

from __future__ import annotations

import os
from collections.abc import Collection

from wherry.errors import Unsupported
from wherry.network.model import Attachment, FileRequest, Listener, NetFiles, Network, NetworkRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["Networks"]


class Networks:
    """`engine.networks`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(self, container_id: str, request: NetworkRequest) -> Attachment:
        """Address, row, and listening sockets; nothing is kept when it fails.

        Raises: Conflict (a port is taken: names port and holder), NotFound (no such network), InputError, HostError.
        """
        if request.mode in ("none", "host") or request.mode.startswith("container:"):
            kind = {"none": "own", "host": "host"}.get(request.mode, "container")
            return Attachment(container_id, request.mode, kind, joins=request.mode.partition(":")[2])
        raise Unsupported("bridge networks")

    def files(self, attachment: Attachment, request: FileRequest) -> NetFiles:
        """The texts of /etc/hosts, /etc/resolv.conf and /etc/hostname for that container."""
        raise Unsupported("network files")

    def plumb(self, attachment: Attachment, netns_pid: int) -> None:
        """Link, addresses, routes and rules into the namespace of process `netns_pid`; all, or undone (not the rows).

        A no-op for attachments without an endpoint. Raises: HostError, RuntimeFailure.
        """

    def close_listeners(self, attachment: Attachment) -> None:
        """Close this process's copies, once the monitor has its own (or the start failed). Idempotent."""
        for listener in attachment.listeners:
            try:
                os.close(listener.fd)
            except OSError:
                continue

    def relisten(self, container_id: str) -> tuple[Listener, ...]:
        """Sockets anew for a container whose monitor died: those that can be had. The caller closes."""
        return ()

    def release(self, container_id: str) -> None:
        """Rows, rules, names at the peers, and the bridge when it was the last one. Idempotent."""

    def rename(self, container_id: str, name: str) -> None:
        """The container's new name, for messages and for its peers."""

    def sweep(self, live: Collection[str]) -> None:
        """Release every container that is not in `live` (whole ids) and every build step whose process is dead."""

    def attach_step(self, step_id: str, netns_pid: int) -> Attachment:
        """A build step on the default bridge, without ports; owned by this process. `release(step_id)` ends it."""
        return self.reserve(step_id, NetworkRequest())

    def describe(self, container_id: str) -> dict[str, object]:
        """Docker's NetworkSettings of `inspect`; empty fields when it has no endpoint."""
        return {}

    def of(self, container_id: str) -> Attachment | None:
        """What is reserved for the container now (without listeners), or None."""
        return None

    def list(self) -> tuple[Network, ...]:
        """The user's networks and the default one, oldest first."""
        return ()
