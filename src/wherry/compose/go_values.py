"""Values as Go's libraries write and order them, on which equal output and equal hashes depend."""

from __future__ import annotations

import struct
from math import isnan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["clean_path", "float32", "format_float", "natural_order", "shortest32", "sorted_map"]


def clean_path(path: str) -> str:
    """`path.Clean` of Go: without `.`, `..` and doubled slashes."""
    from posixpath import normpath

    cleaned = normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def float32(value: float) -> float:
    """The nearest single precision number (infinite beyond them), as docker keeps CPUs."""
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return float(single)


def shortest32(value: float) -> float:
    """The double with the fewest digits that has the same single precision: 0.1 for 0.10000000149."""
    for digits in range(6, 10):
        shorter = float(f"{value:.{digits}g}")
        if float32(shorter) == value:
            return shorter
    return value


def format_float(value: float, *, small: int = -4, large: int = 6) -> str:
    """`strconv.FormatFloat(value, 'g', -1, 64)`: with an exponent below 10^`small` and from 10^`large`."""
    if isnan(value):
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    digits, exponent = f"{value!r}", 0
    sign = "-" if digits.startswith("-") else ""
    digits, _, power = digits.removeprefix("-").partition("e")
    whole, _, fraction = digits.partition(".")
    exponent = int(power or "0") + len(whole) - 1
    number = (whole + fraction).lstrip("0")
    exponent -= len(whole + fraction) - len(number)
    number = number.rstrip("0")
    if not number:
        return f"{sign}0"
    if exponent < small or exponent >= large:
        tail = f".{number[1:]}" if len(number) > 1 else ""
        return f"{sign}{number[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{number}"
    number = number.ljust(exponent + 1, "0")
    tail = number[exponent + 1 :]
    return f"{sign}{number[: exponent + 1]}{f'.{tail}' if tail else ''}"


def natural_order(keys: Iterable[str]) -> list[str]:
    """Sort as go-yaml sorts a map's keys: numbers by value, letters after all others."""
    names = list(keys)
    if len(names) < 2:
        return names
    text = "".join(names)
    if text.isascii() and not any(map(text.__contains__, "0123456789")):
        return sorted(names, key=lambda name: name.translate(_LETTERS_LAST))
    from functools import cmp_to_key

    return sorted(names, key=cmp_to_key(_compare))


_LETTERS_LAST = {code: code + 128 for code in (*range(65, 91), *range(97, 123))}


def _compare(one: str, other: str) -> int:
    has_digits = False
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left == right:
            has_digits = left.isdecimal()
            continue
        if left.isalpha() and right.isalpha():
            return -1 if left < right else 1
        if left.isalpha() or right.isalpha():
            return -1 if left.isalpha() == has_digits else 1
        return _compare_numbers(one, other, at)
    return len(one) - len(other)


def _compare_numbers(one: str, other: str, at: int) -> int:
    lead = 0
    if "0" in {one[at], other[at]}:
        back = at - 1
        while back >= 0 and one[back].isdecimal():
            if one[back] != "0":
                lead = 1
                break
            back -= 1
    left, left_end = _number(one, at, lead)
    right, right_end = _number(other, at, lead)
    if left != right:
        return -1 if left < right else 1
    if left_end != right_end:
        return -1 if left_end < right_end else 1
    return -1 if one[at] < other[at] else 1


def _number(text: str, at: int, value: int) -> tuple[int, int]:
    while at < len(text) and text[at].isdecimal():
        value = (value * 10 + ord(text[at]) - 48 + 2**63) % 2**64 - 2**63  # Go's int64 wraps
        at += 1
    return value, at


def sorted_map(entries: Mapping[str, Any], *, natural: bool) -> dict[str, Any]:
    """Give `entries` in the order of Go's YAML (`natural`) or JSON encoder."""
    order = natural_order(entries) if natural else sorted(entries)
    return {key: entries[key] for key in order}
