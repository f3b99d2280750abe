"""--chmod: octal, or symbolic as chmod(1) reads it ("u=rwX,go=rX").

Spec: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/chmod.html
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable

from wherry.errors import InputError

__all__ = ["parse"]

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)\Z")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def parse(text: str) -> Callable[[int], int]:
    """A function from a file's st_mode to its new permission bits. Raises: InputError."""
    if re.fullmatch(r"[0-7]+", text) and int(text, 8) <= 0o7777:
        bits = int(text, 8)
        return lambda _: bits
    clauses = [_CLAUSE.match(part) for part in text.split(",")]
    if text[:1].isdigit() or not all(clauses):
        raise InputError(
            f"invalid chmod parameter: {text!r}",
            hint="it is octal and between 0 and 07777, or symbolic as in u=rwX,go=rX",
        )
    steps = [(found[1], _ACTION.findall(found[2])) for found in clauses if found]

    def change(mode: int) -> int:
        bits = stat.S_IMODE(mode)
        for who, actions in steps:
            for operator, what in actions:
                bits = _apply(bits, who or "a", operator, what, stat.S_ISDIR(mode))
        return bits

    return change


def _apply(bits: int, who: str, operator: str, what: str, is_folder: bool) -> int:
    classes = "ugo" if "a" in who else who
    mask = 0
    for one in classes:
        mask |= _WHO[one]
    if "a" in who:
        mask |= 0o1000
    wanted = _wanted(bits, what, is_folder, classes) & mask
    if operator == "+":
        return bits | wanted
    if operator == "-":
        return bits & ~wanted
    # chmod(1) leaves a folder's set-id bits alone unless they are named
    kept = bits & 0o6000 if is_folder else 0
    return (bits & ~mask) | wanted | (kept & mask)


def _wanted(bits: int, what: str, is_folder: bool, classes: str) -> int:
    if what in _SHIFT and what:
        copied = (bits >> _SHIFT[what]) & 7
        return sum(copied << _SHIFT[one] for one in set(classes))
    result = 0
    for letter in what:
        if letter == "X" and not (is_folder or bits & 0o111):
            continue
        result |= {"r": 0o444, "w": 0o222, "x": 0o111, "X": 0o111, "s": 0o6000, "t": 0o1000}[letter]
    return result
