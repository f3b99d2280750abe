"""The parts of a split bundle: NAME.001, NAME.002 and so on, all of one size but the last."""

from __future__ import annotations

import re

from wherry.errors import InputError, InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEAST_BYTES", "check_parts", "number_of", "part_name", "parts_of"]

LEAST_BYTES = 1_000_000
_MOST = 999
_NUMBERED = re.compile(r"(.+)\.([0-9]{3})\Z", re.DOTALL)


def part_name(path: str, number: int) -> str:
    """From 1."""
    return f"{path}.{number:03d}"


def number_of(path: str) -> tuple[str, int] | None:
    """(what all parts are named, which one it is), or None for a name that is no part's."""
    match = _NUMBERED.match(path)
    return (match[1], int(match[2])) if match and int(match[2]) else None


def parts_of(total: int, part_bytes: int) -> int:
    """How many parts. Raises: InputError."""
    count = -(-total // part_bytes)
    if count > _MOST:
        raise InputError(
            f"{count} parts are more than {_MOST}", hint=f"--split with at least {-(-total // _MOST)} bytes"
        )
    return count


def check_parts(paths: Sequence[str], sizes: Sequence[int], total: int) -> None:
    """That the parts, in order from the first, make up `total` bytes.

    Raises: InvalidSpec: which part is missing, cut off, or too long.
    """
    if len(paths) == 1 and number_of(paths[0]) is None:
        if sizes[0] != total:
            what = "is cut off" if sizes[0] < total else "has too much behind its end"
            raise InvalidSpec(f"{paths[0]} {what}: it has {sizes[0]} bytes of {total}", hint="copy it again")
        return
    # Not the first one's: that may be the one which is cut off
    size = max(sizes)
    count = -(-total // size)
    for i, (path, actual) in enumerate(zip(paths, sizes, strict=True)):
        wanted = min(size, total - i * size)
        if wanted <= 0:
            raise InvalidSpec(f"{path} is no part of this bundle, which has {count}", hint="move it away")
        if actual != wanted:
            what = "is cut off" if actual < wanted else "is too long"
            raise InvalidSpec(f"{path} {what}: it has {actual} bytes of {wanted}", hint="copy this part again")
    if len(paths) < count:
        known = number_of(paths[0])
        stem = known[0] if known else paths[0]
        missing = [part_name(stem, i) for i in range(len(paths) + 1, count + 1)]
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InvalidSpec(
            f"parts of the bundle are missing: {', '.join(missing[:3])}{more} (it has {count})",
            hint="copy them into the same folder, or name all parts",
        )
