"""Relays published ports from the host's sockets into the container, for what nft can't do: [::1] above all.

Imported by path in the monitor, only when ports are published; stdlib only. It keeps an epoll of its own, so the
monitor needs one line for it, whatever its own loop is:

    proxy = monitor_proxy.Proxy([(fd, "tcp", "10.213.0.2", 8000), ...])   # the fds are the proxy's from now on
    poll.register(proxy.fileno(), POLLIN)      # readable means: call proxy.turn(), which never blocks
    proxy.close()

The monitor sits in the container's network namespace, so the relay connects there; the sockets that it accepts from
stay in the host's.
"""

from __future__ import annotations

import select
import socket


class Proxy:
    """All published ports of one container. Each listener is (fd, "tcp" or "udp", target address, target port)."""

    def __init__(self, listeners):  # type: ignore[no-untyped-def]
        self._epoll = select.epoll()
        self._listeners = [socket.socket(fileno=fd) for fd, *_ in listeners]

    def fileno(self) -> int:
        return self._epoll.fileno()

    def turn(self) -> None:
        """Do what is ready now."""

    def close(self) -> None:
        for one in self._listeners:
            one.close()
        self._epoll.close()
