"""The paths that git tracks, read from its index: https://git-scm.com/docs/index-format/2.45.0 (versions 2 to 4)."""

from __future__ import annotations

import os

from wherry.scaffold.files import Files

__all__ = ["tracked"]

_LARGEST_BYTES = 64 << 20


def tracked(files: Files) -> frozenset[str] | None:
    """Relative to the project; None when it is the root of no repository, or its index is none that is known."""
    if not os.path.isdir(os.path.join(files.root, ".git")):
        return None
    data = files.read(".git/index", _LARGEST_BYTES)
    if data is None:
        return frozenset()  # a repository without a commit
    version, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        return None
    found, at, last = [], 12, b""
    for _ in range(count):
        start = at
        flags = int.from_bytes(data[at + 60 : at + 62], "big")
        at += 64 if flags & 0x4000 else 62
        strip = 0
        if version == 4:
            strip, at = _varint(data, at)
        end = data.find(b"\0", at)
        if end < 0:
            return None
        last = (last[: len(last) - strip] if version == 4 else b"") + data[at:end]
        found.append(last.decode("utf-8", "replace"))
        at = end + 1 if version == 4 else start + (end - start + 8 & ~7)
    return frozenset(found)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, byte = 0, 0x80
    is_first = True
    while byte & 0x80 and at < len(data):
        byte = data[at]
        value = byte & 0x7F if is_first else (value + 1 << 7) | byte & 0x7F
        is_first = False
        at += 1
    return value, at
