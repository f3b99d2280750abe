"""IPv4 arithmetic on plain ints. The standard `ipaddress` costs 6 ms of each start, and we need four operations."""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Pool", "is_ipv6", "mac_of", "parse", "text"]


def parse(address: str) -> int:
    """ "10.0.0.1" as a number. Raises: InputError."""
    parts = address.split(".")
    if len(parts) != 4 or not all(p.isascii() and p.isdecimal() and len(p) < 4 and int(p) < 256 for p in parts):
        raise InputError(f"{address!r} is not an IPv4 address")
    return int.from_bytes(bytes(map(int, parts)), "big")


def text(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4, "big")))


def is_ipv6(address: str) -> bool:
    return ":" in address


def mac_of(address: str) -> str:
    """A local MAC made of the address, so that neighbours' caches stay right when an address is given again."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in parse(address).to_bytes(4, "big"))


class Pool(NamedTuple):
    """A subnet: `first` is the network's own address, `last` the broadcast one."""

    first: int
    last: int

    @classmethod
    def parse(cls, subnet: str) -> Pool:
        """ "10.0.0.0/24"; host bits are refused, as docker does. Raises: InputError."""
        base, slash, length = subnet.partition("/")
        if not slash or not length.isdecimal() or int(length) > 32:
            raise InputError(f"invalid CIDR address: {subnet}", hint="write it as 10.5.0.0/24")
        size = 1 << (32 - int(length))
        first = parse(base)
        if first % size:
            right = text(first - first % size)
            raise InputError(f"invalid subnet {subnet}: it should be {right}/{length}")
        return cls(first, first + size - 1)

    @property
    def prefix(self) -> int:
        return 32 - (self.last - self.first).bit_length()

    def overlaps(self, other: Pool) -> bool:
        return self.first <= other.last and other.first <= self.last

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= self.last

    def __str__(self) -> str:
        return f"{text(self.first)}/{self.prefix}"
