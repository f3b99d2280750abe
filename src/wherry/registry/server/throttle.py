"""Who fails often waits: failures are counted by address, success is never slowed."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """A bucket of `burst` failures for each address (each /64 of IPv6), one more every `each_s` seconds. Thread-safe.

    The table is bounded: when it is full, the address that is nearest to being forgiven is.
    """

    def __init__(
        self,
        burst: int = 10,
        each_s: float = 6.0,
        *,
        addresses: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._each_s, self._most, self._clock = burst, each_s, addresses, clock
        self._lock = threading.Lock()
        self._forgiven_at: dict[str, float] = {}
        """When all failures of an address are forgotten: each puts it `each_s` further away."""

    def wait_s(self, address: str) -> int:
        """0, or the whole seconds until this address may fail again."""
        at = self._forgiven_at.get(_network(address), 0.0)
        over = at - self._clock() - (self._burst - 1) * self._each_s
        return max(0, int(over) + 1) if over > 0 else 0

    def failed(self, address: str) -> None:
        network = _network(address)
        now = self._clock()
        with self._lock:
            at = max(self._forgiven_at.get(network, 0.0), now) + self._each_s
            self._forgiven_at[network] = at
            if len(self._forgiven_at) > self._most:
                self._forgiven_at = {key: when for key, when in self._forgiven_at.items() if when > now}
            while len(self._forgiven_at) > self._most:
                del self._forgiven_at[min(self._forgiven_at, key=self._forgiven_at.__getitem__)]


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
