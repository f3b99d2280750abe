"""Addresses as plain ints, IPv4 and IPv6. The standard `ipaddress` costs 6 ms of each start, and we need little."""

from __future__ import annotations

import _socket  # not socket, which costs 3 ms

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Pool", "is_ipv6", "mac_of", "parse", "parse_mac", "text"]


def parse(address: str) -> int:
    """ "10.0.0.1" or "fd00::1" as a number. Raises: InputError."""
    if ":" in address:
        try:
            return int.from_bytes(_socket.inet_pton(_socket.AF_INET6, address), "big")
        except (OSError, ValueError):
            raise InputError(f"{address!r} is not an IPv6 address") from None
    parts = address.split(".")
    if len(parts) != 4 or not all(p.isascii() and p.isdecimal() and len(p) < 4 and int(p) < 256 for p in parts):
        raise InputError(f"{address!r} is not an IPv4 address")
    return int.from_bytes(bytes(map(int, parts)), "big")


def text(number: int, bits: int = 32) -> str:
    """`bits` is 32 for IPv4, 128 for IPv6."""
    if bits == 128:
        return _socket.inet_ntop(_socket.AF_INET6, number.to_bytes(16, "big"))
    return ".".join(map(str, number.to_bytes(4, "big")))


def is_ipv6(address: str) -> bool:
    return ":" in address


def mac_of(address: str) -> str:
    """A local MAC made of the IPv4 address: neighbours' caches stay right when an address is given again."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in parse(address).to_bytes(4, "big"))


def parse_mac(text: str) -> str:
    """Six bytes, by colons or dashes, in lower case. Raises: InputError."""
    parts = text.replace("-", ":").lower().split(":")
    if len(parts) != 6 or not all(len(p) == 2 and set(p) <= set("0123456789abcdef") for p in parts):
        raise InputError(f"{text} is not a valid mac address", hint="six bytes, as 02:42:ac:11:00:02")
    if int(parts[0], 16) & 1:
        raise InputError(f"{text} is a multicast mac address", hint="its first byte must be even, as 02")
    return ":".join(parts)


class Pool(NamedTuple):
    """A subnet: `first` is the network's own address, `last` the broadcast one (in IPv4)."""

    first: int
    last: int
    bits: int = 32

    @classmethod
    def parse(cls, subnet: str) -> Pool:
        """ "10.0.0.0/24" or "fd00::/64"; host bits are refused, as docker does. Raises: InputError."""
        base, slash, length = subnet.partition("/")
        bits = 128 if ":" in base else 32
        if not slash or not (length.isascii() and length.isdecimal() and len(length) < 4) or int(length) > bits:
            raise InputError(f"invalid CIDR address: {subnet}", hint="write it as 10.5.0.0/24")
        size = 1 << (bits - int(length))
        first = parse(base)
        if first % size:
            right = text(first - first % size, bits)
            raise InputError(f"invalid subnet {subnet}: it should be {right}/{length}")
        return cls(first, first + size - 1, bits)

    @property
    def prefix(self) -> int:
        return self.bits - (self.last - self.first).bit_length()

    def overlaps(self, other: Pool) -> bool:
        return self.bits == other.bits and self.first <= other.last and other.first <= self.last

    def holds(self, address: str) -> bool:
        """Whether that address, of either family, is in it. Raises: InputError."""
        return (128 if ":" in address else 32) == self.bits and parse(address) in self

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= self.last

    def __str__(self) -> str:
        return f"{text(self.first, self.bits)}/{self.prefix}"
