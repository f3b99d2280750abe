"""The few fields of a certificate that an error message needs, out of DER. Trusts nothing and decides nothing.

Spec: https://www.rfc-editor.org/rfc/rfc5280#section-4.1
"""

from __future__ import annotations

from ipaddress import ip_address

from wherry.registry.transport_url import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Certificate"]

_ALT_NAMES = bytes.fromhex("0603551d11")
_COMMON_NAME = bytes.fromhex("0603550403")


class Certificate(NamedTuple):
    """`names` are those that it is for; times are text ("2026-11-24 16:00 UTC")."""

    not_before: str
    not_after: str
    names: tuple[str, ...]
    issuer: str

    @classmethod
    def parse(cls, der: bytes) -> Certificate | None:
        """None for what is no certificate: the caller has an error to tell already."""
        try:
            outer = next(_items(der))[1]
            fields = [item for item in _items(next(_items(outer))[1]) if item[0] != 0xA0]
            # serial, signature, issuer, validity, subject, key, extensions
            issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
            before, after = (_time(value) for _, value in _items(validity))
            names = tuple(_alt_names(next((value for tag, value in fields if tag == 0xA3), b"")))
            return cls(before, after, names or tuple(filter(None, [_common_name(subject)])), _common_name(issuer))
        except (IndexError, ValueError, StopIteration):
            return None


def _items(der: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            width = length & 0x7F
            length, at = int.from_bytes(der[at : at + width]), at + width
        if at + length > len(der):
            raise ValueError("cut off")
        yield tag, der[at : at + length]
        at += length


def _time(value: bytes) -> str:
    text = value.decode("ascii")
    if len(text) == 13:  # UTCTime: two digits of the year, 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]} UTC"


def _common_name(name: bytes) -> str:
    for _, part in _items(name):
        for _, pair in _items(part):
            if pair.startswith(_COMMON_NAME):
                return clean(list(_items(pair))[1][1].decode("utf-8", "replace"), 80)
    return ""


def _alt_names(extensions: bytes) -> Iterator[str]:
    for _, sequence in _items(extensions):
        for _, extension in _items(sequence):
            if extension.startswith(_ALT_NAMES):
                value = list(_items(extension))[-1][1]
                for tag, name in _items(next(_items(value))[1]):
                    if tag == 0x82:
                        yield clean(name.decode("ascii", "replace"), 80)
                    elif tag == 0x87 and len(name) in {4, 16}:
                        yield str(ip_address(name))
