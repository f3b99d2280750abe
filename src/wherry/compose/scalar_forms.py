"""The rarer forms of plain scalars: numbers with signs, fractions, bases and underscores; dates and times."""

from __future__ import annotations

import re

from wherry.compose.scalars import Timestamp

__all__ = ["number_or_moment"]

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_DOTTED = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"([-+]?)(?:(0|[1-9][0-9]*)|0([0-7]+)|0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+))", re.ASCII)
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt](?=.*[Z+-])| )([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(\.[0-9]+)?)?"
    r"(Z|(?<=[0-9])([+-])([0-9]{2}):([0-9]{2}))?",
    re.ASCII,
)
_BASES = (10, 8, 16, 8, 2)
_MOST_DIGITS = 400  # what is longer is no number that anything here takes, and Python's own limit is near


def number_or_moment(text: str) -> int | float | str:
    """The value of a plain scalar that may be a number, a Timestamp, or just text."""
    if text[0] == ".":
        return float(text) if _DOTTED.fullmatch(text) else text
    if text[4:5] == "-" and (moment := _timestamp(text)) is not None:
        return moment
    number = _number(text.replace("_", ""))
    return text if number is None else number


def _timestamp(text: str) -> Timestamp | None:
    from datetime import datetime, timedelta, timezone

    found = _MOMENT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone, ahead, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0)) * (-1 if ahead == "-" else 1)
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), 0, timezone(offset)
        )
    except ValueError:
        return None
    fraction = (fraction or "").rstrip("0.")
    stamp = moment.strftime("%H:%M:%S")
    digits = f"{moment:%z}"
    date = f"{int(year):04}-{moment:%m-%d}"
    value = Timestamp(f"{date}T{stamp}{fraction}" + ("Z" if digits == "+0000" else f"{digits[:3]}:{digits[3:]}"))
    value.spoken = f"{date} {stamp}{fraction} {digits} {'UTC' if zone in {None, 'Z'} else digits}"
    return value


def _number(plain: str) -> int | float | None:
    if len(plain) > _MOST_DIGITS:
        return None
    if found := _INTEGER.fullmatch(plain):
        for base, digits in zip(_BASES, found.groups()[1:], strict=True):
            if digits:
                value = int(digits, base) * (-1 if found[1] == "-" else 1)
                if -(1 << 63) <= value < 1 << 64:
                    return value
    return float(plain) if _FLOAT.fullmatch(plain) else None
