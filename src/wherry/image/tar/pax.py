"""PAX extended header records: `LENGTH KEY=VALUE\\n`, where LENGTH counts itself.

Spec: POSIX.1-2017, pax, "pax Header Block" and "pax Extended Header".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wherry.errors import InvalidSpec

__all__ = ["XATTR", "decode", "encode", "format_time", "integer", "parse_time"]

XATTR = b"SCHILY.xattr."
_TIME = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]{0,60}))?\Z")
_INTEGER = re.compile(rb"[0-9]{1,19}\Z")


def encode(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """In the order given."""
    out = bytearray()
    for key, value in records:
        body = b" %b=%b\n" % (key, value)
        length = len(body) + 1
        while length < len(body) + len(b"%d" % length):
            length += 1
        out += b"%d" % length
        out += body
    return bytes(out)


def decode(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every record, in order, repeated keys too. Raises: InvalidSpec."""
    records = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        digits = data[at:space] if space > 0 else b""
        # Leading zeros are neither needed nor harmless: two readers could count differently
        if not digits.isdigit() or digits.startswith(b"0"):
            raise InvalidSpec(f"tar: broken PAX record at byte {at} of its header")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 2 or data[end - 1] != 10 or not equals or not key or b"\0" in key:
            raise InvalidSpec(f"tar: broken PAX record at byte {at} of its header")
        records.append((key, value))
        at = end
    return records


def format_time(ns: int) -> bytes:
    """Seconds since 1970 with as many decimals as there are."""
    sign = b"-" if ns < 0 else b""
    seconds, rest = divmod(abs(ns), 1_000_000_000)
    if not rest:
        return b"%b%d" % (sign, seconds)
    return b"%b%d.%b" % (sign, seconds, (b"%09d" % rest).rstrip(b"0"))


def parse_time(value: bytes) -> int:
    """Nanoseconds since 1970; more decimals are cut off towards the past. Raises: InvalidSpec."""
    found = _TIME.match(value)
    if not found:
        raise InvalidSpec(f"tar: {value[:40]!r} is no PAX time")
    decimals = found[3] or b""
    ns = int(found[2]) * 1_000_000_000 + int(decimals[:9].ljust(9, b"0"))
    if not found[1]:
        return ns
    return -ns - (1 if decimals[9:].strip(b"0") else 0)


def integer(value: bytes, key: str) -> int:
    """Raises: InvalidSpec."""
    if not _INTEGER.match(value):
        raise InvalidSpec(f"tar: {value[:40]!r} is no PAX {key}")
    return int(value)
