"""What differs inside two versions of a file: a few lines to show, and the cause where it can be told.

The bytes come from somebody's build: nothing of them is executed or unpickled, and what is unpacked is bounded.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wherry.image.compare import Difference
from wherry.image.compare_cause import UNKNOWN, Cause, of_lines, of_path

__all__ = ["RENAMED", "Inside", "inside", "look", "renamed"]

LARGEST_BYTES = 8 << 20
_SHOWN_LINES = 6
_SHOWN_CHARACTERS = 160
_DEEPEST = 3


class Inside(NamedTuple):
    """`what` names the format; `lines` start with "-" (first build), "+" (second) or " "."""

    what: str
    lines: tuple[str, ...]
    cause: Cause


def inside(one: Difference) -> Inside:
    """What to say of a difference. Raises: OSError."""
    known = of_path(one.path)
    if not one.is_content or one.first is None or one.second is None:
        targets = [fact[1:] for fact in one.facts if fact[0] == "target"]
        return Inside("", (), of_lines([targets[0][0]], [targets[0][1]]) if targets and known == UNKNOWN else known)
    if max(one.first.size, one.second.size) > LARGEST_BYTES:
        return Inside("large file", (f"-{one.first.size} bytes", f"+{one.second.size} bytes"), known)
    found = look(one.path, _read(one.first.place), _read(one.second.place))
    return found._replace(cause=known) if known != UNKNOWN else found


def renamed(found: Sequence[Difference]) -> frozenset[str]:
    """The paths that only one build has, where the other has another such name in the same folder."""
    lone: dict[tuple[str, str], set[bool]] = {}
    for one in found:
        if (item := one.first or one.second) and (one.first is None or one.second is None):
            lone.setdefault((os.path.dirname(one.path), item.kind), set()).add(one.first is None)
    return frozenset(
        one.path
        for one in found
        if (item := one.first or one.second)
        and (one.first is None or one.second is None)
        and len(lone[os.path.dirname(one.path), item.kind]) == 2
    )


RENAMED = Cause("a name that is random, or holds a time", "give it a fixed name")


def _read(place: bytes) -> bytes:
    with open(os.fsencode(place), "rb") as file:
        return file.read(LARGEST_BYTES + 1)


def look(path: str, first: bytes, second: bytes, depth: int = 0) -> Inside:
    """`path` helps to tell the format. Never raises: what can't be read as its format is compared as bytes."""
    from wherry.image import compare_formats as formats

    trials: tuple[tuple[bool, Callable[[], Inside | None]], ...] = (
        (path.endswith((".pyc", ".opt-1.pyc")), lambda: formats.pyc(first, second)),
        (_both(first, second, b"\x1f\x8b"), lambda: _gzip(path, first, second, depth)),
        (_both(first, second, b"PK"), lambda: formats.zip_archive(first, second)),
        (_both(first, second, b"SQLite format 3\0"), lambda: formats.sqlite(first, second)),
        (_both(first, second, b"\x7fELF"), lambda: formats.elf(first, second)),
        (first[257:262] == second[257:262] == b"ustar", lambda: formats.tar(first, second)),
    )
    for fits, trial in trials:
        if fits and (found := trial()):
            return found
    return _text(first, second) or _binary(first, second)


def _both(first: bytes, second: bytes, magic: bytes) -> bool:
    return first.startswith(magic) and second.startswith(magic)


def shown(lines: Sequence[str]) -> tuple[str, ...]:
    """Few and short enough for a screen."""
    cut = [line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..." for line in lines]
    more = len(cut) - _SHOWN_LINES
    return tuple(cut) if more <= 1 else (*cut[:_SHOWN_LINES], f" ... and {more} more lines")


def changed(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines that only the first, and only the second has, in order."""
    import difflib

    if len(first) + len(second) > 4000:
        # difflib takes minutes for long files: lines by their text will do
        ours, theirs = set(first), set(second)
        gone, new = [line for line in first if line not in theirs], [line for line in second if line not in ours]
        return (gone, new) if gone or new else (list(first), list(second))
    rows = [row for row in difflib.unified_diff(first, second, n=0, lineterm="") if not row.startswith("@@")][2:]
    return [row[1:] for row in rows if row[0] == "-"], [row[1:] for row in rows if row[0] == "+"]


def paired(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """The first differing lines of both, side by side: of many, the first of each say most."""
    half = _SHOWN_LINES // 2
    if len(first) + len(second) <= _SHOWN_LINES:
        return shown([*(f"-{line}" for line in first), *(f"+{line}" for line in second)])
    left = max(len(first), len(second)) - half
    return (*shown([f"-{one}" for one in first[:half]]), *shown([f"+{one}" for one in second[:half]]),
            f" ... and {left} more lines")  # fmt: skip


def _text(first: bytes, second: bytes) -> Inside | None:
    if b"\0" in first or b"\0" in second:
        return None
    try:
        here, there = first.decode().splitlines(), second.decode().splitlines()
    except UnicodeDecodeError:
        return None
    gone, new = changed(here, there)
    if not gone and not new:
        return Inside("text", (), Cause("only the ends of lines differ"))
    return Inside("text", paired(gone, new), of_lines(gone, new))


def _gzip(path: str, first: bytes, second: bytes, depth: int) -> Inside | None:
    ours, theirs = _unpacked(first), _unpacked(second)
    if ours is None or theirs is None or depth >= _DEEPEST:
        return None
    if ours != theirs:
        found = look(path.removesuffix(".gz"), ours, theirs, depth + 1)
        return found._replace(what=f"gzip of: {found.what}")
    if first[4:8] != second[4:8]:
        times = [int.from_bytes(data[4:8], "little") for data in (first, second)]
        lines = (f"-time in the header: {times[0]}", f"+time in the header: {times[1]}")
        return Inside("gzip", lines, Cause("a time in the gzip header; what is packed is the same", "gzip -n"))
    return Inside("gzip", (), Cause("packed by another version or level; what is packed is the same"))


def _unpacked(data: bytes) -> bytes | None:
    from wherry.errors import WherryError
    from wherry.image.tar import compress

    try:
        return compress.reader(io.BytesIO(data)).read(LARGEST_BYTES)
    except (OSError, EOFError, ValueError, WherryError):
        return None


def _binary(first: bytes, second: bytes) -> Inside:
    where = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    lines = [f"-{len(first)} bytes, at {where}: {_excerpt(first, where)}"]
    lines += [f"+{len(second)} bytes, at {where}: {_excerpt(second, where)}"]
    around = [data[max(0, where - 16) : where + 48].decode("latin-1") for data in (first, second)]
    cause = of_lines([_printable(around[0])], [_printable(around[1])])
    # Of bytes that are no text only a date stands out
    return Inside("binary", tuple(lines), cause if "date" in cause.why else UNKNOWN)


def _excerpt(data: bytes, where: int) -> str:
    return " ".join(f"{byte:02x}" for byte in data[where : where + 12]) or "(its end)"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
