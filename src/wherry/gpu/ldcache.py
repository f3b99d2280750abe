"""ld.so.cache: which file each SONAME means. Pure. Read and written here: `ldconfig` would be the container's program.

Format: glibc 2.41's sysdeps/generic/dl-cache.h; the older one before it in the file is skipped.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["libraries", "with_libraries"]

_OLD, _NEW = b"ld.so-1.7.0\0", b"glibc-ld.so.cache1.1"
_HEADER, _ENTRY = 48, struct.Struct("<iIIIQ")
# The extensions: a table of (tag, flags, offset, size), of which tag 1 lists names of hwcaps by their offsets
_EXTENSION_MAGIC, _TAG_HWCAPS = 0xEAA42174, 1
# FLAG_ELF_LIBC6 with the ABI of the machine
_ABI = {"x86_64": 0x0303, "aarch64": 0x0A03}
# Many times what a large machine has. An image's cache may say anything: each of its entries can name one long text
_LIMIT, _TEXT_BYTES = 1 << 15, 1024


def libraries(data: bytes, machine: str) -> dict[str, str]:
    """SONAME → path, of libraries for `machine` (uname's word); of several the first, which is the loader's choice.

    What is no cache has none: it is not ours to judge.
    """
    data = _bare(data)
    found: dict[str, str] = {}
    wanted = _ABI.get(machine)
    for flags, key, value, _, _ in _entries(data):
        if wanted is None or flags == wanted:
            name, path = _text(data, key), _text(data, value)
            if name and path.startswith("/"):
                found.setdefault(name, path)
    return found


def with_libraries(data: bytes, more: Sequence[tuple[str, str]], machine: str) -> bytes:
    """The cache with (name, path)s in it, before others of those names; unchanged when it has them, or is none.

    Its own strings and extensions stay as they are, further back in the file; what is before the new format goes.
    """
    bare, flags = _bare(data), _ABI.get(machine)
    entries = _entries(bare)
    known = libraries(data, machine)
    fresh = [(name, path) for name, path in dict(more).items() if known.get(name) != path]
    if not entries or flags is None or not fresh:
        return data
    try:
        return _merged(bare, entries, fresh, flags)
    except struct.error:
        # Its offsets lead out of all files
        return data


def _merged(
    bare: bytes, entries: Sequence[tuple[int, int, int, int, int]], fresh: Sequence[tuple[str, str]], flags: int
) -> bytes:
    """Raises: struct.error."""
    names = {name for name, _ in fresh}
    kept = [one for one in entries if not (one[0] == flags and _text(bare, one[1]) in names)]
    shift = (len(kept) + len(fresh) - len(entries)) * _ENTRY.size
    tail = _shifted(bare, _HEADER + len(entries) * _ENTRY.size, shift)
    rows = [(one[0], one[1] + shift, one[2] + shift, *one[3:]) for one in kept]
    texts = [_text(bare, one[1]) for one in kept]
    at, strings = len(bare) + shift, b""
    for name, path in fresh:
        row = (flags, at + len(strings), at + len(strings) + len(name.encode()) + 1, 0, 0)
        strings += name.encode() + b"\0" + path.encode() + b"\0"
        place = _place(texts, name)
        rows.insert(place, row)
        texts.insert(place, name)
    sizes = struct.pack("<II", len(rows), int.from_bytes(bare[24:28], "little") + len(strings))
    extension = int.from_bytes(bare[32:36], "little")
    header = bare[:20] + sizes + bare[28:32] + struct.pack("<I", extension + shift if extension else 0) + bare[36:48]
    return header + b"".join(_ENTRY.pack(*row) for row in rows) + tail + strings


def _place(texts: Sequence[str], name: str) -> int:
    """Where `name` goes: they are descending, as the loader's binary search has it."""
    low, high, key = 0, len(texts), _sort_key(name)
    while low < high:
        middle = (low + high) // 2
        if _sort_key(texts[middle]) < key:
            high = middle
        else:
            low = middle + 1
    return low


def _bare(data: bytes) -> bytes:
    """From the new format's header on: its offsets count from there."""
    start = 0
    if data.startswith(_OLD):
        start = (16 + 12 * int.from_bytes(data[12:16], "little") + 7) & ~7
    return data[start:] if data.startswith(_NEW, start) else b""


def _entries(bare: bytes) -> list[tuple[int, int, int, int, int]]:
    """(flags, offset of the name, offset of the path, OS version, hwcap); none when they are not all there."""
    count = int.from_bytes(bare[20:24], "little")
    if count > _LIMIT or len(bare) < _HEADER + count * _ENTRY.size:
        return []
    return [_ENTRY.unpack_from(bare, _HEADER + place * _ENTRY.size) for place in range(count)]


def _shifted(bare: bytes, start: int, shift: int) -> bytes:
    """What is behind the entries, when it moves by `shift`: offsets in the extensions move along."""
    tail, extension = bytearray(bare[start:]), int.from_bytes(bare[32:36], "little")
    at = extension - start
    if at < 0 or at + 8 > len(tail) or int.from_bytes(tail[at : at + 4], "little") != _EXTENSION_MAGIC:
        return bytes(tail)
    for place in range(min(int.from_bytes(tail[at + 4 : at + 8], "little"), 64)):
        section = at + 8 + 16 * place
        if section + 16 > len(tail):
            break
        tag, _, offset, size = struct.unpack_from("<IIII", tail, section)
        struct.pack_into("<I", tail, section + 8, offset + shift)
        if tag == _TAG_HWCAPS:
            for word in range(offset - start, min(offset - start + size, len(tail) - 3), 4):
                struct.pack_into("<I", tail, word, int.from_bytes(tail[word : word + 4], "little") + shift)
    return bytes(tail)


def _sort_key(name: str) -> list[tuple[int, int]]:
    """glibc's order of names: runs of digits as numbers, and after every letter."""
    found: list[tuple[int, int]] = []
    digits = ""
    for one in (*name, ""):
        if one.isascii() and one.isdigit():
            digits += one
            continue
        if digits:
            found.append((1, int(digits)))
            digits = ""
        if one:
            found.append((0, ord(one)))
    return found


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at, at + _TEXT_BYTES)
    return data[at:end].decode("utf-8", "replace") if end >= 0 else ""
