"""One tar header: from an Entry to its blocks, from a block to its fields.

Spec: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.image.tar import pax

__all__ = ["BLOCK", "END", "Entry", "Fields", "encode", "number", "parse"]

BLOCK = 512
END = bytes(2 * BLOCK)
"""What ends an archive."""

REGULAR, HARD_LINK, SYMLINK, CHAR, BLOCK_DEVICE, FOLDER, FIFO = (b"%d" % digit for digit in range(7))

_MAX_7, _MAX_11 = 0o7777777, 0o77777777777
_MAGIC = b"ustar\x0000"
_OCTAL = re.compile(rb"[0-7]+\Z")
_OWNER_NAMES = bytes(64)


class Entry(NamedTuple):
    """What a header says. `name` of a folder ends in "/"; `link` is a symlink's or a hard link's target.

    `mode` is permission bits only, `kind` one of the type bytes above, `xattrs` in the order to write them.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int = 0
    mtime_ns: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()


def _tail(kind: bytes, link: bytes, device: tuple[int, int], prefix: bytes) -> bytes:
    numbers = b"%07o\0%07o\0" % device
    return b"".join((kind, link.ljust(100, b"\0"), _MAGIC, _OWNER_NAMES, numbers, prefix.ljust(167, b"\0")))


def _plain(kind: bytes) -> tuple[bytes, int]:
    tail = _tail(kind, b"", (0, 0), b"")
    return tail, sum(tail) + 256


# Most headers have no link, device or prefix: their second half and its share of the checksum never change
_PLAIN = {kind: _plain(kind) for kind in (REGULAR, FOLDER)}


def encode(entry: Entry) -> bytes:
    """The header block, after a PAX header when ustar can't hold the entry. Always the same for the same entry."""
    name, kind, mode, uid, gid, size, mtime_ns, link, device, xattrs = entry
    seconds, ns = divmod(mtime_ns, 1_000_000_000)
    prefix = b""
    if xattrs or ns or not 0 <= seconds <= _MAX_11 or uid > _MAX_7 or gid > _MAX_7 or size > _MAX_11 or len(link) > 100:
        return _extended(entry)
    if len(name) > 100:
        prefix, name = _split(name)
        if not prefix:
            return _extended(entry)
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, seconds)
    if link or prefix or kind not in _PLAIN:
        tail = _tail(kind, link, device, prefix)
        checksum = sum(tail) + 256
    else:
        tail, checksum = _PLAIN[kind]
    return b"%b%06o\0 %b" % (head, sum(head) + checksum, tail)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """ustar's prefix and name; ("", "") when the name fits in no way."""
    if len(name) > 256:
        return b"", b""
    # The last slash of a folder's name must stay in the name; any "/" that leaves 1 to 100 bytes will do
    cut = name.find(b"/", len(name) - 101, min(156, len(name) - 1))
    return (name[:cut], name[cut + 1 :]) if cut > 0 else (b"", b"")


def _extended(entry: Entry) -> bytes:
    name, _, _, uid, gid, size, mtime_ns, link, _, xattrs = entry
    seconds, ns = divmod(mtime_ns, 1_000_000_000)
    records: list[tuple[bytes, bytes]] = [(pax.XATTR + _text(key), value) for key, value in xattrs]
    if len(name) > 100:
        records.append((b"path", name))
    if len(link) > 100:
        records.append((b"linkpath", link))
    if uid > _MAX_7:
        records.append((b"uid", b"%d" % uid))
    if gid > _MAX_7:
        records.append((b"gid", b"%d" % gid))
    if size > _MAX_11:
        records.append((b"size", b"%d" % size))
    if ns or not 0 <= seconds <= _MAX_11:
        records.append((b"mtime", pax.format_time(mtime_ns)))
    records.sort()
    if not all(_is_utf8(value) for key, value in records if key in (b"path", b"linkpath")):
        # Else readers may take the bytes for broken UTF-8 and change them
        records.insert(0, (b"hdrcharset", b"BINARY"))
    data = pax.encode(records)
    base = name.rstrip(b"/").rpartition(b"/")[2]
    header = encode(Entry((b"PaxHeaders/" + base)[:100], b"x", 0o644, 0, 0, len(data)))
    short = entry._replace(
        name=name[:100], link=link[:100], uid=uid if uid <= _MAX_7 else 0, gid=gid if gid <= _MAX_7 else 0,
        size=size if size <= _MAX_11 else 0, mtime_ns=max(0, min(seconds, _MAX_11)) * 1_000_000_000, xattrs=(),
    )  # fmt: skip
    return b"".join((header, data, bytes(-len(data) % BLOCK), encode(short)))


def _text(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


class Fields(NamedTuple):
    """A header block as it stands, before PAX or GNU headers change it. `mtime` in seconds."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    kind: bytes
    link: bytes
    device: tuple[int, int]
    is_gnu: bool


def number(block: bytes, start: int, end: int, what: str) -> int:
    """The octal or base-256 number in `block[start:end]`, 0 when empty. Raises: InvalidSpec."""
    field = block[start:end]
    if field[0] & 0x80:
        # GNU's base-256: the top bit marks it, the next one is the sign
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    digits = field.strip(b"\0 ")
    if digits.isdigit() and b"8" not in digits and b"9" not in digits:
        return int(digits, 8)
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not _OCTAL.match(digits):
        raise InvalidSpec(f"tar: {digits!r} is no octal {what}")
    return int(digits, 8)


def _cut(block: bytes, start: int, end: int) -> bytes:
    return block[start:end].partition(b"\0")[0]


def parse(block: bytes) -> Fields:
    """The fields of one 512 byte block. Raises: InvalidSpec for a wrong checksum or number."""
    stored = number(block, 148, 156, "checksum")
    around = block[:148] + block[156:]
    if sum(around) + 256 != stored and sum(b - 256 if b > 127 else b for b in around) + 256 != stored:
        raise InvalidSpec("tar: a header's checksum is wrong: this is no tar, or it is damaged")
    magic = block[257:263]
    name = _cut(block, 0, 100)
    device = (0, 0)
    # star's variant ("tar" at the end) keeps times in the last 24 bytes of the prefix
    prefix_end = 476 if block[508:512] == b"tar\0" else 500
    if magic == b"ustar\0" and (prefix := _cut(block, 345, prefix_end)):
        name = prefix + b"/" + name
    if magic in (b"ustar\0", b"ustar ") and block[156:157] in (CHAR, BLOCK_DEVICE):
        device = (number(block, 329, 337, "device"), number(block, 337, 345, "device"))
    return Fields(
        name,
        number(block, 100, 108, "mode"),
        number(block, 108, 116, "uid"),
        number(block, 116, 124, "gid"),
        number(block, 124, 136, "size"),
        number(block, 136, 148, "mtime"),
        block[156:157],
        _cut(block, 157, 257),
        device,
        magic == b"ustar ",
    )
