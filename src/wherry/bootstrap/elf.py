"""As much of ELF as relocation needs: which libraries a file asks for, and paths of the old prefix in its strings.

Spec: System V gABI 4.1, chapter 5 (program header, dynamic section).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["Elf", "is_elf", "read", "with_prefix"]

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29


class Elf(NamedTuple):
    """`needed` is in the order of the file; `rpath` holds DT_RUNPATH or DT_RPATH, "" when there is none."""

    machine: int
    needed: tuple[str, ...]
    soname: str
    rpath: str


def is_elf(data: bytes) -> bool:
    return data[:4] == b"\x7fELF"


def read(data: bytes) -> Elf | None:
    """None for a file that is no dynamic 64-bit ELF, or a broken one."""
    if not is_elf(data) or len(data) < 64 or data[4] != 2:
        return None
    try:
        return _read(data, "<" if data[5] == 1 else ">")
    except (struct.error, IndexError, ValueError, StopIteration, OverflowError):
        return None


def _read(data: bytes, order: str) -> Elf | None:
    (machine,) = struct.unpack_from(order + "H", data, 18)
    (at,) = struct.unpack_from(order + "Q", data, 32)
    size, count = struct.unpack_from(order + "HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from(order + "IIQQQQ", data, at + number * size)
        if kind == _PT_LOAD:
            loads.append((address, offset, length))
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, length)
    if dynamic is None:
        return None
    entries = list(struct.iter_unpack(order + "qQ", data[dynamic[0] : dynamic[0] + dynamic[1] // 16 * 16]))
    strings = next(value for tag, value in entries if tag == _DT_STRTAB)
    base = next(
        offset + strings - address for address, offset, length in loads if address <= strings < address + length
    )

    def text(tags: set[int]) -> list[str]:
        starts = [base + value for tag, value in entries if tag in tags]
        return [data[start : data.index(b"\0", start)].decode() for start in starts]

    soname, rpath = text({_DT_SONAME}), text({_DT_RUNPATH}) or text({_DT_RPATH})
    return Elf(machine, tuple(text({_DT_NEEDED})), soname[0] if soname else "", rpath[0] if rpath else "")


def with_prefix(data: bytes, old: str, new: str) -> bytes:
    """Every path below `old` made one below `new`, with no byte moved: the rest is filled with slashes.

    Linkers let one string be the tail of another (".../lib" and "lib", ".../versions/3.10.13" and "3.10.13"), so a
    string may neither shrink nor shift, and where `old` ends a string its last name stays.
    A new prefix that is longer than the old one leaves the data as it is.
    """
    before, after = old.encode(), new.encode()
    if len(after) > len(before):
        return data
    filled = after + b"/" * (len(before) - len(after))
    # Only whole path components: the byte behind is a slash, or ends a path in a list or in quotes
    for end in (b"/", b":", b"'", b'"', b" "):
        data = data.replace(before + end, filled + end)
    last = before[before.rindex(b"/") :]
    if len(after) + len(last) <= len(before):
        data = data.replace(before + b"\0", filled[: -len(last)] + last + b"\0")
    return data
