"""Where a network's addresses are taken from, when nobody says: pools that overlap nothing this machine has."""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import accumulate

from wherry.errors import Conflict
from wherry.network import address
from wherry.network.address import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["free_pool", "parse_routes", "random_ula"]

_REGIONS = (("10.208.0.0", 256), ("172.28.0.0", 48), ("192.168.128.0", 8))
"""Where pools of 4,096 addresses are looked for: far from Docker's 172.17-27 and podman's 10.88-89."""
_POOL_BITS = 12
_SMALLER = (8, 5)
"""When these get short, 256 addresses, and then 32: a machine whose VPN has all of 10/8 still gets 300 networks."""


def parse_routes(table: str) -> list[Pool]:
    """The destinations of /proc/net/route, without the default route."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000":
            continue
        first, mask = (int.from_bytes(int(fields[i], 16).to_bytes(4, "little"), "big") for i in (1, 7))
        found.append(Pool(first, first | (~mask & 0xFFFFFFFF)))
    return found


def free_pool(tag: str, taken: Iterable[Pool]) -> Pool:
    """The first pool that overlaps nothing in `taken`; each root begins at its own place. Raises: Conflict.

    Large ones while more than a quarter of them is free, then small ones out of what is left.
    """
    busy = sorted(one for one in taken if one.bits == 32)
    pools = [
        Pool(start + (i << _POOL_BITS), start + ((i + 1) << _POOL_BITS) - 1)
        for base, count in _REGIONS
        for start in (address.parse(base),)
        for i in range(count)
    ]
    shift = int(tag or "0", 16) % 256
    pools = pools[shift:] + pools[:shift]
    firsts = [one.first for one in busy]
    # How far those up to each one reach: the last that begins before a pool's end tells whether any is in its way
    reach = [-1, *accumulate((one.last for one in busy), max)]
    free = [pool for pool in pools if reach[bisect_right(firsts, pool.last)] < pool.first]
    # What routes take away whole does not count; a pool that was cut up still does
    wide = [one for one in busy if one.last - one.first >= 1 << _POOL_BITS]
    usable = [pool for pool in pools if not any(o.first <= pool.first and pool.last <= o.last for o in wide)]
    if free and len(free) * 4 > len(usable):
        return free[0]
    # What the large ones have left over: most of it for middling ones, the end for small ones
    middling, small = max(2, len(usable) // 4), max(1, len(usable) // 8)
    for bits, rest in zip(_SMALLER, (usable[-middling:-small], usable[-small:]), strict=True):
        for pool in rest:
            near = [other for other in busy if pool.overlaps(other)]
            for first in range(pool.first, pool.last, 1 << bits):
                piece = Pool(first, first + (1 << bits) - 1)
                if not any(piece.overlaps(other) for other in near):
                    return piece
    raise Conflict(
        "no free address pool is left for a network", hint="give one: network create --subnet 10.5.0.0/24 NAME"
    )


def random_ula() -> Pool:
    """A /64 of a random unique local prefix (RFC 4193, section 3.2): no two machines get the same."""
    first = int.from_bytes(b"\xfd" + os.urandom(5) + bytes(10), "big")
    return Pool(first, first + (1 << 64) - 1, 128)
